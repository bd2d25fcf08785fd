"""Under strict replay everything is forgotten after each turn, and what operations are given is compared, too."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from nexus_sdk import Context, NonDeterminismError, activity, workflow
from nexus_sdk.testing import WorkflowEnvironment
from tests.scenarios.shapes import ACTIVITIES, SHAPES, WORKFLOWS

NUMBERS = itertools.count()
"""What differs from run to run of the code."""


@activity
async def note(number: int) -> int:
    return number


@workflow
async def child(ctx: Context, number: int) -> int:
    return number


@pytest.mark.parametrize("name", SHAPES)
async def test_workflows_that_keep_the_rules_come_to_the_same_end(name: str) -> None:
    shape = SHAPES[name]
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES, strict_replay=True) as env:
        assert await shape.play(env) == shape.result


async def test_the_code_runs_from_the_start_at_every_turn() -> None:
    runs: list[int] = []

    @workflow
    async def counted(ctx: Context):
        runs.append(1)
        for number in range(3):
            yield note(number)

    async with WorkflowEnvironment([counted], [note], strict_replay=True) as env:
        await env.run(counted)
        assert len(runs) == 5  # four turns, and once over all of it at the end
    runs.clear()
    async with WorkflowEnvironment([counted], [note]) as env:
        await env.run(counted)
        assert len(runs) == 1


@workflow
async def changing_arguments(ctx: Context):
    yield note(next(NUMBERS))
    yield note(1)


@workflow
async def changing_the_last_arguments(ctx: Context):
    yield note(next(NUMBERS))


@workflow
async def changing_deadlines(ctx: Context):
    yield ctx.sleep(1 + next(NUMBERS))
    yield note(1)


@workflow
async def changing_children(ctx: Context):
    yield child(next(NUMBERS))
    yield note(1)


@workflow
async def changing_ids(ctx: Context):
    yield child.options(id=f"child-{next(NUMBERS)}")(1)
    yield note(1)


@workflow
async def changing_events(ctx: Context):
    yield ctx.spawn(child(1))
    try:
        yield ctx.send_event(f"{ctx.instance_id}/0", "word", next(NUMBERS))
    except Exception:
        yield note(1)


@workflow
async def changing_the_result(ctx: Context) -> Any:
    await note(1)
    return next(NUMBERS)


CHANGING = {
    changing_arguments: "argument",
    changing_the_last_arguments: "argument",
    changing_deadlines: "deadline",
    changing_children: "argument",
    changing_ids: "id",
    changing_events: "payload",
    changing_the_result: "result",
}
"""Each with a word of what is given otherwise."""


@pytest.mark.parametrize("changing", CHANGING, ids=lambda workflow: workflow.name)
async def test_what_is_given_otherwise_is_told(changing: Any) -> None:
    async with WorkflowEnvironment([changing, child], [note], strict_replay=True) as env:
        with pytest.raises(NonDeterminismError, match=CHANGING[changing]) as raised:
            await env.run(changing)
        assert "test_strict_replay.py:" in str(raised.value) or changing is changing_the_result


@pytest.mark.parametrize("changing", CHANGING, ids=lambda workflow: workflow.name)
async def test_an_ordinary_replay_does_not_look(changing: Any) -> None:
    async with WorkflowEnvironment([changing, child], [note]) as env:
        handle = await env.start(changing)
        await env.restart_worker()
        await handle.result()
