"""Races: the first wins; the others are cancelled, wherever they are; what was spawned goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nexus_sdk import CancelledError, Context, Retry, WorkflowFailed, activity, heartbeat, workflow
from nexus_sdk.core import events as e
from nexus_sdk.store.port import Lease

SEEN: list[str] = []
GATE = threading.Event()
BEGAN = threading.Event()
NEVER = threading.Event()


@activity(task_queue="nobody's")
async def never_served() -> str:
    return "never"


@activity
async def hanging() -> str:
    SEEN.append("hanging began")
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        SEEN.append("hanging was cancelled")
        raise
    return "never"


@activity
def beating() -> str:
    SEEN.append("beating began")
    BEGAN.set()
    GATE.wait(30)
    try:
        for _ in range(10_000):
            heartbeat()
            NEVER.wait(0.001)  # lets the event loop have its turn
    except CancelledError:
        SEEN.append("beating was cancelled")
        raise
    return "went on"


@activity
async def quick() -> str:
    return "quick"


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.clear()
    GATE.clear()
    BEGAN.clear()


@workflow
async def queued_loser(ctx: Context):
    won = yield ctx.race(never_served(), quick())
    yield ctx.complete([won.index, won.name, won.value])


@workflow
async def running_loser(ctx: Context) -> Any:
    won = await ctx.race(slow=hanging(), fast=ctx.sleep("1h"))
    return won.name


@workflow
async def threaded_loser(ctx: Context) -> Any:
    won = await ctx.race(slow=beating(), fast=ctx.wait_for_event("go"))
    await ctx.wait_for_event("end")
    return won.name


@workflow
async def spawned_loser(ctx: Context) -> Any:
    spawned = ctx.spawn(ctx.sleep("2h"))
    waiting = ctx.spawn(ctx.wait_for_event("word"))
    won = await ctx.race(spawned, waiting, ctx.sleep("1h"))
    await spawned
    return [won.index, await waiting]


async def test_a_queued_loser_is_taken_off_its_queue(environment: Any) -> None:
    env = await environment(queued_loser, quick)  # nobody serves the other one
    handle = await env.start(queued_loser)
    assert await handle.result() == [1, None, "quick"]
    store, now_us = env.app.store, env.clock.now_us()
    received = await store.receive(["nobody's"], limit=9, lease=Lease("test", 1), now_us=now_us)
    assert received.deliveries == ()


async def test_a_running_async_loser_gets_a_cancelled_error(environment: Any) -> None:
    env = await environment(running_loser, hanging)
    assert await env.run(running_loser) == "fast"
    await env.settle()
    assert SEEN == ["hanging began", "hanging was cancelled"]


async def test_a_running_threaded_loser_hears_of_it_at_its_next_heartbeat(environment: Any) -> None:
    env = await environment(threaded_loser, beating)
    handle = await env.start(threaded_loser)
    await asyncio.to_thread(BEGAN.wait, 30)  # the thread hangs: nobody may wait until it is idle
    await handle.send_event("go")
    for _ in range(10_000):
        await asyncio.sleep(0)
        if any(isinstance(event, e.ActivityCancelRequested) for event in await env.history(handle)):
            break
    GATE.set()
    await env.settle()
    assert SEEN == ["beating began", "beating was cancelled"]
    await handle.send_event("end")
    assert await handle.result() == "fast"


async def test_a_late_result_after_the_cancel_changes_nothing(environment: Any) -> None:
    @activity
    async def stubborn() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "done all the same"
        return ""

    @workflow
    async def impatient(ctx: Context) -> Any:
        won = await ctx.race(slow=stubborn(), fast=ctx.sleep("1h"))
        await ctx.sleep("1h")
        return won.name

    env = await environment(impatient, stubborn)
    handle = await env.start(impatient)
    assert await handle.result() == "fast"
    assert not any(isinstance(event, e.ActivityCompleted) for event in await env.history(handle))
    await env.settle()
    assert env.worker.is_idle


async def test_a_spawned_loser_goes_on(environment: Any) -> None:
    env = await environment(spawned_loser)
    handle = await env.start(spawned_loser)
    await env.advance("3h")
    await handle.send_event("word", "after the race")
    assert await handle.result() == [2, "after the race"]


async def test_the_first_to_fail_decides_too(environment: Any) -> None:
    @activity
    async def failing() -> None:
        raise LookupError("first")

    @workflow
    async def sore(ctx: Context):
        yield ctx.race(failing.options(retry=Retry(max_attempts=1))(), ctx.sleep("1h"))

    env = await environment(sore, failing)
    with pytest.raises(WorkflowFailed, match="first"):
        await env.run(sore)


async def test_a_losing_child_is_asked_to_stop_and_not_waited_for(environment: Any) -> None:
    @workflow
    async def slow_child(ctx: Context) -> str:
        try:
            await ctx.sleep("10h")
        except CancelledError:
            await ctx.sleep("5h")
            raise
        return "never"

    @workflow
    async def parent(ctx: Context) -> list[Any]:
        won = await ctx.race(slow_child.options(id="child")(), ctx.sleep("1h"))
        return [won.index, ctx.now().hour]

    env = await environment(parent, slow_child)
    assert await env.run(parent) == [1, 1]
    await env.run_until_idle()
    assert (await env.get("child").status()).status == "cancelled"


async def test_a_losing_helper_cleans_up_before_the_race_returns(environment: Any) -> None:
    @workflow
    async def tidy(ctx: Context) -> list[str]:
        said: list[str] = []

        async def helper() -> None:
            try:
                await ctx.sleep("10h")
            finally:
                said.append(await quick())

        await ctx.race(helper(), ctx.sleep("1h"))
        said.append("after")
        return said

    env = await environment(tidy, quick)
    assert await env.run(tidy) == ["quick", "after"]
