"""What must hold about time in a history: nothing begins early, and what was in time counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.replay.laws import Deadlines


class Timeliness:
    """Law 8 and what belongs to it, for one run: a fold over its batches. That nobody oversleeps is told by
    `replay.laws`.

    Args:
        instance_id: whose run it is.
        accepted_us: when each message of the instance was accepted, by id.
    """

    def __init__(self, instance_id: str, accepted_us: Mapping[str, int]) -> None:
        self._id = instance_id
        self._accepted_us = accepted_us
        self._deadlines = Deadlines()
        self._start_at_us: int | None = None

    def breaches(self, batch: Batch) -> Iterator[str]:
        """What the next batch breaks."""
        yield from _order(self._id, batch, self._deadlines, self._accepted_us)
        stamp_us = batch.header.stamped_at_us
        for event in batch.events:
            self._deadlines.fold(event, stamp_us)
            if isinstance(event, e.WorkflowCreated):
                self._start_at_us = event.start_at_us
            elif isinstance(event, e.WorkflowStarted) and self._start_at_us is not None:
                early_us = self._start_at_us - stamp_us
                if early_us > 0:
                    yield f"law 8, {self._id}: it began {early_us} µs early"


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
