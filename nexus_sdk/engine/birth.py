"""New runs: an instance's first batch and record, for a start, a child, a continuation or a rewind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import PREVIOUS_HASH, BatchHeader, Message
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import InboxMessage, InstanceRecord, NewInstance, StoredBatch

Attributes = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Start:
    """What somebody wants to be started."""

    instance_id: str
    workflow: str
    version: str
    arguments: Payload
    request_id: str
    timeout_us: int | None = None
    start_at_us: int | None = None
    parent: e.ParentRef | None = None
    is_detached: bool = False
    root: str = ""
    attributes: Attributes = field(default_factory=dict)


def new_instance(start: Start, *, run_id: str, turn_id: str, now_us: int) -> NewInstance:
    """The instance to create: record, first batch, and the message that wakes it, unless it starts later."""
    created = e.WorkflowCreated(
        start.workflow, start.version, start.arguments, start.parent, start.start_at_us, start.timeout_us
    )
    batch, digest = first_batch(start.instance_id, run_id, created, turn_id=turn_id, now_us=now_us)
    record = InstanceRecord(
        id=start.instance_id,
        run_id=run_id,
        run=1,
        status=Status.PENDING,
        workflow=start.workflow,
        version=start.version,
        created_us=now_us,
        updated_us=now_us,
        last_batch=1,
        last_hash=digest,
        request_id=start.request_id,
        start_digest=start_digest(start.workflow, start.arguments),
        parent=start.parent,
        is_detached=start.is_detached,
        root=start.root or start.instance_id,
        attributes=start.attributes,
        wake_at_us=start.start_at_us,
        encoding=start.arguments.encoding,
    )
    is_put_off = start.start_at_us is not None
    look = None if is_put_off else InboxMessage("start", start.instance_id, _LOOK)
    return NewInstance(record, batch, look)


_LOOK = wire.encode_message(Message("start", e.LookRequested(), 0))


def start_digest(workflow: str, arguments: Payload) -> bytes:
    """What tells one start from another: the workflow's name and its arguments."""
    return hashlib.sha256(workflow.encode() + b"\0" + arguments.digest).digest()


def first_batch(
    instance_id: str, run_id: str, created: e.WorkflowCreated, *, turn_id: str, now_us: int, previous_hash: bytes = b""
) -> tuple[StoredBatch, bytes]:
    """The first batch of a run, and its hash.

    Args:
        previous_hash: of the last batch of the run before, which is vouched for so.
    """
    header = BatchHeader(instance_id, run_id, 1, turn_id, (), now_us)
    if previous_hash:
        header = replace(header, metadata={PREVIOUS_HASH: previous_hash.hex()})
    data, digest = wire.encode_batch(header, [created], wire.first_hash(instance_id, run_id))
    return StoredBatch(run_id, 1, turn_id, data), digest


def continued(record: InstanceRecord, run_id: str, digest: bytes, now_us: int) -> InstanceRecord:
    """The record of the next run of the same instance, ready for its first turn."""
    return replace(
        record,
        run_id=run_id,
        run=record.run + 1,
        status=Status.PENDING,
        updated_us=now_us,
        last_batch=1,
        last_hash=digest,
        failure=None,
        wake_at_us=now_us,
        held_through=None,
    )


def inbox_message(
    id: str,
    instance_id: str,
    event: e.Event,
    *,
    run_id: str | None = None,
    is_remembered: bool = False,
    if_accepted: InboxMessage | None = None,
    if_refused: InboxMessage | None = None,
    if_finished: InboxMessage | None = None,
) -> InboxMessage:
    """A message as the store takes it."""
    body = wire.encode_message(Message(id, event, 0, run_id=run_id))
    return InboxMessage(id, instance_id, body, is_remembered, if_accepted, if_refused, if_finished)


def read_message(message: InboxMessage) -> Message:
    """A message as the core takes it."""
    return wire.decode_message(
        message.body, id=message.id, accepted_at_us=message.accepted_at_us, number=message.number
    )
