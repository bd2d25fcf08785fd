"""Cancel, terminate, suspend and resume, in every state an instance can be in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import (
    CancelledError,
    Context,
    InstanceFinished,
    InstanceNotFound,
    WorkflowCancelled,
    WorkflowTerminated,
    activity,
    workflow,
)
from nexus_sdk.core import events as e

SEEN: list[str] = []


@activity
async def step(name: str) -> str:
    SEEN.append(name)
    return name


@activity
async def hanging() -> None:
    SEEN.append("hanging")
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        SEEN.append("stopped")
        raise


@workflow
async def waiting(ctx: Context):
    yield step("begin")
    word = yield ctx.wait_for_event("go")
    yield ctx.complete([word, (yield step("end"))])


@workflow
async def tidy(ctx: Context) -> str:
    try:
        await ctx.sleep("1h")
    finally:
        await step("cleanup")
    return "slept"


@workflow
async def deaf(ctx: Context) -> str:
    try:
        await ctx.sleep("1h")
    except CancelledError:
        await ctx.sleep("1h")
    return "went on"


@workflow
async def busy(ctx: Context) -> None:
    await hanging()


@workflow
async def napping(ctx: Context):
    yield ctx.sleep("1h")
    yield ctx.complete(ctx.now())


@pytest.fixture
async def env(environment: Any) -> Any:
    SEEN.clear()
    return await environment(waiting, tidy, deaf, busy, napping, step, hanging)


async def status(handle: Any) -> str:
    return str((await handle.status()).status)


async def test_a_cancel_arrives_at_the_yield_and_clean_up_may_be_durable(env: Any) -> None:
    handle = await env.start(tidy)
    await env.settle()
    await handle.cancel("enough")
    with pytest.raises(WorkflowCancelled, match="enough"):
        await handle.result()
    assert SEEN == ["cleanup"]
    assert await status(handle) == "cancelled"


async def test_a_cancel_that_is_swallowed_lets_the_workflow_go_on(env: Any) -> None:
    handle = await env.start(deaf)
    await env.settle()
    await handle.cancel()
    await handle.cancel("again")  # it is delivered once
    assert await handle.result() == "went on"


async def test_a_cancel_reaches_the_running_activity(env: Any) -> None:
    handle = await env.start(busy)
    await env.settle()
    await handle.cancel()
    with pytest.raises(WorkflowCancelled):
        await handle.result()
    await env.settle()
    assert SEEN == ["hanging", "stopped"]


async def test_a_terminated_workflow_has_no_say(env: Any) -> None:
    handle = await env.start(tidy)
    await env.settle()
    await handle.terminate("now")
    with pytest.raises(WorkflowTerminated, match="now"):
        await handle.result()
    await env.run_until_idle()
    assert SEEN == []


async def test_termination_stops_the_running_activity(env: Any) -> None:
    handle = await env.start(busy)
    await env.settle()
    await handle.terminate()
    await env.settle()
    assert await status(handle) == "terminated"
    assert SEEN == ["hanging", "stopped"]


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_an_instance_can_be_ended_before_its_delayed_start(env: Any, verb: str) -> None:
    handle = await env.start(tidy, delay="1h")
    await env.settle()
    assert await status(handle) == "pending"
    await getattr(handle, verb)("not needed")
    await env.settle()
    assert await status(handle) == ("cancelled" if verb == "cancel" else "terminated")
    await env.run_until_idle()
    assert SEEN == []


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_an_instance_can_be_ended_before_any_worker_saw_it(environment: Any, verb: str) -> None:
    SEEN.clear()
    env = await environment(tidy, step, has_worker=False)
    handle = await env.start(tidy)
    await getattr(handle, verb)()
    await env.restart_worker()
    await env.run_until_idle()
    assert await status(handle) == ("cancelled" if verb == "cancel" else "terminated")


async def test_a_delayed_start_begins_on_time(env: Any) -> None:
    before = env.now
    handle = await env.start(napping, delay="90m")
    ended = await handle.result()
    assert (ended - before).total_seconds() == 2.5 * 3600
    assert (await handle.status()).created_at == before


async def test_a_delay_may_be_a_moment(env: Any) -> None:
    from datetime import timedelta

    when = env.now + timedelta(days=400)
    handle = await env.start(napping, delay=when)
    assert await handle.result() == when + timedelta(hours=1)


async def test_events_before_a_delayed_start_are_kept(env: Any) -> None:
    handle = await env.start(waiting, delay="1h")
    await handle.send_event("go", "early")
    await env.settle()
    assert await status(handle) == "pending"
    assert await handle.result() == ["early", "end"]


async def test_a_suspended_instance_keeps_its_messages_and_goes_on_after_resume(env: Any) -> None:
    handle = await env.start(waiting)
    await env.settle()
    await handle.suspend("holiday")
    await env.settle()
    assert await status(handle) == "suspended"
    await handle.send_event("go", "meanwhile")
    await env.run_until_idle()
    assert await status(handle) == "suspended"
    assert SEEN == ["begin"]
    await handle.resume()
    assert await handle.result() == ["meanwhile", "end"]


async def test_a_timer_that_falls_due_while_suspended_fires_after_resume(env: Any) -> None:
    handle = await env.start(napping)
    await env.settle()
    await handle.suspend()
    await env.advance("5h")
    assert await status(handle) == "suspended"
    resumed = env.now
    await handle.resume()
    assert await handle.result() == resumed


async def test_an_activity_that_ends_while_its_instance_is_suspended_counts(environment: Any) -> None:
    going = asyncio.Event()

    @activity
    async def slow() -> str:
        await going.wait()
        return "done"

    @workflow
    async def calling(ctx: Context) -> str:
        return await slow()

    env = await environment(calling, slow)
    handle = await env.start(calling)
    await env.settle()
    await handle.suspend()
    await env.settle()
    going.set()
    await env.settle()
    assert await status(handle) == "suspended"
    await handle.resume()
    assert await handle.result() == "done"


async def test_suspended_before_its_first_turn_it_waits_for_the_resume(environment: Any) -> None:
    env = await environment(napping, has_worker=False)
    handle = await env.start(napping)
    await handle.suspend()
    await env.restart_worker()
    await env.run_until_idle()
    assert await status(handle) == "suspended"
    await handle.resume()
    await handle.result()


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_a_suspended_instance_can_be_ended(env: Any, verb: str) -> None:
    handle = await env.start(napping)
    await env.settle()
    await handle.suspend()
    await env.settle()
    await getattr(handle, verb)()
    await env.settle()
    if verb == "cancel":  # it is the code that answers a cancellation, and the code is held
        assert await status(handle) == "suspended"
        await handle.resume()
        await env.settle()
    assert await status(handle) == ("cancelled" if verb == "cancel" else "terminated")


async def test_suspending_twice_and_resuming_what_runs_changes_nothing(env: Any) -> None:
    handle = await env.start(waiting)
    await env.settle()
    await handle.resume()
    await env.settle()
    for _ in range(2):
        await handle.suspend()
        await env.settle()
    await handle.resume()
    await handle.send_event("go", 1)
    assert await handle.result() == [1, "end"]
    kinds = [type(event) for event in await env.history(handle)]
    assert kinds.count(e.WorkflowSuspended) == kinds.count(e.WorkflowResumed) == 1


@pytest.mark.parametrize(
    ("verbs", "ends_as"),
    [
        ("suspend resume", "running"),
        ("resume suspend", "suspended"),
        ("suspend suspend resume", "running"),
        ("suspend resume suspend", "suspended"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_latest_request_to_hold_or_to_go_on_counts(env: Any, verbs: str, ends_as: str, at_once: bool) -> None:
    handle = await env.start(waiting)
    await env.settle()
    for verb in verbs.split():
        await getattr(handle, verb)()
        if not at_once:
            await env.settle()
    await env.settle()
    assert await status(handle) == ends_as
    await handle.resume()
    await handle.send_event("go", 1)
    assert await handle.result() == [1, "end"]


@pytest.mark.parametrize("verb", ["cancel", "terminate", "suspend", "resume"])
async def test_a_finished_instance_refuses(env: Any, verb: str) -> None:
    handle = await env.start(napping)
    await handle.result()
    with pytest.raises(InstanceFinished):
        await getattr(handle, verb)()


@pytest.mark.parametrize("verb", ["cancel", "terminate", "suspend", "resume", "status", "result", "history", "rewind"])
async def test_an_unknown_instance_is_not_found(env: Any, verb: str) -> None:
    with pytest.raises(InstanceNotFound):
        await getattr(env.client.get("nobody"), verb)()
