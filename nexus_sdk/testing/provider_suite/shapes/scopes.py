"""Sagas, time limits, and one around the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import ActivityFailed, ChildWorkflowFailed, CompensationFailed, WaitTimedOut, WorkflowFailed
from nexus_sdk.testing.provider_suite.shapes.activities import (
    add_one,
    book,
    book_for_good,
    book_near,
    book_nowhere,
    refused,
    unserved,
)
from nexus_sdk.testing.provider_suite.shapes.shape import Shape

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle


@workflow
async def undone(ctx: Context) -> Completes[None]:
    async with ctx.saga():
        yield ctx.gather(book(1), book(2))
        yield book(3)
        raise RuntimeError("out of stock")


@workflow
async def saga_failing(ctx: Context) -> str:
    try:
        await undone()
    except ChildWorkflowFailed as error:
        return error.failure.message
    return "not reached"


@workflow
async def nested_sagas(ctx: Context) -> str:
    """The inner one ends well, and hands its undos to the outer one."""
    try:
        async with ctx.saga() as saga:
            async with ctx.saga():
                await book_near(1)
            saga.add(add_one(9))
            await refused(2)
    except ActivityFailed as error:
        return error.message
    return "not reached"


@workflow
async def undoing_what_is_in_flight(ctx: Context) -> str:
    """The true outcome of what nobody has taken: it never ran, so there is nothing to undo."""
    try:
        async with ctx.saga():
            await ctx.gather(book(1), book_nowhere(2), refused(3))
    except ActivityFailed as error:
        return error.message
    return "not reached"


@workflow
async def undo_failing(ctx: Context) -> int:
    try:
        async with ctx.saga():
            await book(1)
            await book_for_good(2)
            await book(3)
            raise RuntimeError("out of stock")
    except CompensationFailed as error:
        return len(error.failures)


@workflow
async def cancelled_while_undoing(ctx: Context) -> None:
    """Undoing takes ten minutes; a cancellation that comes meanwhile waits."""
    async with ctx.saga() as saga:
        await book(1)
        saga.add(ctx.sleep("10m"))
        await book(2)
        raise RuntimeError("out of stock")


@workflow
async def time_limit_around_a_saga(ctx: Context) -> str:
    try:
        async with ctx.timeout("1h"), ctx.saga():
            await book(1)
            await ctx.sleep("2h")
    except WaitTimedOut:
        return "time is up"
    return "not reached"


@workflow
async def time_limit_around_many(ctx: Context) -> int:
    try:
        async with ctx.timeout("1h"):
            await ctx.gather(unserved(), ctx.wait_for_event("never"), ctx.sleep("1d"))
    except WaitTimedOut:
        return await add_one(1)
    return 0


@workflow
async def completing_inside(ctx: Context) -> Completes[int]:
    """`complete` undoes nothing, and `finally` does durable work."""
    async with ctx.saga(), ctx.timeout("1h"):
        try:
            yield ctx.complete((yield book(4)))
        finally:
            yield add_one(1)


async def cancel_after_five_minutes(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("5m")
    await handle.cancel("too late")


SHAPES = {
    "saga that fails": Shape(saga_failing, (), "out of stock"),
    "nested sagas": Shape(nested_sagas, (), "no 2"),
    "a saga with something in flight": Shape(undoing_what_is_in_flight, (), "no 3"),
    "an undo that fails": Shape(undo_failing, (), 1),
    "cancelled while undoing": Shape(cancelled_while_undoing, (), WorkflowFailed, cancel_after_five_minutes),
    "time limit around a saga": Shape(time_limit_around_a_saga, (), "time is up"),
    "time limit around many": Shape(time_limit_around_many, (), 2),
    "complete inside a saga": Shape(completing_inside, (), 4),
}
