"""What a store holds of the instances of the corpus: bytes that can be damaged, and a store that hands them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from nexus_sdk.codec import wire
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.history import PREVIOUS_HASH
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.projection import Projection
from nexus_sdk.engine.birth import inbox_message, start_digest
from nexus_sdk.errors import InstanceNotFound
from nexus_sdk.replay.laws import Deadlines
from nexus_sdk.replay.recorded import Recording, read_recording
from nexus_sdk.store.port import InboxMessage, InstanceRecord, Loaded, Store, StoredBatch
from tests.recorded.record import CORPUS

INLINE_BYTES_MAX = 150
"""Larger payloads lie apart, so that many do."""


@dataclass
class Held:
    """One instance, as it lies in a store. `runs`: its batches by run id, the oldest run first."""

    record: InstanceRecord
    runs: dict[str, list[StoredBatch]]
    messages: list[InboxMessage]
    blobs: dict[bytes, bytes]

    def copy(self) -> Held:
        """The same, to be damaged."""
        runs = {run_id: list(batches) for run_id, batches in self.runs.items()}
        return Held(self.record, runs, list(self.messages), dict(self.blobs))


class HeldStore:
    """The verbs of a store that a verification asks."""

    def __init__(self, *held: Held) -> None:
        self.held = {one.record.id: one for one in held}

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Store.load`."""
        held = self.held.get(instance_id)
        if held is None:
            raise InstanceNotFound(instance_id)
        batches = held.runs.get(held.record.run_id if run_id is None else run_id, [])
        return Loaded(held.record, tuple(batches), tuple(held.messages))

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store.get_blobs`."""
        blobs = self.held[instance_id].blobs
        return {digest: blobs[digest] for digest in digests if digest in blobs}


def store_of(*held: Held) -> Store:
    """A store of these."""
    return cast("Store", HeldStore(*held))


def corpus() -> list[Held]:
    """Every instance of the corpus, as this version would have left it in a store."""
    paths = sorted(CORPUS.glob("format-*/*/*.json"))
    return [held_of(read_recording(path)) for path in paths]


def held_of(recording: Recording, *, is_linked: bool = True) -> Held:
    """What a store holds of a recorded instance, with a few messages in its inbox.

    Args:
        is_linked: the first batch of a run vouches for the run before.
    """
    blobs: dict[bytes, bytes] = {}

    def apart(data: bytes) -> bytes:
        data, found = wire.set_apart(data, INLINE_BYTES_MAX)
        blobs.update(found)
        return data

    runs: dict[str, list[StoredBatch]] = {}
    last_hash = b""
    for run in recording.runs:
        header = run.header
        metadata = {PREVIOUS_HASH: last_hash.hex()} if last_hash and is_linked else {}
        last_hash = wire.first_hash(header.instance_id, header.run_id)
        for batch in run.batches:
            one = replace(batch.header, metadata=metadata if batch.header.number == 1 else batch.header.metadata)
            data, last_hash = wire.encode_batch(one, batch.events, last_hash)
            stored = StoredBatch(header.run_id, one.number, one.turn_id, apart(data))
            runs.setdefault(header.run_id, []).append(stored)
    record = _record_of(recording, last_hash)
    if record.failure is not None:
        record = replace(record, failure=apart(record.failure))
    messages = [
        replace(one, body=apart(one.body), number=number, accepted_at_us=record.updated_us + number)
        for number, one in enumerate(_messages_for(record.id), start=3)
    ]
    return Held(record, runs, messages, blobs)


def _messages_for(instance_id: str) -> list[InboxMessage]:
    codec = MsgpackCodec()
    values: list[Any] = [True, {"text": "a few words"}, "x" * 2 * INLINE_BYTES_MAX]
    return [
        inbox_message(f"event:late-{index}", instance_id, e.EventReceived("late", codec.encode(value), f"late-{index}"))
        for index, value in enumerate(values)
    ]


def _record_of(recording: Recording, last_hash: bytes) -> InstanceRecord:
    """The record, from what the histories say."""
    first, last = recording.runs[0], recording.runs[-1]
    custom: Payload | None = None
    projection, deadlines = Projection(), Deadlines()
    for run in recording.runs:
        projection, deadlines = Projection(), Deadlines()
        for batch in run.batches:
            projection.extend(batch.events)
            for event in batch.events:
                deadlines.fold(event, batch.header.stamped_at_us)
        custom = projection.custom_status or custom
    created, status = first.created, projection.status
    is_awake = not (status.is_finished or status.is_held)
    return InstanceRecord(
        id=recording.instance_id,
        run_id=last.header.run_id,
        run=len(recording.runs),
        status=status,
        workflow=created.workflow,
        version=created.version,
        created_us=first.header.stamped_at_us,
        updated_us=last.batches[-1].header.stamped_at_us,
        last_batch=last.batches[-1].header.number,
        last_hash=last_hash,
        request_id="start",
        start_digest=start_digest(created.workflow, created.arguments),
        parent=created.parent,
        custom_status=None if custom is None else wire.encode_payload(custom),
        failure=None if projection.failure is None else wire.encode_failure(projection.failure),
        wake_at_us=min(deadlines.due_us.values(), default=None) if is_awake else None,
        encoding=created.arguments.encoding,
    )
