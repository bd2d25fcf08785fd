"""Timeouts of attempts, of all attempts together, of heartbeats, and of whole workflows."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from nexus_sdk import (
    ActivityFailed,
    CancelledError,
    Context,
    Retry,
    WorkflowFailed,
    activity,
    activity_info,
    heartbeat,
    workflow,
)
from nexus_sdk.core import events as e

GATE = threading.Event()
BEGAN = threading.Event()
SEEN: list[Any] = []
NO_JITTER = Retry(jitter="none")


@activity(timeout="10s", retry=NO_JITTER)
async def hanging() -> None:
    SEEN.append(activity_info().remaining)
    await asyncio.get_running_loop().create_future()


@activity(timeout="10s", retry=Retry(max_attempts=2, jitter="none"))
def stuck() -> str:
    SEEN.append(activity_info().attempt)
    BEGAN.set()
    if activity_info().attempt == 1:
        GATE.wait(30)
    return f"attempt {activity_info().attempt}"


@activity(schedule_to_close="1m", retry=Retry(max_attempts=99, initial="25s", factor=1, jitter="none"))
async def failing() -> None:
    SEEN.append("tried")
    raise ValueError("again")


@activity(schedule_to_close="1m", task_queue="nobody's")
async def unserved() -> None: ...


@activity(heartbeat_timeout="30s", retry=Retry(max_attempts=3, jitter="none"))
async def counting(to: int) -> Any:
    SEEN.append(activity_info().heartbeat_details)
    begin = activity_info().heartbeat_details or 0
    for number in range(begin, to):
        if number and number % 2 == 0 and begin < number:
            await asyncio.get_running_loop().create_future()
        heartbeat(number + 1)
        await asyncio.sleep(0)
    return begin


@workflow
async def calling(ctx: Context, name: str, argument: Any = None) -> list[Any]:
    began = ctx.now()
    args = () if argument is None else (argument,)
    try:
        return ["returned", await KNOWN[name](*args)]
    except ActivityFailed as error:
        return [error.type, error.attempts, (ctx.now() - began).total_seconds(), error.is_type(TimeoutError)]


KNOWN = {"hanging": hanging, "stuck": stuck, "failing": failing, "unserved": unserved, "counting": counting}


@pytest.fixture(autouse=True)
def fresh() -> Any:
    SEEN.clear()
    GATE.clear()
    BEGAN.clear()
    yield
    GATE.set()


async def test_an_attempt_that_takes_too_long_is_stopped_and_tried_again(environment: Any) -> None:
    env = await environment(calling, hanging)
    assert await env.run(calling, "hanging") == ["TimedOut", 3, 33, True]
    assert set(SEEN) == {timedelta(seconds=10)}


async def test_a_thread_that_hangs_is_left_behind_and_the_attempt_repeated(environment: Any) -> None:
    env = await environment(calling, stuck)
    handle = await env.start(calling, "stuck")
    await asyncio.to_thread(BEGAN.wait, 30)
    env.threads.leave_threads_alone()
    assert await handle.result() == ["returned", "attempt 2"]


async def test_all_attempts_together_end_at_schedule_to_close(environment: Any) -> None:
    env = await environment(calling, failing)
    result = await env.run(calling, "failing")
    assert result[:2] == ["ValueError", 3]  # the fourth would start at 75 s: it is not even waited for
    assert result[2] == 50
    assert SEEN == ["tried"] * 3


async def test_schedule_to_close_ends_an_attempt_that_runs(environment: Any) -> None:
    @activity(schedule_to_close="1m")
    async def endless() -> None:
        await asyncio.get_running_loop().create_future()

    @workflow
    async def enclosing(ctx: Context) -> Any:
        began = ctx.now()
        try:
            await endless()
        except ActivityFailed as error:
            return [error.type, (ctx.now() - began).total_seconds()]

    env = await environment(enclosing, endless)
    assert await env.run(enclosing) == ["TimedOut", 60]


async def test_schedule_to_close_counts_while_nobody_serves_the_queue(environment: Any) -> None:
    env = await environment(calling)
    assert await env.run(calling, "unserved") == ["TimedOut", 0, 60, True]


async def test_schedule_to_close_counts_while_no_worker_is_there(environment: Any) -> None:
    env = await environment(calling, failing, clock="manual")
    handle = await env.start(calling, "failing")
    await env.settle()
    await env.crash_worker()
    await env.advance("2m")
    await env.restart_worker()
    await env.settle()
    assert (await handle.result())[0] == "TimedOut"
    assert SEEN == ["tried"]


async def test_silence_past_the_heartbeat_timeout_ends_the_attempt(environment: Any) -> None:
    @activity(heartbeat_timeout="30s", retry=Retry(max_attempts=1))
    async def silent() -> None:
        heartbeat()
        await asyncio.get_running_loop().create_future()

    @workflow
    async def waiting(ctx: Context) -> Any:
        began = ctx.now()
        try:
            await silent()
        except ActivityFailed as error:
            return [error.type, error.is_type(TimeoutError), (ctx.now() - began).total_seconds()]

    env = await environment(waiting, silent)
    assert await env.run(waiting) == ["HeartbeatTimedOut", True, 30]


async def test_an_activity_that_beats_lives_on(environment: Any) -> None:
    ticks = asyncio.Queue[None]()

    @activity(heartbeat_timeout="30s")
    async def beating() -> str:
        for _ in range(5):
            await ticks.get()
            await heartbeat()
        return "alive"

    @workflow
    async def waiting(ctx: Context) -> Any:
        return await beating()

    env = await environment(waiting, beating, clock="manual")
    handle = await env.start(waiting)
    for _ in range(5):
        await env.advance("29s")
        ticks.put_nowait(None)
    await env.settle()
    assert await handle.result() == "alive"


async def test_the_last_heartbeat_details_reach_the_next_attempt(environment: Any) -> None:
    env = await environment(calling, counting)
    assert await env.run(calling, "counting", 4) == ["returned", 2]
    assert SEEN == [None, 2]


async def test_the_last_heartbeat_details_reach_the_next_attempt_after_the_workers_death(environment: Any) -> None:
    env = await environment(calling, counting, clock="manual")
    handle = await env.start(calling, "counting", 4)
    await env.settle()
    await env.crash_worker()
    await env.restart_worker()
    await env.advance("31s")  # the lease of an activity with a heartbeat is no longer than its heartbeat
    assert await handle.result() == ["returned", 2]
    assert SEEN == [None, 2]


async def test_details_of_any_encodable_kind_survive(environment: Any) -> None:
    @activity(retry=NO_JITTER)
    async def detailed() -> Any:
        before = activity_info().heartbeat_details
        if before is None:
            heartbeat({"done": [1, 2], "when": "now"})
            raise ConnectionError
        return before

    @workflow
    async def waiting(ctx: Context) -> Any:
        return await detailed()

    env = await environment(waiting, detailed)
    assert await env.run(waiting) == {"done": [1, 2], "when": "now"}


async def test_a_workflow_that_takes_too_long_fails(environment: Any) -> None:
    @workflow(timeout="1h")
    async def slow(ctx: Context):
        yield ctx.sleep("2h")

    env = await environment(slow)
    began = env.now
    with pytest.raises(WorkflowFailed, match="longer than its timeout") as caught:
        await env.run(slow)
    assert caught.value.type == "WaitTimedOut"
    assert env.now - began == timedelta(hours=1)


async def test_a_workflow_that_times_out_may_clean_up(environment: Any) -> None:
    @activity
    async def cleanup() -> None:
        SEEN.append("clean")

    @workflow(timeout="1h")
    async def slow(ctx: Context) -> None:
        try:
            await ctx.sleep("2h")
        except CancelledError:
            await cleanup()
            raise

    env = await environment(slow, cleanup)
    with pytest.raises(WorkflowFailed):
        await env.run(slow)
    assert SEEN == ["clean"]


async def test_a_workflows_timeout_counts_from_its_first_turn(environment: Any) -> None:
    @workflow(timeout="1h")
    async def prompt(ctx: Context):
        yield ctx.sleep("59m")
        yield ctx.complete("in time")

    env = await environment(prompt)
    assert await env.run(prompt, delay="5h") == "in time"


async def test_the_workflows_timeout_is_recorded_once(environment: Any) -> None:
    @workflow(timeout="1m")
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.sleep("2m")
        except CancelledError:
            await ctx.sleep("5m")
        return "went on"

    env = await environment(stubborn)
    handle = await env.start(stubborn)
    assert await handle.result() == "went on"
    fired = [event for event in await env.history(handle) if isinstance(event, e.TimerFired)]
    assert [event.path for event in fired] == ["", "1"]
