"""Large values: their bytes lie apart from messages and batches, in every instance that has to do with them."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import (
    ActivityFailed,
    ApplicationError,
    Context,
    PayloadError,
    Retry,
    WorkflowFailed,
    activity,
    activity_info,
    heartbeat,
    workflow,
)
from nexus_sdk.core import events as e
from nexus_sdk.engine.apart import read_batches

LARGE = 260_000


@activity
async def enlarge(text: str) -> str:
    return text * 2


@activity(retry=Retry(max_attempts=2))
async def stumbling(text: str) -> int:
    before = activity_info().heartbeat_details
    if before is None:
        heartbeat(text)
        raise ValueError("the first attempt")
    return len(before) + len(text)


@activity(retry=Retry(max_attempts=1))
async def detailed(text: str) -> None:
    raise ApplicationError("too bad", details={"text": text}, retryable=False)


@workflow
async def child(ctx: Context, text: str) -> str:
    yield ctx.complete(text + "c")


@workflow
async def every_way(ctx: Context, text: str):
    doubled = yield enlarge(text)
    yield ctx.sleep("1h")
    counted = yield stumbling(text)
    back = yield child(doubled)
    kept = yield ctx.side_effect(lambda: "s" * LARGE)
    heard = yield ctx.wait_for_event("word", str)
    yield ctx.complete([text, doubled, counted, back, kept, heard])


@workflow
async def passing_on(ctx: Context, text: str, rounds: int):
    heard = yield ctx.wait_for_event("word", str)
    if rounds:
        yield ctx.continue_as_new(heard, rounds - 1)
    yield ctx.complete(text + heard)


@workflow
async def failing_child(ctx: Context, text: str) -> None:
    yield detailed(text)


@workflow
async def told_of_failure(ctx: Context, text: str) -> None:
    yield ctx.sleep("1h")
    yield failing_child(text)


@workflow
async def two_steps(ctx: Context, text: str):
    doubled = yield enlarge(text)
    yield ctx.wait_for_event("go")
    yield ctx.complete(len(doubled))


async def test_large_values_go_every_way(environment: Any) -> None:
    env = await environment(every_way, child, enlarge, stumbling)
    text = "x" * LARGE
    handle = await env.start(every_way, text, id="big")
    await handle.send_event("word", "w" * LARGE)
    expected = [text, text * 2, 2 * LARGE, text * 2 + "c", "s" * LARGE, "w" * LARGE]
    assert await handle.result() == expected
    loaded = await env.app.store.load("big")
    assert sum(len(batch.data) for batch in loaded.batches) < 20_000, "the history itself stays small"
    history = await handle.history()
    values = [event.result for event in history if isinstance(event, e.ActivityCompleted)]
    assert env.app.codec.decode(values[0]) == text * 2, "a history that is asked for is whole"


async def test_what_a_replay_does_not_look_at_is_not_fetched(environment: Any) -> None:
    env = await environment(every_way, child, enlarge, stumbling)
    handle = await env.start(every_way, "x" * LARGE, id="big")
    await handle.send_event("word", "w")
    await handle.result()
    store = env.app.store
    loaded = await store.load("big")
    batches = await read_batches(store, "big", loaded.batches, every=False)
    events = [event for batch in batches for event in batch.events]
    scheduled = [event.arguments.data for event in events if isinstance(event, e.ActivityScheduled)]
    completed = [event.result.data for event in events if isinstance(event, e.ActivityCompleted)]
    assert scheduled == [None, None]
    assert all(data is not None for data in completed)


async def test_unread_large_events_are_carried_over(environment: Any) -> None:
    env = await environment(passing_on)
    handle = await env.start(passing_on, "x" * LARGE, 1, id="on")
    await handle.send_event("word", "a" * LARGE)
    await handle.send_event("word", "b" * LARGE)
    assert await handle.result() == "a" * LARGE + "b" * LARGE


async def test_large_details_of_a_failure_reach_the_client(environment: Any) -> None:
    env = await environment(told_of_failure, failing_child, detailed)
    handle = await env.start(told_of_failure, "x" * LARGE)
    with pytest.raises(WorkflowFailed) as raised:
        await handle.result()
    cause = raised.value.failure.cause
    while cause is not None and cause.details is None:
        cause = cause.cause
    assert cause is not None
    assert env.app.codec.decode(cause.details) == {"text": "x" * LARGE}


async def test_each_instance_has_its_own_copy(environment: Any) -> None:
    """Purging a child does not take the bytes from its parent."""
    env = await environment(every_way, child, enlarge, stumbling)
    handle = await env.start(every_way, "x" * LARGE, id="parent")
    await env.advance("2h")
    events = await handle.history()
    child_id = next(event.instance_id for event in events if isinstance(event, e.ChildScheduled))
    await env.get(child_id).purge()
    await env.crash_worker()
    await env.restart_worker()
    await handle.send_event("word", "w")
    result = await handle.result()
    assert result[3] == "x" * 2 * LARGE + "c"


async def test_bytes_that_are_gone_block_with_a_reason(environment: Any) -> None:
    env = await environment(two_steps, enlarge, replays=False)
    handle = await env.start(two_steps, "x" * LARGE, id="lossy")
    await env.settle()
    env.app.store._blobs.clear() if hasattr(env.app.store, "_blobs") else await _clear(env.app.store)
    await env.crash_worker()
    await env.restart_worker()
    await handle.send_event("go")
    await env.settle()
    status = await handle.status()
    assert status.status == "blocked"
    assert "large payload" in status.failure.message
    with pytest.raises(PayloadError):
        env.app.codec.decode((await handle.history())[0].arguments)


@workflow
async def talkative(ctx: Context, text: str) -> None:
    ctx.set_status({"text": text})
    yield ctx.sleep("1h")
    raise ApplicationError("no", details=text)


async def test_records_stay_small_and_a_status_is_whole(environment: Any) -> None:
    env = await environment(talkative)
    handle = await env.start(talkative, "x" * LARGE)
    with pytest.raises(WorkflowFailed):
        await handle.result()
    record = await env.app.store.find(handle.id)
    assert len(record.custom_status or b"") + len(record.failure or b"") < 2_000
    (listed,) = await env.app.client().list()
    for status in (listed, await handle.status()):
        assert status.custom_status == {"text": "x" * LARGE}
        assert env.app.codec.decode(status.failure.details) == "x" * LARGE
    await _replace(env.app.store, b"other")
    (listed,) = await env.app.client().list()
    assert listed.custom_status["reference"] == "apart", "one that is damaged does not hide the others"
    await handle.purge()


async def test_an_id_that_is_purged_while_it_is_taken_again_loses_nothing(
    environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await environment(two_steps, enlarge, replays=False)
    handle = await env.start(two_steps, "x" * LARGE, id="again")
    await handle.send_event("go")
    await handle.result()
    store = env.app.store
    create = store.create

    async def late(new: Any, *, now_us: int) -> Any:
        await store.purge("again", now_us=now_us)
        return await create(new, now_us=now_us)

    monkeypatch.setattr(store, "create", late)
    handle = await env.start(two_steps, "x" * LARGE, id="again")
    await handle.send_event("go")
    assert await handle.result() == 2 * LARGE


async def test_an_event_whose_bytes_were_changed_blocks_at_once(environment: Any) -> None:
    env = await environment(passing_on, replays=False)
    handle = await env.start(passing_on, "x", 0)
    await env.settle()
    await env.crash_worker()
    await handle.send_event("word", "a" * LARGE)
    await _replace(env.app.store, b"other")
    await env.restart_worker()
    await env.settle()
    status = await handle.status()
    assert (status.status, status.failure.code) == ("blocked", "NX205")
    assert "do not fit their digest" in status.failure.message
    assert not [said for level, said, _ in env.said if level == "error"]


async def _replace(store: Any, data: bytes) -> None:
    """Put other bytes into the place of all large payloads."""
    if hasattr(store, "_blobs"):
        for blobs in store._blobs.values():
            blobs.update(dict.fromkeys(blobs, data))
    else:
        await store._write(0, lambda work: work.execute("UPDATE blobs SET data = ?", (data,)))


async def _clear(store: Any) -> None:
    await store._write(0, lambda work: work.execute("DELETE FROM blobs"))


async def test_a_rewound_run_still_has_them(environment: Any) -> None:
    tries: list[str] = []

    @activity(retry=Retry(max_attempts=1))
    async def moody(text: str) -> int:
        tries.append(text)
        if len(tries) == 1:
            raise ValueError("not today")
        return len(text)

    @workflow
    async def mended(ctx: Context, text: str):
        doubled = yield enlarge(text)
        try:
            counted = yield moody(doubled)
        except ActivityFailed as error:
            raise RuntimeError("gave up") from error
        yield ctx.complete([len(doubled), counted])

    env = await environment(mended, enlarge, moody)
    handle = await env.start(mended, "x" * LARGE)
    with pytest.raises(WorkflowFailed):
        await handle.result()
    await handle.rewind()
    assert await handle.result() == [2 * LARGE, 2 * LARGE]
