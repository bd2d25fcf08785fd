"""External events: kept in order until somebody waits, counted once by their id, refused where nobody can take them."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import (
    Context,
    InstanceFinished,
    InstanceNotFound,
    PayloadError,
    WaitTimedOut,
    workflow,
)
from nexus_sdk.core import events as e


@workflow
async def collecting(ctx: Context, count: int):
    yield ctx.sleep("1h")
    heard = []
    for _ in range(count):
        heard.append((yield ctx.wait_for_event("word")))
    yield ctx.complete(heard)


@workflow
async def counting(ctx: Context, heard: list[Any], rounds: int):
    heard = [*heard, (yield ctx.wait_for_event("word"))]
    if rounds > 1:
        yield ctx.continue_as_new(heard, rounds - 1)
    yield ctx.complete(heard)


@workflow
async def patient(ctx: Context, timeout: str) -> Any:
    try:
        return await ctx.wait_for_event("word", timeout=timeout)
    except WaitTimedOut:
        return "timed out"


@workflow
async def typed(ctx: Context) -> list[Any]:
    heard: list[Any] = []
    for _ in range(2):
        try:
            heard.append(await ctx.wait_for_event("number", int))
        except PayloadError:
            heard.append("refused")
    return heard


@workflow
async def sender(ctx: Context, target: str) -> str:
    try:
        await ctx.send_event(target, "word", {"from": ctx.instance_id})
    except (InstanceNotFound, InstanceFinished) as error:
        return f"{type(error).__name__} {target in str(error)}"
    return "sent"


async def test_events_before_the_wait_are_kept_in_their_order(environment: Any) -> None:
    env = await environment(collecting)
    handle = await env.start(collecting, 4)
    for word in ("to", "be", "or"):
        await handle.send_event("word", word)
        await env.settle()
    await env.advance("2h")
    await handle.send_event("word", "not")
    assert await handle.result() == ["to", "be", "or", "not"]


async def test_events_of_other_names_do_not_count(environment: Any) -> None:
    env = await environment(collecting)
    handle = await env.start(collecting, 1)
    await handle.send_event("sword", "no")
    await handle.send_event("word", "yes")
    assert await handle.result() == ["yes"]


async def test_the_same_event_id_counts_once_while_it_lies_in_the_inbox(environment: Any) -> None:
    env = await environment(collecting)
    handle = await env.start(collecting, 2)
    for word in ("a", "a", "other payload, same id"):
        await handle.send_event("word", word, event_id="click-1")
    await handle.send_event("word", "b", event_id="click-2")
    assert await handle.result() == ["a", "b"]


async def test_the_same_event_id_counts_once_after_it_was_consumed(environment: Any) -> None:
    env = await environment(collecting)
    handle = await env.start(collecting, 2)
    await handle.send_event("word", "a", event_id="click-1")
    await env.advance("2h")
    await handle.send_event("word", "a", event_id="click-1")
    await env.settle()
    assert (await handle.status()).status == "running"
    await handle.send_event("word", "b", event_id="click-2")
    assert await handle.result() == ["a", "b"]


async def test_the_same_event_id_counts_once_over_all_runs(environment: Any) -> None:
    env = await environment(counting)
    handle = await env.start(counting, [], 3)
    for word in ("a", "a", "b", "a", "b", "c", "c"):
        await handle.send_event("word", word, event_id=word)
        await env.settle()
    assert await handle.result() == ["a", "b", "c"]
    assert (await handle.status()).run == 3


async def test_a_repetition_after_the_end_is_no_error_but_a_new_event_is(environment: Any) -> None:
    env = await environment(patient)
    handle = await env.start(patient, "1h")
    await handle.send_event("word", "a", event_id="click-1")
    assert await handle.result() == "a"
    await handle.send_event("word", "a", event_id="click-1")
    with pytest.raises(InstanceFinished):
        await handle.send_event("word", "b", event_id="click-2")


async def test_events_cross_continue_as_new_in_order_none_lost_none_twice(environment: Any) -> None:
    env = await environment(counting)
    handle = await env.start(counting, [], 6)
    for number in range(3):
        await handle.send_event("word", number)
    await env.settle()
    for number in range(3, 6):
        await handle.send_event("word", number)
    assert await handle.result() == [0, 1, 2, 3, 4, 5]


async def test_an_event_in_time_beats_the_timeout(environment: Any) -> None:
    env = await environment(patient, clock="manual")
    handle = await env.start(patient, "1h")
    await env.advance("59m")
    await handle.send_event("word", "just")
    await env.advance("2h")
    assert await handle.result() == "just"


async def test_an_event_in_time_beats_the_timeout_although_no_worker_was_there(environment: Any) -> None:
    env = await environment(patient, clock="manual")
    handle = await env.start(patient, "1h")
    await env.settle()
    await env.crash_worker()
    await env.advance("59m")
    await handle.send_event("word", "just")
    await env.advance("2h")
    await env.restart_worker()
    await env.advance("1h")
    assert await handle.result() == "just"


async def test_a_wait_times_out_when_nothing_comes(environment: Any) -> None:
    env = await environment(patient)
    assert await env.run(patient, "1h") == "timed out"


async def test_an_event_of_the_wrong_type_raises_at_the_wait_and_is_consumed(environment: Any) -> None:
    env = await environment(typed)
    handle = await env.start(typed)
    await handle.send_event("number", "many")
    await handle.send_event("number", 7)
    assert await handle.result() == ["refused", 7]


async def test_a_client_hears_that_nobody_is_there(environment: Any) -> None:
    env = await environment(patient)
    with pytest.raises(InstanceNotFound):
        await env.get("nobody").send_event("word")
    handle = await env.start(patient, "1s")
    await handle.result()
    with pytest.raises(InstanceFinished):
        await handle.send_event("word")


async def test_a_workflow_hears_that_its_event_is_for_nobody(environment: Any) -> None:
    env = await environment(sender)
    assert await env.run(sender, "nobody") == "InstanceNotFound True"


async def test_a_workflow_hears_that_its_event_came_too_late(environment: Any) -> None:
    env = await environment(sender, patient)
    await env.run(patient, "1s", id="done")
    assert await env.run(sender, "done") == "InstanceFinished True"


async def test_a_workflow_sends_to_another(environment: Any) -> None:
    env = await environment(sender, patient)
    handle = await env.start(patient, "1h", id="listener")
    assert await env.run(sender, "listener", id="speaker") == "sent"
    assert await handle.result() == {"from": "speaker"}


async def test_a_workflow_sends_to_itself(environment: Any) -> None:
    @workflow
    async def echo(ctx: Context) -> Any:
        await ctx.send_event(ctx.instance_id, "word", "hello me")
        return await ctx.wait_for_event("word")

    env = await environment(echo)
    assert await env.run(echo) == "hello me"


async def test_two_waits_for_one_name_are_served_in_turn(environment: Any) -> None:
    @workflow
    async def two(ctx: Context):
        yield ctx.complete((yield ctx.gather(ctx.wait_for_event("word"), ctx.wait_for_event("word"))))

    env = await environment(two)
    handle = await env.start(two)
    await env.settle()
    await handle.send_event("word", 1)
    await handle.send_event("word", 2)
    assert await handle.result() == [1, 2]


async def test_a_cancelled_wait_consumes_no_event(environment: Any) -> None:
    @workflow
    async def again(ctx: Context):
        won = yield ctx.race(word=ctx.wait_for_event("word"), time=ctx.sleep("1m"))
        yield ctx.complete([won.name, (yield ctx.wait_for_event("word"))])

    env = await environment(again)
    handle = await env.start(again)
    await env.advance("2m")
    await handle.send_event("word", "kept")
    assert await handle.result() == ["time", "kept"]
    kinds = [type(event) for event in await env.history(handle)]
    assert kinds.count(e.EventReceived) == 1
