"""The laws that the runs of one instance keep, whatever their code is: told from what is stored alone.

Numbers are those of the architecture's list: 1 a history is a contiguous log; 2 at most one terminal event, and it is
last; 3 each operation is asked for at most once, and answered at most once and only after; 5 the record says what the
histories say; 6 an input is taken once; 8 no timer fires early, and whoever waits for one is woken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import PREVIOUS_HASH, Batch
from nexus_sdk.core.projection import Projection
from nexus_sdk.engine.birth import start_digest
from nexus_sdk.store.port import InstanceRecord

ASKED: tuple[type[e.Output], ...] = (
    e.ActivityScheduled,
    e.TimerStarted,
    e.EventAwaited,
    e.EventSent,
    e.ChildScheduled,
    e.SideEffectRecorded,
)
"""What asks for something: once per path."""

ANSWERS: dict[type[e.Event], dict[str, tuple[type[e.Output], ...]]] = {
    e.ActivityCompleted: {"outcome": (e.ActivityScheduled,)},
    e.ActivityFailed: {"outcome": (e.ActivityScheduled,)},
    e.ActivityCancelled: {"outcome": (e.ActivityScheduled,)},
    # A cancelled activity whose true outcome matters to a saga has both an end of the wait and an outcome.
    e.ActivityCancelRequested: {"cancel": (e.ActivityScheduled,)},
    e.TimerFired: {"time": (e.TimerStarted, e.EventAwaited, e.ActivityScheduled)},
    e.TimerCancelled: {"time": (e.TimerStarted,)},
    e.EventWaitCancelled: {"time": (e.EventAwaited,)},
    e.EventDelivered: {"outcome": (e.EventSent,)},
    e.EventRefused: {"outcome": (e.EventSent,)},
    e.ChildCompleted: {"outcome": (e.ChildScheduled,)},
    e.ChildFailed: {"outcome": (e.ChildScheduled,)},
    e.ChildCancelRequested: {"outcome": (e.ChildScheduled,)},
}
"""What answers what: for each kind of answer, the slot it fills (once per path) and what must have asked before."""


@dataclass(slots=True)
class Run:
    """One run of an instance, as stored."""

    run_id: str
    batches: list[Batch]

    def events(self) -> Iterator[tuple[Batch, e.Event]]:
        """Every event with its batch, in order."""
        return ((batch, event) for batch in self.batches for event in batch.events)

    @property
    def created(self) -> e.WorkflowCreated | None:
        """How the run began."""
        first = self.batches[0].events[0] if self.batches and self.batches[0].events else None
        return first if isinstance(first, e.WorkflowCreated) else None

    @property
    def end(self) -> e.Event | None:
        """How the run ended, if it has."""
        return next((event for _, event in self.events() if event.is_terminal), None)


@dataclass(slots=True)
class _Findings:
    """What is wrong, in words."""

    where: str
    said: list[str] = field(default_factory=list)

    def unless(self, holds: object, law: int, text: str) -> None:
        if not holds:
            self.said.append(f"law {law}, {self.where}: {text}")


def breaches(record: InstanceRecord, runs: Sequence[Run]) -> list[str]:
    """What one instance breaks of laws 1, 2, 3, 5, 6, 8 and 13, in words. That the chain of each run verifies, and its
    payloads fit their digests, is taken for granted.

    Args:
        record: of the instance.
        runs: all of them, oldest first, none of them empty.
    """
    findings = _Findings(record.id)
    _check_runs(record, runs, findings)
    for run in runs:
        findings.where = f"{record.id}, run {run.run_id}"
        _check_log(run, findings)
        _check_answers(run, findings)
        _check_inputs(run, findings)
        _check_timers(run, findings)
    findings.where = record.id
    _check_wake(record, runs[-1], findings)
    return findings.said


# --- the laws ---------------------------------------------------------------------------------------------------------


def _check_runs(record: InstanceRecord, runs: Sequence[Run], findings: _Findings) -> None:
    """Laws 2 and 13 between runs, and law 5: the record says what the histories say."""
    for earlier, later in pairwise(runs):
        said_before = later.batches[0].header.metadata.get(PREVIOUS_HASH)
        is_linked = said_before in (None, earlier.batches[-1].hash.hex())
        findings.unless(is_linked, 13, f"the last batch of run {earlier.run_id} is not the one that it went on from")
        end, created = earlier.end, later.created
        if isinstance(end, e.ContinuedAsNew):
            findings.unless(end.next_run_id == later.run_id, 2, "a run continues as another one than the next")
            findings.unless(created and created.origin == "continue", 2, "a continuation does not say what it is")
        else:
            findings.unless(isinstance(end, e.WorkflowFailed), 2, f"a run that ended so was followed: {end}")
            findings.unless(created and created.origin == "rewind", 2, "a rewound run does not say what it is")
    findings.unless(record.run == len(runs), 5, f"the record counts {record.run} runs, there are {len(runs)}")
    present = Projection()
    status_set = None
    for run in runs:
        present = Projection()
        for batch in run.batches:
            present.extend(batch.events)
        status_set = present.custom_status or status_set
    failure = None if present.failure is None else wire.encode_failure(present.failure)
    custom = None if status_set is None else wire.encode_payload(status_set)
    _check_identity(record, runs, findings)
    findings.unless(
        record.status is present.status, 5, f"the record says {record.status}, the history {present.status}"
    )
    findings.unless(wire.is_same_value(record.failure, failure), 5, "the record's failure is not that of the history")
    findings.unless(
        wire.is_same_value(record.custom_status, custom), 5, "the record's custom status is not that of the history"
    )
    batches = runs[-1].batches
    findings.unless(
        batches and record.last_batch == batches[-1].header.number, 1, "the record's last batch is not the last"
    )


def _check_identity(record: InstanceRecord, runs: Sequence[Run], findings: _Findings) -> None:
    """Law 5: what was given at the start, and never changes."""
    first, created = runs[0].batches[0].header, runs[0].created
    if created is None:
        return  # that is told elsewhere
    for what, said, told in (
        ("id", record.id, first.instance_id),
        ("run id", record.run_id, runs[-1].run_id),
        ("workflow", record.workflow, created.workflow),
        ("version", record.version, created.version),
        ("time of creation", record.created_us, first.stamped_at_us),
        ("parent", record.parent, created.parent),
        ("digest of its start", record.start_digest, start_digest(created.workflow, created.arguments)),
        ("encoding", record.encoding, created.arguments.encoding),
    ):
        findings.unless(said == told, 5, f"the record's {what} is {said!r}, that of the history {told!r}")


def _check_log(run: Run, findings: _Findings) -> None:
    """Laws 1 and 2 within a run: no gap, begins with its creation, ends at most once and then says no more."""
    numbers = [batch.header.number for batch in run.batches]
    findings.unless(numbers == list(range(1, len(numbers) + 1)), 1, f"the batches are numbered {numbers}")
    turns = [batch.header.turn_id for batch in run.batches]
    findings.unless(len(set(turns)) == len(turns), 1, "one turn was appended twice")
    findings.unless(run.created, 1, "the first event is not the creation of the run")
    events = [event for _, event in run.events()]
    created = sum(isinstance(event, e.WorkflowCreated) for event in events)
    findings.unless(created == 1, 1, f"the run was created {created} times")
    started = sum(isinstance(event, e.WorkflowStarted) for event in events)
    findings.unless(started <= 1, 1, f"the run was started {started} times")
    ends = [index for index, event in enumerate(events) if event.is_terminal]
    findings.unless(not ends or ends == [len(events) - 1], 2, "a terminal event is not the last one")


def _check_answers(run: Run, findings: _Findings) -> None:
    """Law 3: asked for at most once; answered at most once, and only what was asked for before."""
    asked: dict[str, e.Output] = {}
    answered: set[tuple[str, str]] = set()
    for _, event in run.events():
        if isinstance(event, ASKED):
            findings.unless(event.path not in asked, 3, f"operation {event.path} is asked for twice")
            asked[event.path] = event
        path = getattr(event, "path", "")
        for slot, kinds in ANSWERS.get(type(event), {}).items() if path else ():
            name = f"{type(event).__name__} of operation {path}"
            findings.unless(isinstance(asked.get(path), kinds), 3, f"{name}, which was not asked for")
            findings.unless((path, slot) not in answered, 3, f"{name}, which was answered before")
            answered.add((path, slot))


def _check_inputs(run: Run, findings: _Findings) -> None:
    """Law 6: what a client or another instance has sent is taken once, and carried over at most once."""
    seen: set[str] = set()
    for _, event in run.events():
        carried = event.carried if isinstance(event, e.WorkflowCreated) else ()
        for one in (*carried, event):
            if isinstance(one, e.EventReceived) and one.event_id is not None:
                findings.unless(one.event_id not in seen, 6, f"event {one.event_id!r} was taken twice")
                seen.add(one.event_id)
    consumed: set[str] = set()
    for batch in run.batches:
        for cause in batch.header.causes:
            findings.unless(cause not in consumed, 6, f"message {cause!r} was consumed twice")
            if cause.startswith("event:"):  # others may come again when they were answered before
                consumed.add(cause)


def _check_wake(record: InstanceRecord, run: Run, findings: _Findings) -> None:
    """Law 8: who waits for a time is woken then. What is overdue is due now."""
    if record.status.is_finished or record.status.is_held:
        return
    deadlines = Deadlines()
    for batch, event in run.events():
        deadlines.fold(event, batch.header.stamped_at_us)
    if deadlines.due_us:
        due_us = max(min(deadlines.due_us.values()), record.updated_us)
        findings.unless(
            record.wake_at_us is not None and record.wake_at_us <= due_us,
            8,
            f"it is to be woken at {record.wake_at_us}, and something is due at {due_us}",
        )


def _check_timers(run: Run, findings: _Findings) -> None:
    """Law 8: no timer fires early. (That it fires once is law 3; the workflow's own timeout is counted here.)"""
    due: dict[str, int] = {}
    fired = 0
    for batch, event in run.events():
        stamp_us = batch.header.stamped_at_us
        match event:
            case e.TimerStarted(path=path, due_us=due_us):
                due[path] = due_us
            case e.EventAwaited(path=path, due_us=due_us) if due_us is not None:
                due[path] = due_us
            case e.ActivityScheduled(path=path, options=options) if options.schedule_to_close_us is not None:
                due[path] = stamp_us + options.schedule_to_close_us
            case e.WorkflowStarted() if run.created is not None and run.created.timeout_us is not None:
                due[""] = stamp_us + run.created.timeout_us
            case e.TimerFired(path=path):
                fired += not path
                early_us = due.get(path, stamp_us + 1) - stamp_us
                findings.unless(early_us <= 0, 8, f"the timer of operation {path!r} fired {early_us} µs early")
    findings.unless(fired <= 1, 8, "the workflow's timeout fired twice")


# --- time ---


class Deadlines:
    """What is waited for until a time, by path: a fold over events. `""`: the workflow as a whole."""

    def __init__(self) -> None:
        self.due_us: dict[str, int] = {}
        self._kept: list[str] = []
        self._waits: dict[str, str] = {}
        self._timeout_us: int | None = None

    def fold(self, event: e.Event, stamp_us: int) -> None:
        """Take in one more event, of a turn with this stamp."""
        match event:
            case e.WorkflowCreated(start_at_us=start_at_us, timeout_us=timeout_us, carried=carried):
                self._timeout_us = timeout_us
                self._kept += [one.name for one in carried if isinstance(one, e.EventReceived)]
                if start_at_us is not None:
                    self.due_us["start"] = start_at_us
            case e.WorkflowStarted():
                self.due_us.pop("start", None)
                if self._timeout_us is not None:
                    self.due_us[""] = stamp_us + self._timeout_us
            case e.TimerStarted(path=path, due_us=due_us):
                self.due_us[path] = due_us
            case e.ActivityScheduled(path=path, options=options) if options.schedule_to_close_us is not None:
                self.due_us[path] = stamp_us + options.schedule_to_close_us
            case e.EventAwaited(path=path, name=name, due_us=due_us):
                self._await(path, name, due_us)
            case e.EventReceived(name=name):
                taker = next((path for path, wanted in self._waits.items() if wanted == name), None)
                if taker is None:
                    self._kept.append(name)
                else:
                    self._drop(taker)
            case e.ActivityScheduled() | e.ChildScheduled() | e.EventSent():
                pass
            case _ if isinstance(event, e.TimerFired) or bool(getattr(event, "path", "")):
                self._drop(getattr(event, "path", ""))

    def _await(self, path: str, name: str, due_us: int | None) -> None:
        if name in self._kept:
            self._kept.remove(name)
            return
        self._waits[path] = name
        if due_us is not None:
            self.due_us[path] = due_us

    def _drop(self, path: str) -> None:
        self.due_us.pop(path, None)
        self._waits.pop(path, None)
