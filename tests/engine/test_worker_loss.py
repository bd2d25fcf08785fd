"""Workers that die: a lost lease counts as an attempt; keys stay, effects repeat only as allowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, Retry, activity, activity_info, workflow
from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import WorkerOptions

LEASES = WorkerOptions(lease_seconds=30.0)
RUNS: list[tuple[str, int]] = []
"""Of each attempt that began: its idempotency key and number."""


@activity
async def deadly() -> str:
    """Never returns: whoever runs it dies of it."""
    RUNS.append((activity_info().idempotency_key, activity_info().attempt))
    await asyncio.get_running_loop().create_future()
    return ""


@activity
async def deadly_once() -> str:
    RUNS.append((activity_info().idempotency_key, activity_info().attempt))
    if len(RUNS) == 1:
        await asyncio.get_running_loop().create_future()
    return "alive"


@activity(retry=Retry(max_attempts=4, jitter="none"))
async def mixed() -> int:
    RUNS.append((activity_info().idempotency_key, activity_info().attempt))
    if len(RUNS) in (1, 3):
        raise ConnectionError("no luck")
    if len(RUNS) == 2:
        await asyncio.get_running_loop().create_future()
    return activity_info().attempt


@workflow
async def risking(ctx: Context, attempts: int, local: bool) -> list[Any]:
    try:
        return ["returned", await deadly.options(retry=Retry(max_attempts=attempts), local=local)()]
    except ActivityFailed as error:
        return [error.type, error.attempts]


@workflow
async def surviving(ctx: Context, local: bool) -> str:
    return await deadly_once.options(local=local)()


@workflow
async def recovering(ctx: Context) -> int:
    return await mixed()


@pytest.fixture(autouse=True)
def fresh() -> None:
    RUNS.clear()


async def crash_and_wait(env: Any) -> None:
    await env.settle()
    await env.crash_worker()
    await env.restart_worker()
    await env.advance("31s")


@pytest.mark.parametrize("local", [False, True])
async def test_at_most_once_means_worker_lost_at_the_second_delivery(environment: Any, local: bool) -> None:
    env = await environment(risking, deadly, clock="manual", worker=LEASES)
    handle = await env.start(risking, 1, local)
    await crash_and_wait(env)
    assert await handle.result() == ["WorkerLost", 1]
    assert len(RUNS) == 1


@pytest.mark.parametrize("local", [False, True])
async def test_an_activity_that_kills_its_worker_every_time_exhausts_its_attempts(
    environment: Any, local: bool
) -> None:
    env = await environment(risking, deadly, clock="manual", worker=LEASES)
    handle = await env.start(risking, 3, local)
    for _ in range(3):
        assert (await handle.status()).status in ("pending", "running")
        await crash_and_wait(env)
    assert await handle.result() == ["WorkerLost", 3]
    assert [attempt for _, attempt in RUNS] == [1, 2, 3]
    assert len({key for key, _ in RUNS}) == 1


@pytest.mark.parametrize("local", [False, True])
async def test_after_a_crash_the_next_worker_makes_the_next_attempt(environment: Any, local: bool) -> None:
    env = await environment(surviving, deadly_once, clock="manual", worker=LEASES)
    handle = await env.start(surviving, local)
    await crash_and_wait(env)
    assert await handle.result() == "alive"
    assert [attempt for _, attempt in RUNS] == [1, 2]
    [completed] = [event for event in await env.history(handle) if isinstance(event, e.ActivityCompleted)]
    assert (completed.attempts, [f.type for f in completed.failures]) == (2, ["WorkerLost"])


async def test_failures_and_deaths_count_together(environment: Any) -> None:
    env = await environment(recovering, mixed, clock="manual", worker=LEASES)
    handle = await env.start(recovering)
    await env.advance("10s")
    await crash_and_wait(env)
    await env.advance("10s")
    assert await handle.result() == 4
    [completed] = [event for event in await env.history(handle) if isinstance(event, e.ActivityCompleted)]
    assert [failure.type for failure in completed.failures] == ["ConnectionError", "WorkerLost", "ConnectionError"]


async def test_a_worker_that_lost_its_lease_cannot_report(environment: Any) -> None:
    going = asyncio.Event()

    @activity
    async def slow() -> str:
        RUNS.append((activity_info().idempotency_key, activity_info().attempt))
        attempt = activity_info().attempt
        if attempt == 1:
            await going.wait()
        return f"attempt {attempt}"

    @workflow
    async def waiting(ctx: Context) -> Any:
        first = await slow()
        await ctx.sleep("1h")
        return first

    # No leases are prolonged by a worker whose clock calls never come: it is as if it had been stopped for a while.
    env = await environment(waiting, slow, clock="manual", worker=WorkerOptions(lease_seconds=30.0))
    handle = await env.start(waiting)
    await env.settle()
    for task in env.worker._service:
        task.cancel()
    other = env.another_worker(worker=LEASES)
    async with other:
        await env.advance("31s")
        going.set()
        await env.advance("2h")
        assert await handle.result() == "attempt 2"
    assert [attempt for _, attempt in RUNS] == [1, 2]
    outcomes = [event for event in await env.history(handle) if isinstance(event, e.ActivityCompleted)]
    assert len(outcomes) == 1


async def test_keys_differ_between_operations_instances_and_runs(environment: Any) -> None:
    @activity
    async def key() -> str:
        return activity_info().idempotency_key

    @workflow
    async def keys(ctx: Context, known: list[str]):
        more = yield ctx.gather(key(), key(), key.options(local=True)())
        known = [*known, *more, (yield key())]
        if ctx.run == 1:
            yield ctx.continue_as_new(known)
        yield ctx.complete(known)

    env = await environment(keys, key)
    found = await env.run(keys, []) + await env.run(keys, [])
    assert len(set(found)) == 16


async def test_a_crash_between_turns_runs_nothing_again(environment: Any) -> None:
    ran = []

    @activity
    async def noting(name: str) -> str:
        ran.append(name)
        return name

    @workflow
    async def stepping(ctx: Context):
        first = yield noting("first")
        yield ctx.wait_for_event("go")
        yield ctx.complete([first, (yield noting("second"))])

    env = await environment(stepping, noting, worker=LEASES)
    handle = await env.start(stepping)
    await env.settle()
    await env.restart_worker()
    await env.settle()
    await handle.send_event("go")
    assert await handle.result() == ["first", "second"]
    assert ran == ["first", "second"]
