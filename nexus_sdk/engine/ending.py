"""Ending an instance whose history cannot be read: what was asked of it, and what it still has pending.

The one rule: nothing here is replayed, or guessed. Cancelling what is over, or was never asked for, has no effect; so
what can be read of a damaged history is enough to tell what is to be cancelled, as far as that can be told at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from nexus_sdk.codec import wire
from nexus_sdk.codec.salvage import salvaged_events
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Message
from nexus_sdk.engine.birth import read_message
from nexus_sdk.engine.instance import Instance
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import InboxMessage, InstanceRecord, Loaded


def messages_of(loaded: Loaded) -> list[Message]:
    """Its inbox. A message that cannot be read asks for nothing."""
    return [_read(message) for message in loaded.messages]


def _read(message: InboxMessage) -> Message:
    try:
        return read_message(message)
    except HistoryCorruptedError:
        return Message(message.id, e.LookRequested(), message.accepted_at_us, message.number)


def termination_in(messages: list[Message]) -> e.WorkflowTerminated | None:
    """The oldest request among these to end the instance."""
    return next((message.event for message in messages if isinstance(message.event, e.WorkflowTerminated)), None)


def readable_instance(loaded: Loaded) -> Instance:
    """The instance with what its record says of it, and what it has pending as far as its history can be read."""
    record = loaded.record
    instance = Instance(record, ())
    projection = instance.projection
    projection.status = record.status
    if record.failure is not None:
        with suppress(HistoryCorruptedError):
            projection.failure = wire.decode_failure(record.failure)
    for event in _events_of(record, loaded):
        match event:
            case e.ActivityScheduled(path=path):
                projection.activities[path] = event
            case e.ActivityCompleted(path=path) | e.ActivityFailed(path=path) | e.ActivityCancelled(path=path):
                projection.activities.pop(path, None)
            case e.ChildScheduled(path=path):
                projection.children[path] = event
            case e.ChildCompleted(path=path) | e.ChildFailed(path=path) | e.ChildCancelRequested(path=path):
                projection.children.pop(path, None)
    return instance


def _events_of(record: InstanceRecord, loaded: Loaded) -> Iterator[e.Event]:
    for batch in loaded.batches:
        yield from salvaged_events(batch.data, instance_id=record.id, run_id=record.run_id)
