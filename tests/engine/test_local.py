"""Local activities: inside the orchestrator's own invocation, one durable write per step, retried, recorded."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, Retry, activity, activity_info, workflow
from nexus_sdk.store.port import LOCAL
from nexus_sdk.testing.faults import NoFault, Point


@activity(local=True)
async def step(x: int) -> int:
    return x + 1


@activity(local=True)
def threaded(x: int) -> int:
    return x * 2


@activity(local=True, retry=Retry(max_attempts=3, initial="10s", jitter="none"))
async def flaky() -> int:
    if activity_info().attempt < 3:
        raise ConnectionError
    return activity_info().attempt


@workflow
async def stepping(ctx: Context, n: int):
    x = 0
    for _ in range(n):
        x = yield step(x)
    yield ctx.complete(x)


@workflow
async def together(ctx: Context) -> list[int]:
    return await ctx.gather(*(threaded(i) for i in range(5)), step(9))


@workflow
async def persistent(ctx: Context) -> list[Any]:
    began = ctx.now()
    attempts = await flaky()
    return [attempts, (ctx.now() - began).total_seconds()]


@pytest.mark.parametrize("count", [1, 10])
async def test_n_local_steps_are_n_plus_one_commits(environment: Any, count: int) -> None:
    faults = NoFault()
    env = await environment(stepping, step, faults=faults)
    assert await env.run(stepping, count) == count
    assert faults.passed.count(Point("commit", True)) == count + 1


async def test_local_steps_need_no_queue_that_is_served(environment: Any) -> None:
    env = await environment(stepping, step, has_worker=False)
    async with env.another_worker(task_queues=["something else"]):
        assert await env.run(stepping, 3) == 3


async def test_local_activities_run_side_by_side(environment: Any) -> None:
    env = await environment(together, threaded, step)
    assert await env.run(together) == [0, 2, 4, 6, 8, 10]


async def test_a_failed_local_activity_is_tried_again_after_its_delay(environment: Any) -> None:
    env = await environment(persistent, flaky)
    assert await env.run(persistent) == [3, 30]


async def test_a_local_activity_can_be_cancelled(environment: Any) -> None:
    @activity(local=True)
    async def waiting() -> None:
        import asyncio

        await asyncio.get_running_loop().create_future()

    @workflow
    async def racing(ctx: Context) -> Any:
        return (await ctx.race(slow=waiting(), fast=ctx.sleep("1m"))).name

    env = await environment(racing, waiting)
    assert await env.run(racing) == "fast"
    await env.settle()
    assert env.worker.is_idle


async def test_a_failed_local_activity_says_why(environment: Any) -> None:
    @activity(local=True, retry=Retry(max_attempts=2))
    async def broken() -> None:
        raise ValueError("no")

    @workflow
    async def calling(ctx: Context) -> Any:
        try:
            await broken()
        except ActivityFailed as error:
            return [error.type, error.message, error.attempts]

    env = await environment(calling, broken)
    assert await env.run(calling) == ["ValueError", "no", 2]


def test_the_local_queue_cannot_be_named_by_users() -> None:
    from nexus_sdk import DefinitionError

    with pytest.raises(DefinitionError):
        activity(task_queue=LOCAL)(step.fn)
