"""Rewind: a failed instance is retried from the step that failed it.

The new run's history is a copy of the old one up to the last failure that came in (of an activity, a child, a wait);
what was pending there is asked for again, what was being given up there has ended, and what was sent and answered is
not sent again. Children have the ids that the new run gives them by default (one whose id the workflow chose keeps it:
purge the child that failed before its parent is rewound). The old run stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import child_id
from nexus_sdk.core.history import Batch, BatchHeader
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.projection import Projection
from nexus_sdk.core.status import Status
from nexus_sdk.engine.apart import commit_set_apart, read_batches
from nexus_sdk.engine.birth import first_batch
from nexus_sdk.engine.instance import Instance, Surroundings, append, open_instance
from nexus_sdk.engine.outbox import ends_of_given_up, sends_of
from nexus_sdk.errors import WrongStatus
from nexus_sdk.store.port import Commit, InstanceRecord, Store

_FAILURES = (e.ActivityFailed, e.ChildFailed, e.EventRefused, e.TimerFired)


async def rewind_instance(store: Store, instance_id: str, surroundings: Surroundings) -> None:
    """Open a new run of a failed instance.

    Raises:
        InstanceNotFound: no such instance.
        WrongStatus: it has not failed.
        HistoryCorruptedError: its history, or a value in it, is not what was written.
        ConflictError: somebody else rewound it at the same time.
    """
    loaded = await store.load(instance_id)
    record = loaded.record
    if record.status is not Status.FAILED:
        raise WrongStatus(
            f"{instance_id} is {record.status}; only a failed instance can be rewound.",
            hint="Start a new instance." if record.status.is_finished else "Look at what it waits for: nexus show.",
        )
    old = await open_instance(store, loaded)
    history = await read_batches(store, instance_id, loaded.batches, every=True)
    wire.verify(history, last_hash=record.last_hash)  # what is copied is vouched for anew, with every value in it
    await _reopen(store, old, history, surroundings)


async def _reopen(store: Store, old: Instance, history: list[Batch], surroundings: Surroundings) -> None:
    record, created = old.record, old.projection.created
    assert created is not None
    now_us = surroundings.environment.clock.now_us()
    token = surroundings.environment.randomness.token
    run_id = token()
    opening = replace(
        created,
        previous_run_id=record.run_id,
        origin="rewind",
        start_at_us=None,
        seed=created.seed or record.run_id,
    )
    # The first batch bears its old stamp too: those that are copied behind it must not be earlier.
    begun_us = history[0].header.stamped_at_us
    batch, digest = first_batch(
        record.id, run_id, opening, turn_id=token(), now_us=begun_us, previous_hash=record.last_hash
    )
    record = replace(
        record, run_id=run_id, run=record.run + 1, last_batch=1, last_hash=digest, failure=None, held_through=None
    )
    stored = [batch]
    kept: list[Batch] = []
    for events in _with_new_children(_kept(history[1:]), old.record, record, surroundings.codec):
        # Same turns, same stamps: the code must come to the same decisions when it runs over them.
        copied, record = append(
            record,
            events.events,
            turn_id=token(),
            causes=events.header.causes,
            now_us=events.header.stamped_at_us,
            worker=events.header.worker,
            build=events.header.build,
        )
        stored.append(copied)
        kept.append(events)
    start = Batch(BatchHeader(record.id, run_id, 1, "", (), begun_us), (opening,), b"", digest)
    fresh = Instance(record, [start, *kept])
    asked = [event for one in kept for event in one.events]
    pending = fresh.projection
    sends = (*sends_of(record, asked, pending, now_us=now_us), *ends_of_given_up(record, pending))
    record = replace(
        record,
        status=pending.status,
        updated_us=now_us,
        wake_at_us=now_us,
    )
    commit = Commit(record, old.record.run_id, old.record.last_batch, tuple(stored), sends)
    await store.commit(await commit_set_apart(store, commit, now_us=now_us), now_us=now_us)


def _with_new_children(kept: list[Batch], before: InstanceRecord, after: InstanceRecord, codec: Codec) -> list[Batch]:
    """The same batches; children that are pending at their end have the default ids of the new run, not the old.

    Their arguments are encoded anew: they may be bound to the id.
    """
    pending = Projection()
    for batch in kept:
        pending.extend(batch.events)

    def renamed(event: e.Event) -> e.Event:
        if not isinstance(event, e.ChildScheduled) or event.path not in pending.children:
            return event
        if event.instance_id != child_id(before.id, before.run, event.path):
            return event
        new_id = child_id(after.id, after.run, event.path)
        theirs, ours = codec.bound_to(event.instance_id), codec.bound_to(new_id)
        if theirs is ours:  # nothing in the bytes depends on whose they are; who rewinds need not even be able to read
            return replace(event, instance_id=new_id)
        return replace(event, instance_id=new_id, arguments=ours.encode(theirs.decode(event.arguments)))

    return [replace(batch, events=tuple(map(renamed, batch.events))) for batch in kept]


def _kept(history: list[Batch]) -> list[Batch]:
    """The batches up to the last failure that came in, that one cut off where it came in; all, without their end."""
    for index in range(len(history) - 1, -1, -1):
        events = history[index].events
        for place in range(len(events) - 1, -1, -1):
            if isinstance(events[place], _FAILURES):
                head = replace(history[index], events=events[:place])
                return [*history[:index], *([head] if head.events else [])]
    # It failed without any outcome from outside: nothing but its very start can be tried again.
    return []
