"""Leaving a worker: what runs may finish; what takes too long is given back and runs elsewhere, as the same attempt."""

from __future__ import annotations

import asyncio
from typing import Any

from nexus_sdk import ActivityFailed, Context, Retry, activity, activity_info, workflow
from nexus_sdk.core import events as e

GOING: asyncio.Event
ATTEMPTS: list[int] = []


@activity
async def slow() -> str:
    ATTEMPTS.append(activity_info().attempt)
    await GOING.wait()
    return "done"


@workflow
async def calling(ctx: Context) -> str:
    return await slow()


def fresh() -> None:
    global GOING
    GOING = asyncio.Event()
    ATTEMPTS.clear()


async def test_a_running_activity_finishes_before_the_worker_leaves(environment: Any) -> None:
    fresh()
    env = await environment(calling, slow, has_worker=False)
    app = env.another_app()
    handle = await env.start(calling)
    async with app.worker(drain_seconds=60):
        await env.settle()
        asyncio.get_running_loop().call_soon(GOING.set)
    assert ATTEMPTS == [1]
    assert any(isinstance(event, e.ActivityCompleted) for event in await env.history(handle))
    assert await handle.result() == "done"


async def test_one_that_takes_too_long_is_given_back_and_runs_elsewhere_as_the_same_attempt(environment: Any) -> None:
    fresh()
    env = await environment(calling, slow, clock="manual")
    handle = await env.start(calling)
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.advance("5s")
    assert not leaving.done()
    await env.advance("6s")
    assert leaving.done()
    GOING.set()
    async with env.another_worker():
        await env.settle()
        assert await handle.result() == "done"
    assert ATTEMPTS == [1, 1]
    [completed] = [event for event in await env.history(handle) if isinstance(event, e.ActivityCompleted)]
    assert (completed.attempts, completed.failures) == (1, ())


async def test_what_runs_at_most_once_is_not_given_back_and_that_is_said(environment: Any) -> None:
    fresh()
    once = activity("once", retry=Retry(max_attempts=1))(slow.fn)

    @workflow
    async def careful(ctx: Context) -> str:
        try:
            return await once()
        except ActivityFailed as error:
            return error.type

    env = await environment(careful, once, clock="manual")
    handle = await env.start(careful)
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.advance("11s")
    assert leaving.done()
    assert await handle.result() == "WorkerLost"
    [said] = [event for level, event, _ in env.said if level == "warning"]
    assert said == f"activity 'once' of {handle.id} was interrupted and runs at most once: it fails"


async def test_a_draining_worker_takes_nothing_new(environment: Any) -> None:
    fresh()
    env = await environment(calling, slow, clock="manual")
    await env.start(calling)
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.settle()
    other = await env.start(calling)
    await env.settle()
    assert (await other.status()).status == "pending"
    GOING.set()
    await env.settle()
    assert leaving.done()
    assert (await other.status()).status == "pending"


async def test_what_a_finishing_activity_leads_to_is_left_to_others(environment: Any) -> None:
    fresh()

    @workflow
    async def twice(ctx: Context):
        yield slow()
        yield ctx.complete((yield slow()))

    env = await environment(twice, slow, clock="manual")
    handle = await env.start(twice)
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.settle()
    GOING.set()
    await env.settle()
    assert leaving.done()
    assert ATTEMPTS == [1]
    async with env.another_worker():
        await env.settle()
        assert await handle.result() == "done"
    assert ATTEMPTS == [1, 1]


async def test_an_idle_worker_leaves_at_once(environment: Any) -> None:
    fresh()
    env = await environment(calling, slow)
    before = env.now
    async with env.another_app().worker():
        await env.settle()
    assert env.now == before


async def test_several_workers_share_the_work(environment: Any) -> None:
    fresh()
    GOING.set()

    @workflow
    async def many(ctx: Context):
        yield ctx.complete(len((yield ctx.gather(*(slow() for _ in range(20))))))

    env = await environment(many, slow)
    async with env.another_worker(), env.another_worker():
        handles = [await env.start(many) for _ in range(5)]
        assert [await handle.result() for handle in handles] == [20] * 5
    assert len(ATTEMPTS) == 100


async def test_concurrency_bounds_the_activities_that_run_at_once(environment: Any) -> None:
    from nexus_sdk.engine.worker import WorkerOptions

    fresh()

    @workflow
    async def many(ctx: Context):
        yield ctx.complete(len((yield ctx.gather(*(slow() for _ in range(10))))))

    options = WorkerOptions(concurrency=3, lease_seconds=1e9)
    env = await environment(many, slow, worker=options, clock="manual")
    handle = await env.start(many)
    await env.settle()
    assert len(ATTEMPTS) == env.worker.running_activities == 3
    GOING.set()
    await env.settle()
    assert await handle.result() == 10
