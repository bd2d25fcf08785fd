"""Gather, race and map inside each other, with helpers, children and spawned operations."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, Retry, WaitTimedOut, WorkflowFailed, activity, workflow
from nexus_sdk.core import events as e


@activity
async def add_one(x: int) -> int:
    return x + 1


@activity(retry=Retry(max_attempts=1))
def picky(x: int) -> int:
    if x == 3:
        raise ValueError("not three")
    return x


@workflow
async def child(ctx: Context, x: int) -> int:
    await ctx.sleep("1m")
    return x * 100


async def test_a_gather_of_races_of_maps(environment: Any) -> None:
    @workflow
    async def nested(ctx: Context):
        rows = yield ctx.gather(
            *(ctx.race(ctx.map(add_one, range(n)), ctx.sleep("1h")) for n in range(4)),
            ctx.gather(),
            ctx.map(add_one, []),
        )
        yield ctx.complete([row.value if row and hasattr(row, "value") else row for row in rows])

    env = await environment(nested, add_one)
    assert await env.run(nested) == [[], [1], [1, 2], [1, 2, 3], [], []]


async def test_a_map_of_helpers_that_gather_and_race(environment: Any) -> None:
    @workflow
    async def nested(ctx: Context) -> Any:
        async def helper(x: int) -> list[Any]:
            both = await ctx.gather(add_one(x), child(x))
            won = await ctx.race(slow=ctx.sleep("1h"), fast=add_one(x))
            return [*both, won.name]

        return await ctx.map(helper, range(3), concurrency=2)

    env = await environment(nested, child, add_one)
    assert await env.run(nested) == [[1, 0, "fast"], [2, 100, "fast"], [3, 200, "fast"]]


async def test_a_race_of_gathers_cancels_the_losers_elements(environment: Any) -> None:
    @workflow
    async def nested(ctx: Context):
        won = yield ctx.race(
            long=ctx.gather(ctx.sleep("2h"), child(1), ctx.wait_for_event("never")),
            short=ctx.gather(ctx.sleep("10s"), add_one(1)),
        )
        yield ctx.complete([won.name, won.value])

    env = await environment(nested, child, add_one)
    handle = await env.start(nested)
    assert await handle.result() == ["short", [None, 2]]
    kinds = [type(event) for event in await env.history(handle)]
    for kind in (e.TimerCancelled, e.ChildCancelRequested, e.EventWaitCancelled):
        assert kinds.count(kind) == 1


async def test_a_map_over_a_child_workflow(environment: Any) -> None:
    @workflow
    async def mapping(ctx: Context) -> list[int]:
        return await ctx.map(child, [1, 2, 3], concurrency=2)

    env = await environment(mapping, child)
    before = env.now
    assert await env.run(mapping) == [100, 200, 300]
    assert (env.now - before).total_seconds() == 120  # two at a time


async def test_a_map_never_runs_more_at_once_than_it_may(environment: Any) -> None:
    now = [0, 0]

    @activity
    async def counting(x: int) -> int:
        import asyncio

        now[0] += 1
        now[1] = max(now)
        await asyncio.sleep(0)
        now[0] -= 1
        return x

    @workflow
    async def mapping(ctx: Context):
        yield ctx.complete((yield ctx.map(counting, range(20), concurrency=4)))

    env = await environment(mapping, counting)
    assert await env.run(mapping) == list(range(20))
    assert now[1] <= 4


async def test_the_first_failure_of_a_map_is_raised_and_the_rest_is_not_begun(environment: Any) -> None:
    @workflow
    async def mapping(ctx: Context) -> Any:
        try:
            await ctx.map(picky, range(100), concurrency=1)
        except ActivityFailed as error:
            return error.message

    env = await environment(mapping, picky)
    handle = await env.start(mapping)
    assert await handle.result() == "not three"
    assert sum(isinstance(event, e.ActivityScheduled) for event in await env.history(handle)) == 4


async def test_failures_may_be_returned_in_their_places(environment: Any) -> None:
    @workflow
    async def collecting(ctx: Context) -> list[Any]:
        mapped = await ctx.map(picky, range(5), return_exceptions=True)
        gathered = await ctx.gather(picky(3), picky(4), return_exceptions=True)
        return [r if isinstance(r, int) else r.type for r in [*mapped, *gathered]]

    env = await environment(collecting, picky)
    assert await env.run(collecting) == [0, 1, 2, "ValueError", 4, "ValueError", 4]


async def test_a_failed_gather_waits_for_the_clean_up_of_its_helpers(environment: Any) -> None:
    @workflow
    async def tidy(ctx: Context) -> list[Any]:
        said: list[Any] = []

        async def helper() -> None:
            try:
                await ctx.sleep("1h")
            finally:
                said.append(await add_one(41))

        try:
            await ctx.gather(helper(), picky(3))
        except ActivityFailed as error:
            said.append(error.type)
        return said

    env = await environment(tidy, picky, add_one)
    assert await env.run(tidy) == [42, "ValueError"]


async def test_timeout_blocks_nest_and_the_outer_one_wins_when_it_is_shorter(environment: Any) -> None:
    @workflow
    async def timing(ctx: Context) -> list[Any]:
        seen: list[Any] = []
        began = ctx.now()
        try:
            async with ctx.timeout("10m"):
                try:
                    async with ctx.timeout("1h"):
                        await ctx.gather(ctx.sleep("2h"), ctx.wait_for_event("x"))
                except WaitTimedOut:
                    seen.append("inner")
                    raise
        except WaitTimedOut:
            seen.append("outer")
        seen.append((ctx.now() - began).total_seconds())
        async with ctx.timeout("10m"):
            seen.append(await add_one(1))
        await ctx.sleep("1h")
        return seen

    env = await environment(timing, add_one)
    assert await env.run(timing) == ["inner", "outer", 600, 2]


async def test_what_was_spawned_can_be_passed_on_and_waited_for_twice(environment: Any) -> None:
    @workflow
    async def spawning(ctx: Context):
        one, two = ctx.spawn(add_one(1)), ctx.spawn(ctx.map(add_one, range(3)))
        both = yield ctx.gather(one, two)
        yield ctx.complete([both, (yield one), (yield ctx.race(one, two)).index])

    env = await environment(spawning, add_one)
    assert await env.run(spawning) == [[2, [1, 2, 3]], 2, 0]


async def test_what_still_runs_at_the_end_is_cancelled(environment: Any) -> None:
    @workflow
    async def leaving(ctx: Context):
        ctx.spawn(ctx.sleep("5h"))
        ctx.spawn(child(1))
        yield ctx.complete("bye")

    env = await environment(leaving, child)
    handle = await env.start(leaving)
    assert await handle.result() == "bye"
    kinds = [type(event) for event in await env.history(handle)]
    assert e.TimerCancelled in kinds
    assert await env.client.count(workflow="child") == 0  # asked for and given up in one turn: never sent


async def test_a_thousand_at_once_are_ordinary(environment: Any) -> None:
    @workflow
    async def wide(ctx: Context):
        first = yield ctx.gather(*(add_one(i) for i in range(1_000)))
        yield ctx.complete(sum((yield ctx.map(add_one, first, concurrency=50))))

    env = await environment(wide, add_one, replays=False)
    assert await env.run(wide) == sum(range(2, 1_002))


async def test_a_failure_deep_inside_fails_the_workflow_with_its_message(environment: Any) -> None:
    @workflow
    async def deep(ctx: Context):
        yield ctx.gather(ctx.race(ctx.gather(ctx.map(picky, [1, 2, 3]), ctx.sleep("1h")), ctx.sleep("1h")))

    env = await environment(deep, picky)
    with pytest.raises(WorkflowFailed, match="not three"):
        await env.run(deep)
