"""`ctx.history`: the same at every replay, however the messages came together; and when it is time to go on as new."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from nexus_sdk import Context, HistorySize, Retry, WorkflowFailed, activity, workflow
from nexus_sdk.codec import wire
from nexus_sdk.core.history import EVENT_BYTES, LONG_BYTES, LONG_EVENTS, value_bytes_of
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.replay.recorded import load_recording
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities
from nexus_sdk.testing import assert_replays

COLD = WorkerOptions(lease_seconds=1e9, warm_max=0)

Sizes = list[tuple[int, int]]


def size_of(ctx: Context) -> tuple[int, int]:
    return ctx.history.events, ctx.history.bytes


@activity
async def fetch(size: int) -> str:
    return "x" * size


@workflow
async def measuring(ctx: Context) -> Sizes:
    sizes = [size_of(ctx)]
    for number in range(3):
        ctx.set_status(number)
        await fetch(1_000 * number)
        sizes.append(size_of(ctx))
        await ctx.sleep("1h")
        sizes.append(size_of(ctx))
    return sizes


@workflow
async def listening(ctx: Context, number: int) -> Sizes:
    sizes: Sizes = []
    for _ in range(number):
        ctx.set_status(len(sizes))
        await ctx.wait_for_event("it", str)
        sizes.append(size_of(ctx))
        sizes.append(size_of(ctx))  # what the code asked for since has not changed it
    return sizes


async def test_it_grows_with_what_has_happened(environment: Any) -> None:
    env = await environment(measuring, fetch)
    handle = await env.start(measuring)
    sizes = await handle.result()
    assert sizes[0][0] == 2  # created, started
    assert sizes == sorted(sizes)
    events = await env.history(handle)
    last = sizes[-1][0]
    assert events[last:][0].kind == 3, "up to the firing of the last timer, and not the end that followed"
    assert sizes[-1][1] == EVENT_BYTES * last + value_bytes_of(events[:last])
    assert sizes[-1][1] > 3_000


async def test_it_is_the_same_at_every_replay(environment: Any) -> None:
    warm = await environment(measuring, fetch)
    undisturbed = await warm.run(measuring, id="it")
    cold = await environment(measuring, fetch, worker=COLD, store="memory://")
    handle = await cold.start(measuring, id="it")
    assert await handle.result() == undisturbed
    assert_replays(measuring, await cold.history(handle))
    recording = await load_recording(cold.app.store, "it")
    assert_replays(measuring, [batch for run in recording.runs for batch in run.batches])


@pytest.mark.parametrize("worker", [WorkerOptions(lease_seconds=1e9), COLD], ids=["warm", "cold"])
async def test_it_is_the_same_however_the_messages_came_together(environment: Any, worker: WorkerOptions) -> None:
    sizes = []
    for together in (1, 2, 3, 6):
        env = await environment(listening, worker=worker, store="memory://")
        handle = await env.start(listening, 6, id="it")
        await env.settle()
        for number in range(6):
            await handle.send_event("it", "x" * number, event_id=str(number))
            if number % together == together - 1:
                await env.settle()
        sizes.append(await handle.result())
        history = await env.history(handle)
        assert_replays(listening, history)
    assert sizes == [sizes[0]] * 4
    assert len(sizes[0]) == 12


async def test_what_held_the_instance_is_not_counted(environment: Any) -> None:
    async def run(env: Any, *, is_held: bool) -> Any:
        handle = await env.start(listening, 3, id="it")
        for number in range(3):
            if is_held:
                await env.settle()
                await handle.suspend()
                await env.settle()
                await handle.resume()
            await handle.send_event("it", "x" * 10, event_id=str(number))
            await env.settle()
        return await handle.result()

    undisturbed = await run(await environment(listening), is_held=False)
    assert await run(await environment(listening, store="memory://"), is_held=True) == undisturbed
    assert await run(await environment(listening, store="memory://", worker=COLD), is_held=True) == undisturbed


async def test_a_rewound_run_sees_what_the_failed_one_saw(environment: Any) -> None:
    is_up: list[bool] = []
    seen: set[tuple[int, int]] = set()

    @activity(retry=Retry(max_attempts=1))
    async def ask() -> str:
        if not is_up:
            raise ConnectionError("down")
        return "up"

    @workflow
    async def asking(ctx: Context) -> Any:
        await fetch(1_000)
        seen.add(size_of(ctx))  # nexus: ignore[NXL502] that is what this test looks at: what each replay sees
        await ask()

    env = await environment(asking, fetch, ask)
    handle = await env.start(asking)
    with pytest.raises(WorkflowFailed, match="down"):
        await handle.result()
    is_up.append(True)
    await handle.rewind()
    await handle.result()
    ((events, size),) = seen
    assert (events, size > 1_000) == (4, True)


async def test_where_the_values_lie_and_whether_they_were_erased_makes_no_difference(environment: Any) -> None:
    class Small(MemoryStore):
        capabilities = Capabilities(payload_bytes_max=200, is_durable=False, is_shared=False)

    inline = await environment(measuring, fetch)
    undisturbed = await inline.run(measuring, id="it")
    env = await environment(measuring, fetch, store=Small(), worker=COLD)
    assert await env.run(measuring, id="it") == undisturbed

    for stored in (await inline.app.store.load("it")).batches:
        head, bodies = msgpack.unpackb(stored.data)
        whole = wire.decode_batch(stored.data)
        erased = wire.decode_batch(msgpack.packb([head, [None for _ in bodies]]))
        assert whole.value_bytes == erased.value_bytes == wire.value_bytes_of(whole.events)
        assert whole.value_bytes == value_bytes_of(whole.events)


def test_when_it_is_long() -> None:
    assert not HistorySize(LONG_EVENTS - 1, LONG_BYTES - 1).is_long
    assert HistorySize(LONG_EVENTS, 0).is_long
    assert HistorySize(0, LONG_BYTES).is_long


async def test_a_workflow_continues_as_new_in_time(environment: Any) -> None:
    @workflow
    async def polling(ctx: Context, left: int, runs: list[int]):
        while left:
            yield fetch(2_000_000)
            left -= 1
            if ctx.history.is_long:
                yield ctx.continue_as_new(left, [*runs, ctx.history.events])
        yield ctx.complete([*runs, ctx.history.events])

    env = await environment(polling, fetch, worker=COLD)
    runs = await env.run(polling, 12, [])
    assert runs == [12, 12, 6]  # created, started, and two for each of five, five and two
    assert "is long" in " ".join(event for _, event, _ in env.said)
