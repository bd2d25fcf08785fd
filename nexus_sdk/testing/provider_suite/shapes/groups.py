"""Many at once: gather, race, map, spawn, and one inside the other."""

from __future__ import annotations

from typing import Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import ActivityFailed, CancelledError
from nexus_sdk.testing.provider_suite.shapes.activities import add_one, double, near, refused, unserved
from nexus_sdk.testing.provider_suite.shapes.shape import Shape


@workflow
async def fan_out(ctx: Context, n: int) -> list[Any]:
    first = await ctx.gather(*(add_one(i) for i in range(n)))
    second = await ctx.map(double, first, concurrency=2)
    return [first, second]


@workflow
async def racing(ctx: Context) -> Completes[list[Any]]:
    spawned = ctx.spawn(add_one(100))
    winner = yield ctx.race(never=unserved(), late=ctx.sleep("2d"), first=double(4))
    yield ctx.complete([winner.name, winner.value, (yield spawned)])


@workflow
async def gathering_in_map(ctx: Context) -> list[Any]:
    async def both(x: int) -> tuple[int, int]:
        return await ctx.gather(add_one(x), near(x))

    return await ctx.map(both, [1, 2], concurrency=1)


@workflow
async def gathering_failures(ctx: Context) -> list[Any]:
    one, two = await ctx.gather(add_one(1), refused(2), return_exceptions=True)
    return [one, two.details if isinstance(two, ActivityFailed) else None]


@workflow
async def failing_together(ctx: Context) -> str:
    """The first failure cancels the others: one on a queue, one timer, one wait."""
    try:
        await ctx.gather(unserved(), ctx.sleep("1d"), ctx.wait_for_event("never"), refused(1))
    except ActivityFailed as error:
        await ctx.sleep("1m")
        return error.type
    return "not reached"


@workflow
async def tidying(ctx: Context) -> list[Any]:
    """A helper that loses a race does durable work on its way out."""
    done: list[int] = []

    async def slow() -> None:
        try:
            await ctx.sleep("1d")
        except CancelledError:
            done.append(await add_one(1))
            raise

    winner = await ctx.race(slow=slow(), fast=near(1))
    return [winner.name, *done]


@workflow
async def races_in_gather(ctx: Context) -> list[str | None]:
    races = [ctx.race(slow=ctx.sleep(f"{hours}h"), fast=add_one(hours)) for hours in (1, 2)]
    return [winner.name for winner in await ctx.gather(*races)]


@workflow
async def spawned_and_cancelled(ctx: Context) -> int:
    dropped, kept = ctx.spawn(unserved()), ctx.spawn(add_one(1))
    await ctx.sleep("1m")
    dropped.cancel()
    try:
        await dropped
    except CancelledError:
        return await kept
    return 0


SHAPES = {
    "gather and map": Shape(fan_out, (3,), [[1, 2, 3], [2, 4, 6]]),
    "race": Shape(racing, (), ["first", 8, 101]),
    "gather inside map": Shape(gathering_in_map, (), [[2, 11], [3, 12]]),
    "gather with failures": Shape(gathering_failures, (), [2, {"x": 2}]),
    "gather that fails": Shape(failing_together, (), "Refused"),
    "a loser tidies up": Shape(tidying, (), ["fast", 2]),
    "races inside gather": Shape(races_in_gather, (), ["fast", "fast"]),
    "spawned and cancelled": Shape(spawned_and_cancelled, (), 2),
}
