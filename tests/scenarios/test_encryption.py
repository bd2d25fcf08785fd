"""Encrypted values through the whole engine, on every way a value goes; keys that rotate, are missing, are wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import (
    ActivityFailed,
    ApplicationError,
    ChildWorkflowFailed,
    Context,
    InstanceExists,
    PayloadError,
    Retry,
    WorkflowFailed,
    activity,
    activity_info,
    heartbeat,
    workflow,
)
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.compression import Compression
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.keys import Keyring
from nexus_sdk.codec.secret import Secret
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.store.sqlite import SqliteStore

OLD = CodecChain(Compression(), Encryption({"2025": bytes(range(32))}))
RING = Keyring({"2025": bytes(range(32)), "2026": bytes(range(1, 33))}, primary="2026")
NEW = CodecChain(Compression(), Encryption(RING))
ONLY_NEW = CodecChain(Compression(), Encryption({"2026": bytes(range(1, 33))}))
MARK = "s3cr3t"


@activity
async def echo(text: str) -> str:
    return f"{text}!"


@activity(retry=Retry(max_attempts=2))
async def beating(text: str) -> str:
    before = activity_info().heartbeat_details
    if before is None:
        heartbeat({"at": text})
        raise ValueError("the first attempt")
    return str(before["at"])


@activity(retry=Retry(max_attempts=1))
async def declined(text: str) -> None:
    raise ApplicationError("declined", details={"card": text}, retryable=False)


@workflow
async def small(ctx: Context, text: str) -> str:
    return f"{text}?"


@workflow
async def failing(ctx: Context, text: str) -> None:
    await declined(text)


@workflow
async def receiver(ctx: Context) -> str:
    text: str = await ctx.wait_for_event("text", str)
    return text


@workflow
async def every_way(ctx: Context, text: str, rounds: int):
    ctx.set_status({"holding": text})
    got = [(yield echo(text)), (yield beating(text)), (yield small(text)), (yield ctx.side_effect(lambda: text))]
    waiting = ctx.spawn(receiver.options(id=f"receiver-{ctx.run}")())
    yield ctx.send_event(f"receiver-{ctx.run}", "text", text)
    got.append((yield waiting))
    try:
        yield failing(text)
    except ChildWorkflowFailed as error:
        got.append(error.details["card"])
    got.append((yield ctx.wait_for_event("text", str)))
    if rounds:
        yield ctx.continue_as_new(text, rounds - 1)
    yield ctx.complete(got)


@workflow
async def waiting(ctx: Context, text: str):
    first = yield echo(text)
    yield ctx.wait_for_event("go")
    yield ctx.complete([first, (yield echo(text))])


EVERYTHING = [every_way, small, failing, receiver, waiting, echo, beating, declined]


async def test_values_come_back_on_every_way_and_lie_nowhere_in_the_clear(
    environment: Any, store_url: str, tmp_path: Path
) -> None:
    env = await environment(*EVERYTHING, codec=NEW)
    handle = await env.start(every_way, MARK, 1, id="all")
    await handle.send_event("text", MARK)
    await handle.send_event("text", MARK)
    assert await handle.result() == [f"{MARK}!", MARK, f"{MARK}?", MARK, MARK, MARK, MARK]
    assert (await handle.status()).custom_status == {"holding": MARK}
    store = env.app.store
    if isinstance(store, SqliteStore):
        written = bytes_of(tmp_path)
    else:
        page = await store.list(_everything(), limit=100)
        loaded = [await store.load(record.id) for record in page.records]
        written = repr(loaded).encode() + repr(store._items).encode()
    assert b"every_way" in written, "this is where it would be"
    assert MARK.encode() not in written


async def test_a_failure_tells_its_details_to_the_client(environment: Any) -> None:
    env = await environment(*EVERYTHING, codec=NEW)
    with pytest.raises(WorkflowFailed) as raised:
        await env.run(failing, MARK)
    cause = raised.value.failure.cause
    assert raised.value.failure.message.startswith("activity 'declined' failed")
    assert cause is not None


async def test_secrets_are_values_like_others(environment: Any) -> None:
    seen: list[str] = []

    @activity
    async def log_in(password: Secret[str]) -> None:
        seen.append(password.reveal())

    @workflow
    async def session(ctx: Context, password: Secret[str]) -> str:
        await log_in(password)
        return repr(password)

    env = await environment(session, log_in, codec=NEW)
    assert MARK not in await env.run(session, Secret(MARK))
    assert seen == [MARK]


async def test_an_instance_goes_on_when_the_keys_have_rotated(environment: Any) -> None:
    env = await environment(*EVERYTHING, codec=OLD, replays=False)
    handle = await env.start(waiting, MARK, id="long")
    await env.settle()
    await env.crash_worker()
    later = await environment(*EVERYTHING, codec=NEW, store=env.app.store)
    handle = later.get("long")
    await handle.send_event("go")
    assert await handle.result() == [f"{MARK}!", f"{MARK}!"]
    keys = {event.arguments.key_id for event in await handle.history() if isinstance(event, e.ActivityScheduled)}
    assert keys == {"2025", "2026"}


async def test_the_same_start_after_a_rotation_attaches(environment: Any) -> None:
    env = await environment(*EVERYTHING, codec=OLD, replays=False)
    await env.start(waiting, MARK, id="long")
    await env.settle()
    later = await environment(*EVERYTHING, codec=NEW, store=env.app.store, has_worker=False)
    client = later.app.client()
    handle = await client.start(waiting, MARK, id="long", on_conflict="attach")
    assert handle.id == "long"
    with pytest.raises(InstanceExists, match="other arguments"):
        await client.start(waiting, "other", id="long", on_conflict="attach")


@pytest.mark.parametrize("before", [CodecChain(Compression(level=1)), MsgpackCodec()])
async def test_the_same_start_after_another_compression_attaches(environment: Any, before: Any) -> None:
    text = "".join(chr(97 + number * number * 7919 % 26) for number in range(5_000))
    env = await environment(*EVERYTHING, codec=before, replays=False)
    await env.start(waiting, text, id="long")
    later = CodecChain(Compression(level=9))
    client = (await environment(*EVERYTHING, codec=later, store=env.app.store, has_worker=False)).app.client()
    assert (await client.start(waiting, text, id="long", on_conflict="attach")).id == "long"
    with pytest.raises(InstanceExists, match="other arguments"):
        await client.start(waiting, text[1:], id="long", on_conflict="attach")


async def test_a_missing_key_blocks_with_its_id_and_a_worker_that_has_it_goes_on(environment: Any) -> None:
    env = await environment(*EVERYTHING, codec=OLD, replays=False)
    handle = await env.start(waiting, MARK, id="locked")
    await env.settle()
    await env.crash_worker()
    without = await environment(*EVERYTHING, codec=ONLY_NEW, store=env.app.store, replays=False)
    await handle.send_event("go")
    await without.settle()
    status = await without.get("locked").status()
    assert status.status == "blocked"
    assert (status.failure.code, MARK in status.failure.message) == ("NX504", False)
    assert "'2025'" in status.failure.message
    await without.crash_worker()
    mended = await environment(*EVERYTHING, codec=NEW, store=env.app.store)
    await mended.get("locked").resume()
    assert await mended.get("locked").result() == [f"{MARK}!", f"{MARK}!"]


async def test_an_activity_is_left_to_a_worker_that_has_the_key(environment: Any) -> None:
    @activity(task_queue="elsewhere")
    async def far(text: str) -> str:
        return text

    @workflow
    async def sending(ctx: Context, text: str) -> str:
        return await far(text)

    env = await environment(sending, codec=NEW)
    handle = await env.start(sending, MARK, id="far")
    await env.settle()
    async with worker_beside(env, OLD, far):
        await env.settle()
        assert any("'2026'" in said for _, said, _ in env.said)
        assert (await handle.status()).status == "running"
        async with worker_beside(env, NEW, far):
            assert await handle.result() == MARK


@asynccontextmanager
async def worker_beside(env: Any, codec: Any, *activities: Any) -> AsyncIterator[None]:
    """Another worker with another codec, on the same store and clock."""
    worker = Worker(env.app.store, Registry([], activities), codec, env.app.environment, WorkerOptions())
    await worker.start()
    try:
        yield
    finally:
        await worker.abandon()


async def test_a_value_of_another_instance_is_not_taken(environment: Any) -> None:
    """Somebody who can write to the store passes off one instance's approval as another's."""
    env = await environment(*EVERYTHING, codec=NEW, replays=False)
    await env.start(receiver, id="mine")
    await env.start(receiver, id="theirs")
    await env.settle()
    await env.crash_worker()
    await env.get("mine").send_event("text", "approved")
    store = env.app.store
    (stolen,) = (await store.load("mine")).messages
    await store.send([replace(stolen, id="event:forged", instance_id="theirs")], now_us=0)
    assert wire.decode_message(stolen.body, id="", accepted_at_us=0, number=0).event
    await env.restart_worker()
    await env.settle()
    assert await env.get("mine").result() == "approved"
    status = await env.get("theirs").status()
    assert (status.status, status.failure.code) == ("blocked", "NX505")


async def test_a_rewound_parent_starts_its_children_anew(environment: Any) -> None:
    tries: list[int] = []

    @activity(retry=Retry(max_attempts=1))
    async def moody() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not today")

    @workflow
    async def parent(ctx: Context, text: str):
        child = ctx.spawn(receiver())
        other = ctx.spawn(small(text))
        try:
            yield moody()
        except ActivityFailed as error:
            raise RuntimeError("gave up") from error
        yield ctx.send_event(f"{ctx.instance_id}/r{ctx.run}/0", "text", text)
        yield ctx.complete([(yield child), (yield other)])

    env = await environment(parent, receiver, small, moody, codec=NEW, clock="manual")
    handle = await env.start(parent, MARK, id="p")
    await env.settle()
    assert (await handle.status()).status == "failed"
    await handle.rewind()
    await env.settle()
    assert await handle.result() == [MARK, f"{MARK}?"]


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("nexus.db*") if path.is_file())


def _everything() -> Any:
    from nexus_sdk.store.port import Query

    return Query()


async def test_an_event_that_the_workers_could_not_read_is_refused(environment: Any) -> None:
    env = await environment(receiver, codec=NEW, replays=False)
    handle = await env.start(receiver, id="it")
    stranger = await environment(receiver, store=env.app.store, has_worker=False, replays=False)
    with pytest.raises(PayloadError, match=r"encoded as 'msgpack\+aes-gcm', which this app's codec does not read"):
        await stranger.get("it").send_event("text", "in the clear")
    await handle.send_event("text", MARK)
    assert await handle.result() == MARK
    plain = await environment(receiver, store=env.app.store, replays=False)
    await plain.start(receiver, id="plain")
    with pytest.raises(PayloadError, match="encoded as 'msgpack', which"):
        await env.get("plain").send_event("text", MARK)
