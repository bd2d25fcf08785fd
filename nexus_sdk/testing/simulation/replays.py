"""Law 12: replaying any prefix of a history gives exactly what is recorded, under any batching of the same messages.

After commits it is held to what was just written, as often as the plan says; at rest to some prefixes of every
history, the whole ones always. Another batching: the inputs of a batch, taken one by one at the batch's time, lead to
the very same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, cast

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.history import Batch, Message
from nexus_sdk.core.turn import take_turn
from nexus_sdk.errors import BlockingError
from nexus_sdk.testing.laws import Run
from nexus_sdk.testing.simulation.definitions import FINAL, registry_of
from nexus_sdk.testing.simulation.plan import Plan
from nexus_sdk.testing.simulation.witness import Seen, Witness

NOT_ONE_BY_ONE = (
    e.WorkflowCreated,
    e.WorkflowSuspended,
    e.WorkflowResumed,
    e.WorkflowBlocked,
    e.WorkflowUnblocked,
    e.WorkflowTerminated,
    e.TimerFired,
)
"""Inputs that are not for the code alone to answer, or whose place is a matter of time."""

PREFIXES_MAX = 4
"""Of a history at rest, so many prefixes are replayed."""


class Replays:
    """See the module. What code that was broken has written is left out, and what was damaged."""

    def __init__(self, witness: Witness, plan: Plan) -> None:
        self._witness = witness
        self._registry = registry_of(FINAL)
        self._chance = Random(f"{plan.seed}/replays")
        self._rate = plan.replayed
        self._replayed: dict[str, int] = {}

    def breaches_after_change(self, id: str) -> list[str]:
        """Of an instance that has just changed."""
        if self._rate == 0 or self._chance.random() >= self._rate:
            return []
        seen = self._witness.find(id)
        if seen is None or not seen.runs:
            return []
        run = seen.present
        if self._replayed.get(run.run_id) == len(run.batches):
            return []
        self._replayed[run.run_id] = len(run.batches)
        return list(self._breaches(seen, len(seen.ordered), run, [len(run.batches)]))

    def breaches_at_rest(self) -> Iterator[str]:
        """Of all histories."""
        for seen in self._witness.instances:
            for number, run in enumerate(seen.ordered, start=1):
                total = len(run.batches)
                drawn = (self._chance.randint(1, total) for _ in range(PREFIXES_MAX - 1))
                yield from self._breaches(seen, number, run, sorted({total, *drawn}))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _breaches(self, seen: Seen, number: int, run: Run, lengths: Sequence[int]) -> Iterator[str]:
        created = run.created
        workflow = self._registry.workflow(created.workflow, created.version) if created else None
        if workflow is None or seen.damaged or any(batch.header.build == "broken" for batch in run.batches):
            return
        whole = self._with_payloads(seen, run)
        if whole is None:
            return
        record = seen.item.record
        codec = MsgpackCodec().bound_to(record.id)
        parent_id = record.parent.instance_id if record.parent else None
        identity = Identity(record.id, run.run_id, number, workflow.name, workflow.version, parent_id)

        def execution(of: Workflow[Any, Any], token: str = "") -> Execution:
            services = Services(codec, partial(failure_from, codec=codec), lambda: token)
            return Execution(of.program, identity, services)

        for length in lengths:
            last = whole[length - 1]
            is_copied = created is None or created.origin == "rewind"  # at other times than when it happened
            wrote = None if is_copied else registry_of(last.header.build or FINAL).workflow(workflow.name, "1")
            try:
                _replay(execution(workflow), whole[:length])
                said = _other_batching(execution(wrote, _next_run_id(last)), whole[:length]) if wrote else ""
            except BlockingError as error:
                said = str(error)
            if said:
                yield f"law 12, {record.id}, run {number}, first {length} batches: {said}"

    def _with_payloads(self, seen: Seen, run: Run) -> Sequence[Batch] | None:
        """The run's batches with the payloads that lie apart; None when they were purged."""
        blobs: Mapping[bytes, bytes] = cast("Any", self._witness.store)._blobs.get(seen.item.record.id, {})
        whole = []
        for known, stored in zip(run.batches, seen.stored[run.run_id], strict=False):
            apart = wire.apart_in(stored.data)
            if apart and seen.is_purged:
                return None
            whole.append(wire.decode_batch(wire.set_in(stored.data, blobs)) if apart else known)
        return whole


def _replay(execution: Execution, batches: Sequence[Batch]) -> None:
    try:
        execution.replay(batches)
    finally:
        execution.dispose()


def _other_batching(execution: Execution, batches: Sequence[Batch]) -> str:
    """Take the last batch's inputs one by one, at its time: in which it differs from what it records.

    Where a timer is due by then, its place among the inputs depends on when they came (and what is due at once, on a
    clock that was set back): that is left out.
    """
    *before, last = batches
    stamp_us = last.header.stamped_at_us
    inputs = [event for event in last.events if isinstance(event, e.Input)]
    if any(isinstance(event, NOT_ONE_BY_ONE) for event in inputs) or _gives_up_what_it_began(last):
        return ""
    made: list[e.Event] = []
    try:
        execution.replay(before)
        due_us = execution.next_deadline_us()
        if due_us is not None and due_us <= stamp_us:
            return ""
        for number, event in enumerate(inputs):
            message = Message(f"again{number}", event, stamp_us, number)
            made += take_turn(execution, [] if isinstance(event, e.WorkflowStarted) else [message], stamp_us).events
        if not inputs:  # somebody looked, and what the replay had decided was still to be recorded
            made += take_turn(execution, [], stamp_us).events
    finally:
        execution.dispose()
    if made == list(last.events) or any(isinstance(event, e.TimerFired) for event in made):
        return ""
    return f"its inputs, one by one, lead to {_told(made)}, and not to {_told(last.events)}"


def _gives_up_what_it_began(batch: Batch) -> bool:
    """What is asked for and given up in one turn is never sent: in two, its end is waited for."""
    begun = {event.path for event in batch.events if isinstance(event, e.ActivityScheduled | e.ChildScheduled)}
    cancels = (e.ActivityCancelRequested, e.ChildCancelRequested)
    return any(isinstance(event, cancels) and event.path in begun for event in batch.events)


def _told(events: Sequence[e.Event]) -> str:
    return " ".join(f"{type(event).__name__}({getattr(event, 'path', '')})" for event in events)


def _next_run_id(batch: Batch) -> str:
    """What the batch has drawn, if it ends its run and begins another."""
    return next((event.next_run_id for event in batch.events if isinstance(event, e.ContinuedAsNew)), "")
