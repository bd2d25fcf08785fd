"""Every bad input is told: by its code, before anything durable, without a traceback of ours, a payload or a secret."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from typing import Any

import pytest

from tests.mistakes import asking, definitions, ids, modules, options, orders, payloads, seals
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


@pytest.mark.parametrize(
    "value", payloads.EVEN_SO, ids=[f"{number}-{type(value).__name__}" for number, value in enumerate(payloads.EVEN_SO)]
)
async def test_an_odd_value_is_recorded_like_any_other(value: Any, bench: Bench) -> None:
    assert await bench.app.run_async(orders.keep, value, id="odd") == value


async def test_nan_is_recorded_as_nan(bench: Bench) -> None:
    """It equals nothing, itself included; as an attribute, by which instances are found, it is refused."""
    assert math.isnan(await bench.app.run_async(orders.keep, math.nan, id="odd"))


@pytest.mark.parametrize("delay", options.EVEN_SO, ids=str)
async def test_an_odd_delay_that_makes_sense_is_taken(delay: Any, bench: Bench) -> None:
    await bench.client.start(orders.keep, id="odd", delay=delay)
    assert (await bench.client.get("odd").status()).status == "pending"


@pytest.mark.parametrize("app", ["nowhere", "orders:nothing", ":app", "broken.py"])
def test_an_app_named_by_the_environment_is_told_as_one_that_is_typed(
    app: str, bench: Bench, nexus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = nexus("query", "waiting", "progress", "--app", app)
    monkeypatch.setenv("NEXUS_APP", app)
    done = nexus("query", "waiting", "progress")
    assert (done.exit_code, done.stderr) == (typed.exit_code, typed.stderr)
    assert (done.exit_code, "[NX801] " in done.stderr) == (2, True)
    assert nexus("worker").exit_code == 2
