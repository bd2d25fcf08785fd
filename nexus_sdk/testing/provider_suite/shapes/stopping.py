"""What is done to an instance from outside: cancel, terminate, suspend, resume, start it later, mend its code."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import BlockingError, CancelledError, WorkflowCancelled, WorkflowTerminated
from nexus_sdk.testing.provider_suite.shapes.activities import MENDED, add_one, book, near, unserved
from nexus_sdk.testing.provider_suite.shapes.families import sleeper
from nexus_sdk.testing.provider_suite.shapes.shape import Shape

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle


@workflow
async def cleaning_up(ctx: Context) -> Completes[None]:
    """Cancelled with a task, a timer and a child under way."""
    try:
        yield ctx.gather(unserved(), ctx.sleep("1d"), sleeper(9))
    finally:
        yield add_one(1)


@workflow
async def undoing_when_cancelled(ctx: Context) -> None:
    async with ctx.saga():
        await book(1)
        await ctx.sleep("1d")


@workflow
async def going_on(ctx: Context) -> int:
    """Swallows the cancellation."""
    try:
        await ctx.sleep("1d")
    except CancelledError:
        return await near(1)
    return 0


@workflow
async def walking(ctx: Context) -> int:
    x = await add_one(1)
    await ctx.sleep("1h")
    return await add_one(x)


@workflow
async def mistaken(ctx: Context) -> Completes[int]:
    """Yields what may not be yielded, until its code is mended."""
    x = yield add_one(1)
    if "mistaken" not in MENDED:
        yield 5  # type: ignore[misc]
    yield ctx.complete((yield add_one(x)))


async def cancel(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("10m")
    await handle.cancel("enough")


async def cancel_at_once(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await handle.cancel("never mind")


async def terminate(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("10m")
    await handle.terminate("enough")


async def suspend_and_resume(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("10m")
    await handle.suspend("lunch")
    await env.advance("3h")
    await handle.resume()


async def mend_and_resume(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    with suppress(BlockingError):
        await handle.result()
    MENDED.add("mistaken")
    await handle.resume()
    await env.advance("10m")  # until then it is blocked, and its result is that it is


SHAPES = {
    "cancelled": Shape(cleaning_up, (), WorkflowCancelled, cancel),
    "cancelled inside a saga": Shape(undoing_when_cancelled, (), WorkflowCancelled, cancel),
    "a cancellation that is swallowed": Shape(going_on, (), 11, cancel),
    "cancelled before it began": Shape(walking, (), WorkflowCancelled, cancel_at_once, {"delay": "1h"}),
    "terminated": Shape(cleaning_up, (), WorkflowTerminated, terminate),
    "suspended and resumed": Shape(walking, (), 3, suspend_and_resume),
    "blocked, mended and resumed": Shape(mistaken, (), 3, mend_and_resume),
    "started later": Shape(walking, (), 3, None, {"delay": "1h"}),
}
