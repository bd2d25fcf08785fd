"""What a worker cannot read: it says so, and harms nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nexus_sdk import Context, activity, activity_info, workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.status import Status
from nexus_sdk.engine.birth import inbox_message
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.errors import PayloadUnreadable
from nexus_sdk.store.port import Lease, TaskDelivery

LEASES = WorkerOptions(lease_seconds=30.0)


@activity
async def ship() -> Any:
    return activity_info().heartbeat_details


@workflow
async def shipping(ctx: Context) -> Any:
    return await ship()


async def scheduled(env: Any) -> tuple[Any, TaskDelivery]:
    """An instance whose activity is scheduled, and that activity, held by somebody who runs nothing."""
    worker = await env.restart_worker(WorkerOptions(frozenset({"nobody's"}), lease_seconds=30.0))
    handle = await env.start(shipping)
    await env.settle()
    await env.crash_worker()
    assert worker.is_idle
    lease = Lease("a hand", 30.0)
    received = await env.app.store.receive(("default",), limit=1, lease=lease, now_us=env.clock.now_us())
    (delivery,) = received.deliveries
    return handle, delivery


async def test_heartbeat_details_that_cannot_be_read_are_left_out(environment: Any) -> None:
    env = await environment(shipping, ship, has_worker=False)
    handle, delivery = await scheduled(env)
    await env.app.store.retry(delivery, replace(delivery.task, details=b"\xc1"), now_us=env.clock.now_us())
    await env.restart_worker(LEASES)
    assert await handle.result() is None
    assert [event for _, event, _ in env.said if "heartbeat details" in event and "cannot be read" in event]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\x01", b"\x93\x01\x90\x91\x91\xc4\x20 cut"])
async def test_a_task_that_cannot_be_read_is_left_to_workers_that_can(environment: Any, body: bytes) -> None:
    env = await environment(shipping, ship, has_worker=False, clock="manual")
    handle, delivery = await scheduled(env)
    store, readable = env.app.store, delivery.task.body
    await store.retry(delivery, replace(delivery.task, body=body), now_us=env.clock.now_us())
    await env.restart_worker(LEASES)
    await env.advance("1m")
    told = [event for level, event, _ in env.said if level == "warning" and "NX205" in event]
    assert len(told) == 1, env.said
    assert (await handle.status()).status is Status.RUNNING

    await env.crash_worker()
    await env.advance("1m")
    lease = Lease("a hand", 30.0)
    (delivery,) = (await store.receive(("default",), limit=1, lease=lease, now_us=env.clock.now_us())).deliveries
    assert delivery.deliveries == 1, "to be given back counts as never made"
    await store.retry(delivery, replace(delivery.task, body=readable), now_us=env.clock.now_us())
    await env.restart_worker(LEASES)
    await env.advance("1m")
    assert (await handle.status()).status is Status.COMPLETED


@workflow
async def listening(ctx: Context) -> Any:
    return await ctx.wait_for_event("word", str)


@pytest.mark.parametrize("encoding", [7, None, b"msgpack", "msgpack+nothing"], ids=str)
async def test_an_event_whose_payload_is_none_blocks_its_instance_and_nobody_else(
    environment: Any, encoding: Any
) -> None:
    """Somebody else than this package wrote to the store."""
    env = await environment(listening)
    handle, other = await env.start(listening, id="it"), await env.start(listening)
    payload = replace(env.app.codec.bound_to("it").encode("hello"), encoding=encoding)
    forged = inbox_message("event:forged", "it", e.EventReceived("word", payload, "forged"))
    await env.app.store.send([forged], now_us=env.clock.now_us())
    await env.settle()
    status = await handle.status()
    assert (status.status, status.failure.code) == (Status.BLOCKED, PayloadUnreadable.code)
    await other.send_event("word", "hello")
    assert await other.result() == "hello"
