"""Many runs of one instance: continue-as-new, with events, children and spawned operations; rewind."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import WorkflowFailed
from nexus_sdk.testing.provider_suite.shapes.activities import MENDED, add_one, mendable, near, unserved
from nexus_sdk.testing.provider_suite.shapes.families import sleeper
from nexus_sdk.testing.provider_suite.shapes.shape import Shape

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle


@workflow
async def continuing(ctx: Context, total: int, rounds: int) -> Completes[int]:
    """All events come in its first run."""
    total = yield add_one(total)
    if ctx.run == 1:
        yield ctx.sleep("1h")
    item = yield ctx.wait_for_event("item", int)
    if rounds > 1:
        yield ctx.continue_as_new(total + item, rounds - 1)
    yield ctx.complete(total + item)


@workflow
async def dropping(ctx: Context, rounds: int) -> Completes[int]:
    """What was spawned ends with its run: a timer, a task, a child; a detached child does not."""
    if rounds:
        ctx.spawn(ctx.sleep("3h"))
        ctx.spawn(unserved())
        ctx.spawn(sleeper.options(id=f"attached-{rounds}")(2))
        ctx.spawn(sleeper.options(id=f"detached-{rounds}", detached=True)(2))
        yield ctx.sleep("1h")
        yield ctx.continue_as_new(rounds - 1)
    yield ctx.complete(ctx.run)


@workflow
async def tidy_runs(ctx: Context, rounds: int) -> Completes[int]:
    """`finally` does durable work before the run ends."""
    try:
        if rounds:
            yield ctx.continue_as_new(rounds - 1)
        yield ctx.complete(rounds)
    finally:
        yield near(rounds)


@workflow
async def mending(ctx: Context) -> list[int]:
    return [await add_one(1), await mendable(2), await add_one(3)]


async def send_items(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("5m")
    for number in range(3):
        await handle.send_event("item", 10**number, event_id=f"item-{number}")
        await handle.send_event("item", 10**number, event_id=f"item-{number}")


async def mend_and_rewind(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    with suppress(WorkflowFailed):
        await handle.result()
    MENDED.add("mendable")
    await handle.rewind()


SHAPES = {
    "continue_as_new": Shape(continuing, (0, 3), 114, send_items),
    "spawned and continue_as_new": Shape(dropping, (1,), 2),
    "durable work before the next run": Shape(tidy_runs, (1,), 0),
    "rewind": Shape(mending, (), [2, 2, 4], mend_and_rewind),
}
