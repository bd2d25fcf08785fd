"""`assert_replays`: code against a history from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Context, HistoryCorruptedError, InvalidArgument, NonDeterminismError, activity, workflow
from nexus_sdk.client.history import History
from nexus_sdk.codec.wire_json import batch_to_json
from nexus_sdk.replay.recorded import load_recording, recording_to_text
from nexus_sdk.testing import WorkflowEnvironment, assert_replays
from nexus_sdk.testing.laws import runs_of
from tests.scenarios.shapes import ACTIVITIES, SHAPES, WORKFLOWS


@activity
async def charge(amount: int) -> int:
    return amount


@activity
async def ship(amount: int) -> int:
    return amount


@workflow
async def order(ctx: Context, amount: int):
    if ctx.now().year > 2000:
        yield charge(amount)
    yield ctx.sleep("1h")
    yield ctx.complete((yield ship(amount)))


@workflow(name="order")
async def moved(ctx: Context, amount: int):
    yield ship(amount)
    yield ctx.sleep("1h")
    yield ctx.complete((yield charge(amount)))


@workflow(name="order")
async def dearer(ctx: Context, amount: int):
    yield charge(amount + 1)
    yield ctx.sleep("2h")
    yield ctx.complete((yield ship(amount)))


@workflow(name="order", version="2")
async def renumbered(ctx: Context, amount: int):
    async for _ in nothing():
        pass
    yield charge(amount)
    yield ctx.sleep("1h")
    yield ctx.complete((yield ship(amount)))


async def nothing() -> Any:
    for item in ():
        yield item


async def recorded() -> History:
    async with WorkflowEnvironment([order], [charge, ship]) as env:
        handle = await env.start(order, 5)
        await handle.result()
        return await env.history(handle)


def exported(history: History, folder: Path) -> Path:
    """A file as `nexus history ID --json` writes it."""
    path = folder / "history.json"
    path.write_text(json.dumps([batch_to_json(batch) for batch in history.batches]), encoding="utf-8")
    return path


@pytest.fixture
async def history() -> History:
    return await recorded()


def forms(history: History, folder: Path) -> list[Any]:
    path = exported(history, folder)
    return [history, list(history), history.batches, path, str(path)]


def test_the_same_code_replays_in_every_form_of_a_history(history: History, tmp_path: Path) -> None:
    for form in forms(history, tmp_path):
        assert_replays(order, form)
        assert_replays(renumbered, form)


def test_other_code_does_not_and_says_what_and_where(history: History, tmp_path: Path) -> None:
    for form in forms(history, tmp_path):
        with pytest.raises(NonDeterminismError) as raised:
            assert_replays(moved, form)
        said = str(raised.value)
        assert "history has activity 'charge'" in said
        assert "the code now asks for activity 'ship'" in said
        assert "test_replays.py:" in said
        assert "ctx.patched" in said


def test_other_arguments_are_compared_when_it_is_asked_for(history: History, tmp_path: Path) -> None:
    assert_replays(dearer, history)
    assert_replays(order, history, strict=True)
    assert_replays(order, exported(history, tmp_path), strict=True)
    with pytest.raises(NonDeterminismError, match="argument"):
        assert_replays(dearer, history, strict=True)
    with pytest.raises(InvalidArgument, match="with its batches"):
        assert_replays(order, list(history), strict=True)


async def test_all_runs_of_a_file_are_replayed(tmp_path: Path) -> None:
    @workflow
    async def counting(ctx: Context, left: int):
        yield charge(ctx.run)
        if left:
            yield ctx.continue_as_new(left - 1)

    @workflow(name="counting")
    async def changed(ctx: Context, left: int):
        yield ship(ctx.run) if ctx.run == 2 else charge(ctx.run)
        if left:
            yield ctx.continue_as_new(left - 1)

    async with WorkflowEnvironment([counting], [charge]) as env:
        await env.run(counting, 2, id="it")
        path = tmp_path / "history.json"
        path.write_text(recording_to_text(await load_recording(env.app.store, "it")), encoding="utf-8")
    assert_replays(counting, path, strict=True)
    assert_replays(changed, path, run=3)
    with pytest.raises(NonDeterminismError, match="history has activity 'charge'"):
        assert_replays(changed, path)
    with pytest.raises(InvalidArgument, match="no run 4"):
        assert_replays(changed, path, run=4)


def test_every_beginning_of_a_history_replays(history: History) -> None:
    for length in range(1, len(history.batches) + 1):
        assert_replays(order, history.batches[:length])


@pytest.mark.parametrize("name", SHAPES)
async def test_histories_of_every_shape_replay(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    served = {workflow.name: workflow for workflow in WORKFLOWS}
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES) as env:
        await shape.play(env)
        page = await env.client.list()
        runs = [
            (one.workflow, number, History(run.batches))
            for one in page
            for number, run in enumerate((await runs_of(env.app.store, one.id))[1], start=1)
        ]
    for workflow_name, number, history in runs:
        assert_replays(served[workflow_name], history)
        assert_replays(served[workflow_name], exported(history, tmp_path), run=number, strict=True)
        assert_replays(served[workflow_name], list(history))


async def test_a_run_that_continues_another_knows_its_number() -> None:
    @workflow
    async def counting(ctx: Context, left: int):
        if ctx.run > 1:
            yield charge(ctx.run)
        if left:
            yield ctx.continue_as_new(left - 1)

    async with WorkflowEnvironment([counting], [charge]) as env:
        handle = await env.start(counting, 2)
        await handle.result()
        history = await env.history(handle)
    assert_replays(counting, history)
    assert_replays(counting, history, run=3, strict=True)
    with pytest.raises(NonDeterminismError, match="argument"):
        assert_replays(counting, history, run=2, strict=True)


def test_a_history_is_equal_to_its_events(history: History) -> None:
    assert history == list(history)
    assert list(history) == history
    assert history == History(history.batches)
    assert history != list(history)[1:]
    assert history != 3


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_history_of_another_workflow_is_refused(history: History) -> None:
    @workflow
    async def other(ctx: Context, amount: int):
        yield charge(amount)

    with pytest.raises(InvalidArgument, match="a history of workflow 'order', not of 'other'"):
        assert_replays(other, history)


def test_what_is_no_workflow_or_no_history_is_refused(history: History) -> None:
    with pytest.raises(InvalidArgument, match="what @workflow made"):
        assert_replays(order.fn, history)  # type: ignore[arg-type]
    for what in (3, [1, 2], [*history, 3]):
        with pytest.raises(InvalidArgument):
            assert_replays(order, what)  # type: ignore[arg-type]
    for what in ([], list(history)[1:], history.batches[1:]):
        with pytest.raises(HistoryCorruptedError, match="does not begin with WorkflowCreated"):
            assert_replays(order, what)


def test_a_file_that_is_no_export_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no history to read at .*missing\.json"):
        assert_replays(order, tmp_path / "missing.json")
    path = exported(history, tmp_path)
    batches = json.loads(path.read_text(encoding="utf-8"))
    for text in ("{", "3", '["a"]', "[{}]", json.dumps([batches[0], batches[2]])):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(HistoryCorruptedError):
            assert_replays(order, path)
