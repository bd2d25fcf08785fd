"""Rewind: a failed instance goes on from its failed step; what was done is not done again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import Context, InvalidArgument, Retry, WorkflowFailed, activity, workflow
from nexus_sdk.codec import MsgpackCodec, TypeCodec
from nexus_sdk.core import events as e

RAN: list[str] = []
BROKEN: set[str] = set()
ONCE = Retry(max_attempts=1)


@activity(retry=ONCE)
async def step(name: str) -> str:
    RAN.append(name)
    if name in BROKEN:
        raise RuntimeError(f"{name} is broken")
    return name


@workflow
async def three_steps(ctx: Context):
    drawn = [str((yield ctx.side_effect(lambda: "x"))), str(ctx.uuid4()), ctx.random.random()]
    for name in ("one", "two", "three"):
        yield step(name)
    drawn += [str(ctx.uuid4()), ctx.random.random(), ctx.run]
    yield ctx.complete(drawn)


@workflow
async def wide(ctx: Context) -> list[str]:
    return await ctx.gather(*(step(name) for name in ("one", "two", "three")))


@workflow
async def self_made(ctx: Context):
    yield step("one")
    yield ctx.wait_for_event("go", int)
    raise ValueError("made here")


@pytest.fixture(autouse=True)
def fresh() -> None:
    RAN.clear()
    BROKEN.clear()


async def failed(env: Any, flow: Any, **options: Any) -> Any:
    handle = await env.start(flow, **options)
    with pytest.raises(WorkflowFailed):
        await handle.result()
    return handle


async def test_the_failed_step_is_tried_again_and_the_earlier_ones_are_not(environment: Any) -> None:
    env = await environment(three_steps, step)
    BROKEN.add("two")
    handle = await failed(env, three_steps)
    BROKEN.clear()
    await handle.rewind()
    assert (await handle.result())[-1] == 2
    assert RAN == ["one", "two", "two", "three"]
    status = await handle.status()
    assert (status.status, status.run, status.failure) == ("completed", 2, None)


async def test_randomness_is_the_same_after_a_rewind(environment: Any) -> None:
    env = await environment(three_steps, step)
    undisturbed = await env.run(three_steps, id="it")
    other = await environment(three_steps, step, store="memory://")
    BROKEN.add("two")
    handle = await failed(other, three_steps, id="it")
    BROKEN.clear()
    await handle.rewind()
    assert (await handle.result())[:-1] == undisturbed[:-1]


async def test_it_may_fail_again_and_be_rewound_again(environment: Any) -> None:
    env = await environment(three_steps, step)
    BROKEN.update({"two", "three"})
    handle = await failed(env, three_steps)
    BROKEN.remove("two")
    await handle.rewind()
    with pytest.raises(WorkflowFailed, match="three is broken"):
        await handle.result()
    BROKEN.clear()
    await handle.rewind()
    assert (await handle.result())[-1] == 3
    assert RAN == ["one", "two", "two", "three", "three"]


async def test_in_a_gather_only_the_failed_element_and_what_it_cancelled_run_again(environment: Any) -> None:
    env = await environment(wide, step)
    BROKEN.add("three")
    handle = await failed(env, wide)
    BROKEN.clear()
    await handle.rewind()
    assert await handle.result() == ["one", "two", "three"]
    assert RAN.count("three") == 2


async def test_events_that_were_consumed_are_kept(environment: Any) -> None:
    env = await environment(self_made, step)
    handle = await env.start(self_made)
    await handle.send_event("go", 1)
    with pytest.raises(WorkflowFailed, match="made here"):
        await handle.result()
    await handle.rewind()
    await env.settle()
    kinds = [type(event) for event in await env.history(handle)]
    assert kinds[0] is e.WorkflowCreated


async def test_a_failed_child_is_asked_for_again(environment: Any) -> None:
    @workflow
    async def child(ctx: Context) -> str:
        return await step("one")

    @workflow
    async def above(ctx: Context) -> list[Any]:
        return [await step("two"), await child()]

    env = await environment(above, child, step)
    BROKEN.add("one")
    handle = await failed(env, above)
    BROKEN.clear()
    await handle.rewind()
    assert await handle.result() == ["two", "one"]
    assert RAN == ["two", "one", "one"]


async def test_children_that_were_cancelled_by_the_failure_are_asked_for_again(environment: Any) -> None:
    @workflow
    async def child(ctx: Context, name: str) -> str:
        await ctx.sleep("1m" if name == "one" else "1h")
        return await step(name)

    @workflow
    async def above(ctx: Context) -> list[Any]:
        return await ctx.gather(child("one"), child("two"), child.options(id="chosen")("three"))

    env = await environment(above, child, step)
    BROKEN.add("one")
    handle = await failed(env, above, id="it")
    await env.run_until_idle()
    await env.get("chosen").purge()
    BROKEN.clear()
    await handle.rewind()
    assert await handle.result() == ["one", "two", "three"]
    assert (await env.get("it/r2/0.1").status()).status == "completed"


async def test_what_was_being_given_up_when_the_failure_came_has_ended(environment: Any) -> None:
    may_fail = asyncio.Event()

    @activity
    async def undo(_: Any) -> None: ...

    @activity(retry=ONCE, compensate=undo)  # so that how it truly ends is waited for
    async def hang() -> None:
        await asyncio.Event().wait()

    @activity(retry=ONCE)
    async def fail() -> str:
        await may_fail.wait()
        if "fail" in BROKEN:
            raise RuntimeError("it is broken")
        return "done"

    @workflow
    async def racing(ctx: Context) -> str:
        async with ctx.saga():
            _, value = await ctx.gather(ctx.race(slow=hang(), told=ctx.wait_for_event("go")), fail())
        return value

    env = await environment(racing, undo, hang, fail)
    BROKEN.add("fail")
    handle = await env.start(racing)
    await env.settle()
    await handle.suspend()
    await env.settle()
    await handle.send_event("go")
    may_fail.set()
    await env.settle()
    await handle.resume()  # one turn takes the event, which gives the activity up, and the failure
    with pytest.raises(WorkflowFailed):
        await handle.result()
    BROKEN.clear()
    await handle.rewind()
    assert await handle.result() == "done"
    kinds = [type(event) for event in await env.history(handle)]
    assert kinds.count(e.ActivityCancelRequested) == kinds.count(e.ActivityCancelled) == 1


async def test_an_event_that_was_delivered_is_not_sent_again(environment: Any) -> None:
    @workflow
    async def hearing(ctx: Context):
        yield ctx.wait_for_event("never")

    @workflow
    async def telling(ctx: Context) -> str:
        await ctx.send_event("ears", "word", 1)
        return await step("one")

    env = await environment(telling, hearing, step)
    ears = await env.start(hearing, id="ears")
    BROKEN.add("one")
    handle = await failed(env, telling)
    BROKEN.clear()
    await handle.rewind()
    assert await handle.result() == "one"
    await env.settle()
    assert [type(event) for event in await env.history(ears)].count(e.EventReceived) == 1


@pytest.mark.parametrize("how", ["completed", "cancelled", "terminated", "running"])
async def test_only_what_failed_can_be_rewound(environment: Any, how: str) -> None:
    @workflow
    async def waiting(ctx: Context) -> None:
        await ctx.wait_for_event("go")

    env = await environment(waiting)
    handle = await env.start(waiting)
    await env.settle()
    match how:
        case "completed":
            await handle.send_event("go")
        case "cancelled":
            await handle.cancel()
        case "terminated":
            await handle.terminate()
    await env.settle()
    with pytest.raises(InvalidArgument, match=how):
        await handle.rewind()


async def test_the_old_run_stays_readable(environment: Any) -> None:
    env = await environment(three_steps, step)
    BROKEN.add("two")
    handle = await failed(env, three_steps)
    before = await env.history(handle)
    run_id = (await env.app.store.find(handle.id)).run_id
    BROKEN.clear()
    await handle.rewind()
    await handle.result()
    old = await env.app.store.load(handle.id, run_id=run_id)
    assert len(old.batches) > 0
    created = (await env.history(handle))[0]
    assert (created.origin, created.previous_run_id) == ("rewind", run_id)
    assert isinstance(before[-1], e.WorkflowFailed)


class Money:
    """What only a codec that was taught it can write and read."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


@workflow
async def counting(ctx: Context, money: Any) -> int:
    yield ctx.wait_for_event("go")
    yield ctx.complete(money.cents)


@workflow
async def with_a_child(ctx: Context) -> None:
    ctx.spawn(counting(Money(5)))
    yield step("one")


async def test_who_rewinds_need_not_be_able_to_read_the_arguments_of_children(environment: Any) -> None:
    """`nexus rewind` without an app, for example."""
    codec = MsgpackCodec(types=[TypeCodec(Money, lambda money: money.cents, Money, name="money")])
    env = await environment(with_a_child, counting, step, codec=codec, clock="manual")
    BROKEN.add("one")
    handle = await env.start(with_a_child, id="parent")
    await env.settle()
    BROKEN.clear()
    stranger = await environment(store=env.app.store, has_worker=False, replays=False)
    await stranger.get("parent").rewind()
    await env.get("parent/r2/0").send_event("go")
    await env.settle()
    assert (await handle.status()).status == "completed"
