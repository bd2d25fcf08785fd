"""A store that cannot be used is told, and left exactly as it was."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.mistakes import stores
from tests.mistakes.bench import Bench, Python, Row, Typed, check_error, check_json, check_output, contents, try_python

_SPOILED = "spoiled.db"


def _each(kind: type) -> pytest.MarkDecorator:
    pairs = [(row, face) for row in stores.ROWS for face in row.faces if isinstance(face, kind)]
    return pytest.mark.parametrize(("row", "face"), pairs, ids=[f"{row.name}: {face.name}" for row, face in pairs])


@_each(Python)
async def test_python_raises_the_coded_error_and_the_store_is_as_it_was(row: Row, face: Python, bench: Bench) -> None:
    before: dict[str, object] = {}

    def spoil(bench: Bench) -> str:
        url: str = row.thing(bench)
        before.update(contents(bench.folder))
        return url

    spoiled = Row(row.name, spoil, row.code, row.words, row.faces)
    check_error(await try_python(bench, spoiled, face), row)
    assert contents(bench.folder) == before


@_each(Typed)
def test_a_command_says_the_coded_error_and_the_store_is_as_it_was(
    row: Row, face: Typed, bench: Bench, nexus: Any
) -> None:
    url = row.thing(bench)
    before = contents(bench.folder)
    words = face.words(bench, url)
    done = nexus(*words)
    assert (done.exit_code, done.stdout) == (face.exit_code, ""), done.output
    check_output(done.stderr, row, face)
    done = nexus(words[0], "--json", *words[1:])
    assert done.exit_code == face.exit_code, done.output
    check_json(done.stderr, row, face)
    assert contents(bench.folder) == before


@pytest.mark.parametrize("command", [("list",), ("show", "a"), ("event", "a", "b"), ("purge", "a", "--yes")])
def test_looking_for_a_store_that_is_not_there_makes_none(command: tuple[str, ...], bench: Bench, nexus: Any) -> None:
    before = os.listdir(bench.folder)
    done = nexus(*command, "--store", "sqlite:///other.db")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "[NX801] There is no store at sqlite:///other.db" in done.stderr
    assert os.listdir(bench.folder) == before


@pytest.mark.parametrize("variable", ["nexus.db", "mysql://anna:s3cr3t-marker@host/db", "sqlite:///nowhere/x.db"])
def test_a_store_named_by_the_environment_is_told_as_one_that_is_typed(
    variable: str, bench: Bench, nexus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_STORE", variable)
    done, typed = nexus("start", "orders:approval"), nexus("start", "orders:approval", "--store", variable)
    assert (done.exit_code, done.stderr) == (typed.exit_code, typed.stderr)
    assert done.exit_code in (1, 2)
    assert "[NX4" in done.stderr
    assert "s3cr3t" not in done.output
