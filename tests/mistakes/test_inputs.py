"""Every bad input is told: by its code, before anything durable, without a traceback of ours, a payload or a secret."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from tests.mistakes import asking, definitions, ids, modules, options, payloads, seals
from tests.mistakes.bench import (
    Bench,
    Python,
    Row,
    Typed,
    check_error,
    check_json,
    check_output,
    contents,
    try_python,
)

ROWS = [
    *ids.ROWS,
    *payloads.ROWS,
    *options.ROWS,
    *definitions.ROWS,
    *asking.ROWS,
    *modules.ROWS,
    *seals.ROWS,
]


def _each(kind: type) -> pytest.MarkDecorator:
    pairs = [(row, face) for row in ROWS for face in row.faces if isinstance(face, kind)]
    names = [f"{row.name}: {face.name}" for row, face in pairs]
    return pytest.mark.parametrize(("row", "face"), pairs, ids=names)


@_each(Python)
async def test_python_raises_the_coded_error_and_nothing_is_written(row: Row, face: Python, bench: Bench) -> None:
    before = contents(bench.folder)
    check_error(await try_python(bench, row, face), row)
    assert contents(bench.folder) == before


@_each(Typed)
def test_a_command_says_the_coded_error_and_nothing_is_written(row: Row, face: Typed, bench: Bench, nexus: Any) -> None:
    words = face.words(bench, row.thing)
    before = contents(bench.folder)
    done = nexus(*words)
    assert (done.exit_code, done.stdout) == (face.exit_code, ""), done.output
    check_output(done.stderr, row, face)
    done = nexus(words[0], "--json", *words[1:])
    assert done.exit_code == face.exit_code, done.output
    check_json(done.stderr or done.stdout, row, face)
    assert contents(bench.folder) == before


def test_no_two_rows_have_the_same_name_and_there_are_many() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []
    assert len(ROWS) >= 60


@pytest.mark.parametrize("id", ids.HARMLESS)
def test_an_odd_id_is_an_id_like_any_other(id: str, bench: Bench, nexus: Any) -> None:
    """Not a path, not SQL, not an option: it makes no file, touches no other instance, and can be typed."""
    before = {path.name for path in bench.folder.parent.rglob("*")}
    started = nexus("start", "orders:approval", f"--id={id}", "--json")
    assert (started.exit_code, json.loads(started.stdout)["id"]) == (0, id)
    asyncio.run(bench.client.get(id).send_event("approved", True))
    assert json.loads(nexus("show", "--json", "--", id).stdout)["id"] == id
    ids_listed = {one["id"] for one in json.loads(nexus("list", "--json").stdout)["instances"]}
    assert ids_listed == {id, "waiting", "done", "failed"}
    assert nexus("terminate", "--", id).exit_code == 0
    after = {path.name for path in bench.folder.parent.rglob("*")}
    assert after - before <= {"nexus.db-wal", "nexus.db-shm"}
