"""What the suite's tests are told with: small records, turns and messages, at times that are passed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.store.port import (
    TURNS,
    Claim,
    Commit,
    Committed,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    Send,
    Store,
    StoredBatch,
    Task,
    TaskDelivery,
    TurnDelivery,
)

T0 = 1_700_000_000_000_000
"""When the tests begin."""

SECOND = 1_000_000

ANNA = Lease("anna", 30.0)
BERT = Lease("bert", 30.0)


def at(seconds: float) -> int:
    """A time, so many seconds after the beginning."""
    return T0 + round(seconds * SECOND)


def record(instance_id: str, **fields: Any) -> InstanceRecord:
    """A running instance at its first batch."""
    values: dict[str, Any] = {
        "id": instance_id,
        "run_id": "run-1",
        "run": 1,
        "status": Status.RUNNING,
        "workflow": "order",
        "version": "1",
        "created_us": T0,
        "updated_us": T0,
        "last_batch": 1,
        "last_hash": b"\x01hash",
        "request_id": "request-1",
        "start_digest": b"digest",
    }
    return InstanceRecord(**(values | fields))


def message(instance_id: str, message_id: str, **fields: Any) -> InboxMessage:
    """A message whose body is its id."""
    return InboxMessage(message_id, instance_id, fields.pop("body", message_id.encode()), **fields)


def new(instance_id: str, *, if_refused: InboxMessage | None = None, **fields: Any) -> NewInstance:
    """An instance with its first batch and message."""
    first = record(instance_id, **fields)
    return NewInstance(
        first,
        StoredBatch(first.run_id, 1, "turn-1", b"batch-1"),
        message(instance_id, "nexus:start", is_remembered=True),
        if_refused,
    )


def task(instance_id: str, name: str = "0", queue: str = "work", **fields: Any) -> Task:
    """A task of the first run."""
    return Task(f"run-1/{name}", queue, instance_id, "run-1", fields.pop("body", b"do"), **fields)


def turn(
    before: InstanceRecord,
    *sends: Send,
    consumed: Sequence[int] = (),
    settles: Iterable[Delivery] = (),
    claim: Claim | None = None,
    turn_id: str = "",
    **changes: Any,
) -> Commit:
    """The next turn of an instance: one batch, and what else is said."""
    number = before.last_batch + 1
    after = replace(before, **({"last_batch": number} | changes))
    batch = StoredBatch(after.run_id, number, turn_id or f"turn-{number}", b"batch-%d" % number)
    return Commit(after, before.run_id, before.last_batch, (batch,), sends, tuple(consumed), tuple(settles), claim)


async def receive(
    store: Store, *queues: str, now_us: int = T0, limit: int = 100, lease: Lease = ANNA
) -> tuple[Delivery, ...]:
    """What is delivered now, after a sweep: split stores may leave it to the sweep."""
    await store.due(before_us=now_us, limit=1000)
    return (await store.receive(queues, limit=limit, lease=lease, now_us=now_us)).deliveries


async def receive_turns(store: Store, *, now_us: int = T0, lease: Lease = ANNA) -> dict[str, TurnDelivery]:
    """The turns that are delivered now, by instance."""
    found = await receive(store, TURNS, now_us=now_us, lease=lease)
    return {delivery.instance_id: delivery for delivery in found if isinstance(delivery, TurnDelivery)}


async def receive_tasks(
    store: Store, queue: str = "work", *, now_us: int = T0, lease: Lease = ANNA, limit: int = 100
) -> list[TaskDelivery]:
    """The tasks that are delivered now."""
    found = await receive(store, queue, now_us=now_us, lease=lease, limit=limit)
    return [delivery for delivery in found if isinstance(delivery, TaskDelivery)]


async def started(store: Store, instance_id: str = "a", *sends: Send, **fields: Any) -> InstanceRecord:
    """An instance that was created, and whose first turn consumed the start message and made these sends."""
    commit = turn(await store.create(new(instance_id), now_us=T0), *sends, consumed=(1,), **fields)
    await store.commit(commit, now_us=T0)
    return commit.record


async def finish(store: Store, before: InstanceRecord, *sends: Send) -> InstanceRecord:
    """The instance's last turn."""
    commit = turn(before, *sends, status=Status.COMPLETED)
    await store.commit(commit, now_us=T0)
    return commit.record


async def pending(store: Store, instance_id: str) -> list[str]:
    """The ids of the pending messages, in order."""
    return [found.id for found in (await store.load(instance_id)).messages]


def names(committed: Committed) -> list[str]:
    """The ids of the tasks that a claim handed out."""
    return [delivery.task.id for delivery in committed.deliveries]
