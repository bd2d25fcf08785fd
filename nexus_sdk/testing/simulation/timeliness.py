"""What must hold about time in a history: nothing begins early, what was in time counts, and nobody oversleeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.replay.laws import Deadlines, Run
from nexus_sdk.store.port import InstanceRecord


def breaches_of_time(record: InstanceRecord, run: Run, accepted_us: Mapping[str, int]) -> Iterator[str]:
    """Law 8 and what belongs to it, for the present run.

    Args:
        record: of the instance.
        accepted_us: when each of its messages was accepted, by id.
    """
    deadlines = Deadlines()
    for batch in run.batches:
        yield from _order(record.id, batch, deadlines, accepted_us)
        for event in batch.events:
            deadlines.fold(event, batch.header.stamped_at_us)
            start_at_us = run.created.start_at_us if run.created is not None else None
            if isinstance(event, e.WorkflowStarted) and start_at_us is not None:
                early_us = start_at_us - batch.header.stamped_at_us
                if early_us > 0:
                    yield f"law 8, {record.id}: it began {early_us} µs early"
    if record.status.is_finished or record.status.is_held:
        return
    soonest_us = max(min(deadlines.due_us.values(), default=0), record.updated_us)  # what is overdue is due now
    if deadlines.due_us and (record.wake_at_us is None or record.wake_at_us > soonest_us):
        yield f"law 8, {record.id}: it is to be woken at {record.wake_at_us}, and something is due at {soonest_us}"


def _order(id: str, batch: Batch, before: Deadlines, accepted_us: Mapping[str, int]) -> Iterator[str]:
    """What was accepted in time counts before a timer that fires late, in the turn that takes both."""
    fired_us = 0
    for event in batch.events:
        if isinstance(event, e.TimerFired):
            fired_us = max(fired_us, before.due_us.get(event.path, 0))
        elif isinstance(event, e.EventReceived) and event.event_id:
            came_us = accepted_us.get(f"event:{event.event_id}", accepted_us.get(event.event_id))
            if came_us is not None and came_us < fired_us:
                early_us = fired_us - came_us
                yield f"law 8, {id}: event {event.event_id} was there {early_us} µs before a timer that beat it"
