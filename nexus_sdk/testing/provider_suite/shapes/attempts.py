"""Activities that fail, hang, or are asked to stop."""

from __future__ import annotations

from typing import Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import workflow
from nexus_sdk.errors import ActivityFailed
from nexus_sdk.testing.provider_suite.shapes.activities import (
    add_one,
    counting,
    endless,
    flaky,
    flaky_near,
    hanging,
    refused,
    slow_to_succeed,
    unserved,
)
from nexus_sdk.testing.provider_suite.shapes.shape import Shape


@workflow
async def persistent(ctx: Context) -> list[Any]:
    try:
        await ctx.call("missing_argument", 1, 2, 3)
    except ActivityFailed as error:
        return [await flaky(5), error.type]
    return []


@workflow
async def persistent_near(ctx: Context) -> int:
    return await flaky_near(await flaky_near(3))


@workflow
async def patient(ctx: Context) -> int:
    return await slow_to_succeed(4)


@workflow
async def resuming_work(ctx: Context) -> int:
    return await counting(2)


@workflow
async def giving_up(ctx: Context) -> Any:
    try:
        await refused(3)
    except ActivityFailed as error:
        return [error.type, error.details]


@workflow
async def out_of_time(ctx: Context) -> str:
    """Nobody takes it in time."""
    try:
        await unserved.options(schedule_to_close="1h")()
    except ActivityFailed as error:
        return error.type
    return "not reached"


@workflow
async def hung(ctx: Context) -> int:
    return await hanging(5)


@workflow
async def stopped(ctx: Context) -> list[Any]:
    """An activity that runs loses a race, and hears of it."""
    winner = await ctx.race(endless=endless(), time=ctx.sleep("1m"))
    await ctx.sleep("1h")
    return [winner.name, await add_one(1)]


SHAPES = {
    "retries": Shape(persistent, (), [5, "PayloadError"]),
    "local retries": Shape(persistent_near, (), 3),
    "retries with delays": Shape(patient, (), 4),
    "heartbeat details": Shape(resuming_work, (), 2),
    "a failure that is final": Shape(giving_up, (), ["Refused", {"x": 3}]),
    "nobody takes it in time": Shape(out_of_time, (), "TimedOut"),
    "an attempt that hangs": Shape(hung, (), 5),
    "a running activity is stopped": Shape(stopped, (), ["time", 2]),
}
