"""Payloads too large to travel with messages, batches and records: they lie apart, among the blobs of the instance
that holds what refers to them.

They are put there before the write that refers to them, and fetched, in the engine, before code runs that will look at
them: the results and events that a replay hands to the workflow, the arguments of an activity that is about to run.
What a replay only compares (the arguments it recorded) is not fetched.

The one rule: **each instance has its own copy**, so purging one never takes bytes from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import Commit, InboxMessage, InstanceRecord, NewInstance, Send, Store, StoredBatch, Task

CROWDED_BYTES_MAX = 1_000
"""What still travels inline in a turn whose batches would otherwise be larger than a commit may be."""


class Moving:
    """What is being written, without its large payloads; `put` brings those to safety first.

    Args:
        bytes_max: the largest payload that stays inline.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._blobs: dict[str, dict[bytes, bytes]] = {}

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to `put`."""
        return bool(self._blobs)

    async def put(self, store: Store, *, now_us: int) -> None:
        """Make the payloads durable, each for the instance whose it is. Idempotent."""
        for instance_id, blobs in self._blobs.items():
            await store.put_blobs(instance_id, blobs, now_us=now_us)

    def bytes_of(self, instance_id: str, data: bytes) -> bytes:
        """Encoded things that this instance will hold."""
        if len(data) <= self.bytes_max:
            return data
        data, blobs = wire.set_apart(data, self.bytes_max)
        if blobs:
            self._blobs.setdefault(instance_id, {}).update(blobs)
        return data

    def message(self, message: InboxMessage) -> InboxMessage:
        """A message as it is sent. Its replies carry no values."""
        body = self.bytes_of(message.instance_id, message.body)
        return message if body is message.body else replace(message, body=body)

    def task(self, task: Task) -> Task:
        """A task as it is sent."""
        body = self.bytes_of(task.instance_id, task.body)
        details = task.details and self.bytes_of(task.instance_id, task.details)
        return task if body is task.body and details is task.details else replace(task, body=body, details=details)

    def batch(self, instance_id: str, batch: StoredBatch) -> StoredBatch:
        """A batch as it is kept."""
        data = self.bytes_of(instance_id, batch.data)
        return batch if data is batch.data else replace(batch, data=data)

    def instance(self, new: NewInstance) -> NewInstance:
        """An instance as it is created."""
        batch = self.batch(new.record.id, new.batch)
        return new if batch is new.batch else replace(new, batch=batch)

    def record(self, record: InstanceRecord) -> InstanceRecord:
        """A record as it is kept: it is written at each turn, and read for each list."""
        status = record.custom_status and self.bytes_of(record.id, record.custom_status)
        failure = record.failure and self.bytes_of(record.id, record.failure)
        is_same = status is record.custom_status and failure is record.failure
        return record if is_same else replace(record, custom_status=status, failure=failure)

    def commit(self, commit: Commit) -> Commit:
        """A turn as it is committed."""
        record = self.record(commit.record)
        batches = tuple(self.batch(commit.record.id, batch) for batch in commit.batches)
        sends = tuple(map(self._send, commit.sends))
        return replace(commit, record=record, batches=batches, sends=sends) if self._blobs else commit

    def _send(self, send: Send) -> Send:
        match send:
            case InboxMessage():
                return self.message(send)
            case Task():
                return self.task(send)
            case NewInstance():
                return self.instance(send)
            case _:
                return send


async def commit_set_apart(store: Store, commit: Commit, *, now_us: int) -> Commit:
    """The commit to make: its large payloads lie apart by then. Of a crowded one, the small ones too."""
    capabilities = store.capabilities
    moving = Moving(capabilities.payload_bytes_max)
    made = moving.commit(commit)
    if sum(len(batch.data) for batch in made.batches) > capabilities.commit_bytes_max:
        moving = Moving(min(CROWDED_BYTES_MAX, capabilities.payload_bytes_max))
        made = moving.commit(commit)
    await moving.put(store, now_us=now_us)
    return made


# --- reading ----------------------------------------------------------------------------------------------------------


async def read_batches(store: Store, instance_id: str, stored: Sequence[StoredBatch], *, every: bool) -> list[Batch]:
    """Stored batches, decoded, with the payloads that lie apart. For `every` see `whole_batches`.

    Raises:
        HistoryCorruptedError: these are no batches.
    """
    return [wire.decode_batch(batch.data) for batch in await whole_batches(store, instance_id, stored, every=every)]


async def whole_batches(
    store: Store, instance_id: str, stored: Sequence[StoredBatch], *, every: bool
) -> Sequence[StoredBatch]:
    """Stored batches with the payloads that lie apart.

    Args:
        every: all of them, instead of those that a replay looks at.

    Raises:
        HistoryCorruptedError: these are no batches.
    """
    wanted: dict[int, list[bytes]] = {}
    for index, batch in enumerate(stored):
        if wire.apart_in(batch.data):
            events = wire.decode_batch(batch.data).events
            looked_at = [event for event in events if every or type(event) not in e.NOT_LOOKED_AT]
            wanted[index] = wire.apart_in_events(looked_at)
    digests = {digest for found in wanted.values() for digest in found}
    if not digests:
        return stored
    blobs = await _fetch(store, instance_id, digests)
    return [
        replace(batch, data=wire.set_in(batch.data, blobs)) if wanted.get(index) else batch
        for index, batch in enumerate(stored)
    ]


async def read_record(store: Store, record: InstanceRecord) -> InstanceRecord:
    """A record with the payloads that lie apart. What cannot be had stays apart: others are listed beside it."""
    try:
        status = record.custom_status and await read_bytes(store, record.id, record.custom_status)
        failure = record.failure and await read_bytes(store, record.id, record.failure)
    except HistoryCorruptedError:
        return record
    is_same = status is record.custom_status and failure is record.failure
    return record if is_same else replace(record, custom_status=status, failure=failure)


async def read_messages(store: Store, messages: Sequence[InboxMessage]) -> tuple[InboxMessage, ...]:
    """Messages with the payloads that lie apart."""
    if not any(wire.apart_in(message.body) for message in messages):
        return tuple(messages)
    return tuple([await _read_message(store, message) for message in messages])


async def _read_message(store: Store, message: InboxMessage) -> InboxMessage:
    body = await read_bytes(store, message.instance_id, message.body)
    return message if body is message.body else replace(message, body=body)


async def read_bytes(store: Store, instance_id: str, data: bytes) -> bytes:
    """Encoded things with the payloads that lie apart."""
    digests = wire.apart_in(data)
    return wire.set_in(data, await _fetch(store, instance_id, digests)) if digests else data


async def _fetch(store: Store, instance_id: str, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """What is missing stays apart: who looks at it is told so, and only him."""
    blobs = dict(await store.get_blobs(instance_id, list(digests)))
    for digest, data in blobs.items():
        if sha256(data).digest() != digest:
            raise HistoryCorruptedError(
                f"{instance_id}: the {len(data):,} bytes of a large payload do not fit their digest {digest.hex()}.",
                hint="The stored bytes were changed after they were written. Restore them from a backup.",
            )
    return blobs
