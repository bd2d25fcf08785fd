"""Workflows for the corpus of recorded histories: between them and the samples they bring about every kind of event.

They are never changed without a guard: what is recorded must replay for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from nexus_sdk import ActivityFailed, CancelledError, ChildWorkflowFailed, Context, Retry, activity, workflow
from nexus_sdk.errors import InstanceNotFound


@activity
async def double(number: int) -> int:
    return 2 * number


@activity(local=True)
async def near(number: int) -> int:
    return number + 1


@activity(retry=Retry(max_attempts=2, jitter="none"))
async def broken(what: str) -> None:
    raise ValueError(what)


@activity
async def unbook(what: str) -> None: ...


@activity(compensate=unbook)
async def book(what: str) -> str:
    return what


@activity(compensate=unbook, task_queue="nobody's")
async def book_nowhere(what: str) -> str:
    return what


@activity
async def repeat(text: str, times: int) -> str:
    return text * times


@workflow
async def decisions(ctx: Context, number: int):
    """Side effects, patches, statuses, chance, time, local activities."""
    drawn = yield ctx.side_effect(lambda: 42)
    if ctx.patched("doubled"):
        drawn = yield double(drawn)
    ctx.set_status({"drawn": drawn, "at": ctx.now(), "id": str(ctx.uuid4()), "chance": ctx.random.random()})
    yield ctx.complete([drawn, (yield near(number))])


@workflow
async def failing(ctx: Context):
    """Retries, then the failure of the workflow; undos before it."""
    async with ctx.saga():
        yield ctx.gather(book("a room"), book("a seat"))
        yield broken("no money")


@workflow
async def giving_up(ctx: Context):
    """A race whose losers are cancelled: an activity that nobody runs, a wait, a timer, a child."""
    async with ctx.saga():
        winner = yield ctx.race(
            booked=book_nowhere("a room"),
            told=ctx.wait_for_event("told"),
            late=ctx.sleep("1d"),
            child=waiting.options(id=f"{ctx.instance_id}/child")(),
            soon=ctx.sleep("1m"),
        )
        yield ctx.sleep("1h")
    yield ctx.complete(winner.name)


@workflow
async def waiting(ctx: Context, seconds: float = 0.0) -> Any:
    """Waits until it is told, or cancelled; cleans up durably."""
    try:
        async with ctx.timeout("30d"):
            return await ctx.wait_for_event("told", timeout="20d")
    except CancelledError:
        await unbook("everything")
        raise


@workflow
async def posting(ctx: Context):
    """Events to others, accepted and refused."""
    spawned = ctx.spawn(waiting.options(id=f"{ctx.instance_id}/reader")())
    yield ctx.send_event(f"{ctx.instance_id}/reader", "told", {"by": ctx.instance_id})
    try:
        yield ctx.send_event("nobody", "told")
    except InstanceNotFound:
        ctx.set_status("nobody is there")
    yield ctx.complete((yield spawned))


@workflow
async def family(ctx: Context) -> list[str]:
    """A child that ends well and one that fails."""
    told: list[str] = []
    for child in (parts(1), failing()):
        try:
            told.append(str(await child))
        except ChildWorkflowFailed as failure:
            told.append(failure.type)
    return told


@workflow
async def parts(ctx: Context, depth: int) -> list[Any]:
    """Helpers in helpers, maps, spawned operations."""

    async def part(number: int) -> int:
        first, second = await ctx.gather(double(number), part_of(number))
        return int(first + second)

    async def part_of(number: int) -> int:
        await ctx.sleep(number)
        return await double(number + 1)

    spawned = ctx.spawn(double(100))
    done = await ctx.map(part, range(4), concurrency=2)
    return [*done, await spawned]


@workflow
async def rounds(ctx: Context, left: int):
    """Runs that continue each other, with events that are carried over."""
    said = yield ctx.wait_for_event("said")
    if left:
        yield ctx.continue_as_new(left - 1)
    yield ctx.complete([said, ctx.run])


@workflow
async def lengthening(ctx: Context, text: str):
    """Values large enough to be compressed, and to lie apart."""
    longer = yield repeat(text, 400)
    yield ctx.complete(len((yield repeat(longer, 2))))


@workflow
async def careful(ctx: Context):
    """What a broken activity makes of it."""
    try:
        yield broken("not today")
    except ActivityFailed as failure:
        yield ctx.complete([failure.type, failure.attempts])


@workflow(name="mended")
async def mended_before(ctx: Context):
    """With a fault that blocks it."""
    yield double(1)
    await asyncio.sleep(0)  # nexus: ignore[NXL104] this is the fault
    yield double(2)


@workflow(name="mended")
async def mended(ctx: Context):
    """The same, mended."""
    yield double(1)
    yield double(2)


WORKFLOWS = [decisions, failing, giving_up, waiting, posting, family, parts, rounds, lengthening, careful, mended]
ACTIVITIES = [double, near, broken, unbook, book, repeat]
