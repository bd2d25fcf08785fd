"""The fake clock governs every time in the system. No test here sleeps."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import timedelta
from typing import Any

import pytest

from nexus_sdk import Context, Retry, WaitTimedOut, WorkflowFailed, activity, activity_info, heartbeat, workflow
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.testing import WorkflowEnvironment

HOUR = timedelta(hours=1)


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


# --- workflows --------------------------------------------------------------------------------------------------------


async def test_timers() -> None:
    @workflow
    async def napping(ctx: Context):
        before = ctx.now()
        yield ctx.sleep("1h")
        yield ctx.sleep_until(ctx.now() + timedelta(days=400))
        yield ctx.complete((ctx.now() - before).total_seconds())

    async with WorkflowEnvironment([napping]) as env:
        began = env.now
        assert await env.run(napping) == 400 * 86_400 + 3600
        assert env.now - began == timedelta(days=400, hours=1)


async def test_a_year_of_daily_timers_takes_well_under_a_second() -> None:
    @workflow
    async def daily(ctx: Context):
        for _ in range(365):
            yield ctx.sleep("1d")

    async with WorkflowEnvironment([daily]) as env:
        began, real = env.now, time.process_time()
        await env.run(daily)
        assert env.now - began == timedelta(days=365)
        assert time.process_time() - real < 1


async def test_an_approval_of_thirty_days() -> None:
    @activity
    async def remind(who: str) -> None: ...

    @workflow
    async def approval(ctx: Context, who: str):
        for _ in range(3):
            try:
                yield ctx.complete((yield ctx.wait_for_event("approved", bool, timeout="10d")))
            except WaitTimedOut:
                yield remind(who)
        yield ctx.complete("expired")

    async with WorkflowEnvironment([approval], [remind], clock="manual") as env:
        late = await env.start(approval, "Ada")
        await env.advance("29d")
        assert env.calls(remind) == [("Ada",), ("Ada",)]
        assert (await late.status()).status == "running"
        await env.advance("1d")
        assert await late.result() == "expired"

        in_time = await env.start(approval, "Bob")
        await env.advance("25d")
        await in_time.send_event("approved", True)
        assert await in_time.result() is True


async def test_waits_and_timeout_blocks_and_the_timeout_of_a_workflow() -> None:
    @workflow
    async def waiting(ctx: Context) -> float:
        before = ctx.now()
        with pytest.raises(WaitTimedOut):
            await ctx.wait_for_event("never", timeout="1h")
        with pytest.raises(WaitTimedOut):
            async with ctx.timeout("2h"):
                await ctx.wait_for_event("never")
        return (ctx.now() - before).total_seconds()

    @workflow(timeout="5h")
    async def slow(ctx: Context):
        yield ctx.wait_for_event("never")

    async with WorkflowEnvironment([waiting, slow]) as env:
        assert await env.run(waiting) == 3 * 3600
        began = env.now
        with pytest.raises(WorkflowFailed, match="longer than its timeout"):
            await env.run(slow)
        assert env.now - began == 5 * HOUR


async def test_the_delay_of_a_start() -> None:
    @workflow
    async def prompt(ctx: Context):
        yield ctx.complete(ctx.now().isoformat())

    async with WorkflowEnvironment([prompt]) as env:
        due = env.now + timedelta(days=7)
        assert await env.run(prompt, delay="7d") == due.isoformat()
        assert env.now == due


# --- activities -------------------------------------------------------------------------------------------------------


async def test_the_delays_of_retries() -> None:
    tried: list[Any] = []

    @activity(retry=Retry(max_attempts=4, initial="1h", factor=3, max_interval="5h", jitter="none"))
    async def flaky() -> None:
        tried.append(env.now)
        if len(tried) < 4:
            raise ConnectionError

    @workflow
    async def calling(ctx: Context) -> None:
        await flaky()

    async with WorkflowEnvironment([calling], [flaky]) as env:
        await env.run(calling)
    assert [b - a for a, b in itertools.pairwise(tried)] == [HOUR, 3 * HOUR, 5 * HOUR]


async def test_the_timeout_of_an_attempt_and_what_remains_of_it() -> None:
    remaining: list[Any] = []

    @activity(timeout="1h", retry=Retry(max_attempts=1))
    async def hanging() -> None:
        remaining.append(activity_info().remaining)
        await forever()

    @workflow
    async def calling(ctx: Context) -> None:
        await hanging()

    async with WorkflowEnvironment([calling], [hanging]) as env:
        began = env.now
        with pytest.raises(WorkflowFailed, match="TimedOut"):
            await env.run(calling)
        assert env.now - began == HOUR
        assert remaining == [HOUR]


async def test_schedule_to_close() -> None:
    @activity(schedule_to_close="1h", retry=Retry(max_attempts=99, initial="25m", factor=1, jitter="none"))
    async def failing() -> None:
        await forever()

    @workflow
    async def calling(ctx: Context) -> None:
        await failing()

    async with WorkflowEnvironment([calling], [failing]) as env:
        began = env.now
        with pytest.raises(WorkflowFailed, match="TimedOut"):
            await env.run(calling)
        assert env.now - began == HOUR


async def test_heartbeats() -> None:
    ticks: asyncio.Queue[None] = asyncio.Queue()

    @activity(heartbeat_timeout="1h", retry=Retry(max_attempts=1))
    async def beating() -> None:
        while True:
            await ticks.get()
            heartbeat()

    @workflow
    async def calling(ctx: Context) -> None:
        await beating()

    async with WorkflowEnvironment([calling], [beating], clock="manual") as env:
        handle = await env.start(calling)
        for _ in range(3):
            await env.advance("59m")
            ticks.put_nowait(None)
        await env.advance("59m")
        assert (await handle.status()).status == "running"
        await env.advance("1m")
        with pytest.raises(WorkflowFailed, match="HeartbeatTimedOut"):
            await handle.result()


# --- workers ----------------------------------------------------------------------------------------------------------


@activity
async def deadly() -> int:
    if activity_info().attempt == 1:
        await forever()
    return activity_info().attempt


@workflow
async def risking(ctx: Context) -> int:
    return await deadly()


async def test_leases() -> None:
    leases = WorkerOptions(lease_seconds=3600.0)
    async with WorkflowEnvironment([risking], [deadly], clock="manual", worker=leases) as env:
        handle = await env.start(risking)
        await env.settle()
        await env.restart_worker()
        await env.advance("59m")
        assert len(env.calls(deadly)) == 1
        await env.advance("1m")
        assert await handle.result() == 2


async def test_a_lease_is_kept_while_the_clock_goes_on() -> None:
    gate = asyncio.Event()

    @activity
    async def long() -> int:
        await gate.wait()
        return activity_info().attempt

    @workflow
    async def calling(ctx: Context) -> int:
        return await long()

    async with WorkflowEnvironment([calling], [long], clock="manual") as env:
        handle = await env.start(calling)
        await env.advance("400d")
        gate.set()
        assert await handle.result() == 1


async def test_the_death_of_a_worker_is_noticed_at_once_unless_a_test_says_how_long_leases_are() -> None:
    async with WorkflowEnvironment([risking], [deadly]) as env:
        handle = await env.start(risking)
        await env.settle()
        began = env.now
        await env.restart_worker()
        assert await handle.result() == 2
        assert env.now == began


async def test_the_timeout_of_result_and_sending_later() -> None:
    @workflow
    async def waiting(ctx: Context):
        yield ctx.complete((yield ctx.wait_for_event("word")))

    async with WorkflowEnvironment([waiting], clock="manual") as env:
        handle = await env.start(waiting)
        began = env.now
        with pytest.raises(WaitTimedOut):
            await handle.result(timeout="3h")
        assert env.now - began == 3 * HOUR
