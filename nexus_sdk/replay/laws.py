"""The laws that the runs of one instance keep, whatever their code is: told from what is stored alone.

Numbers are those of the architecture's list: 1 a history is a contiguous log; 2 at most one terminal event, and it is
last; 3 each operation is asked for at most once, and answered at most once and only after; 5 the record says what the
histories say; 6 an input is taken once; 8 no timer fires early, and whoever waits for one is woken.

The one rule: a run is looked at batch by batch, and of a batch nothing is kept but what later ones are held against. So
to look at a history takes far less room than the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import PREVIOUS_HASH, Batch, BatchHeader
from nexus_sdk.core.payload import Payload
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


def breaches(record: InstanceRecord, runs: Sequence[Run]) -> list[str]:
    """What one instance breaks of laws 1, 2, 3, 5, 6, 8 and 13, in words. That the chain of each run verifies, and its
    payloads fit their digests, is taken for granted.

    Args:
        record: of the instance.
        runs: all of them, oldest first, none of them empty.
    """
    return breaches_of(record, [_examined(run) for run in runs])


def _examined(run: Run) -> ExaminedRun:
    examined = ExaminedRun(run.run_id)
    for batch in run.batches:
        examined.take(batch)
    return examined


def breaches_of(record: InstanceRecord, runs: Sequence[ExaminedRun]) -> list[str]:
    """See `breaches`: of runs that were examined, each to its end."""
    findings = _Findings()
    _check_runs(record, runs, findings)
    _check_record(record, runs, findings)
    _check_wake(record, runs[-1], findings)
    whole = [(law, record.id, text) for law, text in findings.said]
    whole += [(law, f"{record.id}, run {run.run_id}", text) for run in runs for law, text in run.finish()]
    return [f"law {law}, {where}: {text}" for law, where, text in whole]


class _Findings:
    """What is wrong: the number of the law, and words."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []

    def tell(self, law: int, text: str) -> None:
        self.said.append((law, text))

    def unless(self, holds: object, law: int, text: str) -> None:
        if not holds:
            self.tell(law, text)


# --- between runs, and the record -------------------------------------------------------------------------------------


def _check_runs(record: InstanceRecord, runs: Sequence[ExaminedRun], findings: _Findings) -> None:
    """Laws 2 and 13: each run goes on from the one before."""
    for earlier, later in pairwise(runs):
        said_before = later.first.metadata.get(PREVIOUS_HASH) if later.first else None
        is_linked = said_before in (None, earlier.last_hash.hex())
        findings.unless(is_linked, 13, f"the last batch of run {earlier.run_id} is not the one that it went on from")
        end, created = earlier.end, later.created
        if isinstance(end, e.ContinuedAsNew):
            findings.unless(end.next_run_id == later.run_id, 2, "a run continues as another one than the next")
            findings.unless(created and created.origin == "continue", 2, "a continuation does not say what it is")
        else:
            findings.unless(isinstance(end, e.WorkflowFailed), 2, f"a run that ended so was followed: {end}")
            findings.unless(created and created.origin == "rewind", 2, "a rewound run does not say what it is")
    findings.unless(record.run == len(runs), 5, f"the record counts {record.run} runs, there are {len(runs)}")


def _check_record(record: InstanceRecord, runs: Sequence[ExaminedRun], findings: _Findings) -> None:
    """Law 5: the record says what the histories say; and law 1, of its last batch."""
    present = runs[-1]
    custom = next((run.custom_status for run in reversed(runs) if run.custom_status is not None), None)
    status, failure = present.projection.status, present.projection.failure
    _check_identity(record, runs, findings)
    findings.unless(record.status is status, 5, f"the record says {record.status}, the history {status}")
    findings.unless(
        wire.is_same_value(record.failure, None if failure is None else wire.encode_failure(failure)),
        5,
        "the record's failure is not that of the history",
    )
    findings.unless(
        wire.is_same_value(record.custom_status, None if custom is None else wire.encode_payload(custom)),
        5,
        "the record's custom status is not that of the history",
    )
    is_last = present.last is not None and record.last_batch == present.last.number
    findings.unless(is_last, 1, "the record's last batch is not the last")


def _check_identity(record: InstanceRecord, runs: Sequence[ExaminedRun], findings: _Findings) -> None:
    """Law 5: what was given at the start, and never changes."""
    first, created = runs[0].first, runs[0].created
    if created is None or first is None:
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


def _check_wake(record: InstanceRecord, run: ExaminedRun, findings: _Findings) -> None:
    """Law 8: who waits for a time is woken then. What is overdue is due now."""
    if record.status.is_finished or record.status.is_held or not run.deadlines.due_us:
        return
    due_us = max(min(run.deadlines.due_us.values()), record.updated_us)
    findings.unless(
        record.wake_at_us is not None and record.wake_at_us <= due_us,
        8,
        f"it is to be woken at {record.wake_at_us}, and something is due at {due_us}",
    )


# --- within a run -----------------------------------------------------------------------------------------------------


class ExaminedRun:
    """One run, as far as it was looked at: what it breaks, and what the record and other runs are held against.

    Attributes:
        first, last: the headers of its first and last batch, None while there is none.
        last_hash: of the last batch.
        created: how it began; None where its first event is no creation.
        end: how it ended, if it has.
        custom_status: the latest that it set, if any.
        batches, events, value_bytes: how much there is; see `Batch.value_bytes`.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.first: BatchHeader | None = None
        self.last: BatchHeader | None = None
        self.last_hash = b""
        self.created: e.WorkflowCreated | None = None
        self.end: e.Event | None = None
        self.projection = Projection()
        self.deadlines = Deadlines()
        self.batches = self.events = self.value_bytes = 0
        self._findings = _Findings()
        self._log = _Log()
        self._answers = _Answers()
        self._inputs = _Inputs()
        self._timers = _Timers()

    @property
    def custom_status(self) -> Payload | None:
        """The latest custom status that this run has set."""
        return self.projection.custom_status

    def take(self, batch: Batch) -> None:
        """Look at the next batch."""
        if self.first is None:
            self.first = batch.header
            opening = batch.events[0] if batch.events else None
            self.created = opening if isinstance(opening, e.WorkflowCreated) else None
        self.batches += 1
        self.value_bytes += batch.value_bytes
        self._log.take_header(batch.header, self.last, self._findings)
        self._inputs.take_causes(batch.header.causes, self._findings)
        self.events += len(batch.events)
        for event in batch.events:
            self._take_event(event, batch.header.stamped_at_us)
        self.projection.extend(batch.events)
        self.last, self.last_hash = batch.header, batch.hash

    def _take_event(self, event: e.Event, stamp_us: int) -> None:
        findings, kind = self._findings, type(event)
        self._log.take(event, self.end, findings)
        self._answers.take(event, findings)
        if kind in _CARRYING:
            self._inputs.take(event, findings)
        if kind in _TIMED:
            self._timers.take(event, stamp_us, findings)
        self.deadlines.fold(event, stamp_us)
        if event.is_terminal and self.end is None:
            self.end = event

    def finish(self) -> list[tuple[int, str]]:
        """What is broken within the run, when all of it was looked at: numbers of laws, and words."""
        findings = _Findings()
        findings.unless(self.created, 1, "the first event is not the creation of the run")
        return findings.said + self._findings.said


class _Log:
    """Laws 1 and 2: no gap, created and started once, ends at most once and then says no more."""

    def __init__(self) -> None:
        self._turns: set[str] = set()
        self._is_created = self._is_started = False

    def take_header(self, header: BatchHeader, before: BatchHeader | None, findings: _Findings) -> None:
        number = 0 if before is None else before.number
        findings.unless(header.number == number + 1, 1, f"batch {header.number} stands behind batch {number}")
        findings.unless(header.turn_id not in self._turns, 1, f"turn {header.turn_id} was appended twice")
        self._turns.add(header.turn_id)

    def take(self, event: e.Event, end: e.Event | None, findings: _Findings) -> None:
        findings.unless(end is None, 2, "a terminal event is not the last one")
        if isinstance(event, e.WorkflowCreated):
            findings.unless(not self._is_created, 1, "the run was created twice")
            self._is_created = True
        elif isinstance(event, e.WorkflowStarted):
            findings.unless(not self._is_started, 1, "the run was started twice")
            self._is_started = True


_NOTHING: dict[str, tuple[type[e.Output], ...]] = {}


class _Answers:
    """Law 3: asked for at most once; answered at most once, and only what was asked for before."""

    def __init__(self) -> None:
        self._asked: dict[str, type[e.Event]] = {}
        self._answered: set[tuple[str, str]] = set()

    def take(self, event: e.Event, findings: _Findings) -> None:
        kind = type(event)
        if kind in ASKED:
            path: str = event.path  # type: ignore[attr-defined]  # what asks is an output
            if path in self._asked:
                findings.tell(3, f"operation {path} is asked for twice")
            self._asked[path] = kind
        for slot, kinds in ANSWERS.get(kind, _NOTHING).items():
            self._answer(kind, getattr(event, "path", ""), slot, kinds, findings)

    def _answer(
        self, kind: type[e.Event], path: str, slot: str, kinds: tuple[type[e.Output], ...], findings: _Findings
    ) -> None:
        if not path:
            return  # the workflow as a whole
        name = f"{kind.__name__} of operation {path}"
        findings.unless(self._asked.get(path) in kinds, 3, f"{name}, which was not asked for")
        findings.unless((path, slot) not in self._answered, 3, f"{name}, which was answered before")
        self._answered.add((path, slot))


_CARRYING = frozenset({e.WorkflowCreated, e.EventReceived})
_TIMED = frozenset(
    {e.WorkflowCreated, e.WorkflowStarted, e.TimerStarted, e.EventAwaited, e.ActivityScheduled, e.TimerFired}
)


class _Inputs:
    """Law 6: what a client or another instance has sent is taken once, and carried over at most once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._consumed: set[str] = set()

    def take(self, event: e.Event, findings: _Findings) -> None:
        carried = event.carried if isinstance(event, e.WorkflowCreated) else ()
        for one in (*carried, event):
            if isinstance(one, e.EventReceived) and one.event_id is not None:
                findings.unless(one.event_id not in self._seen, 6, f"event {one.event_id!r} was taken twice")
                self._seen.add(one.event_id)

    def take_causes(self, causes: tuple[str, ...], findings: _Findings) -> None:
        for cause in causes:
            findings.unless(cause not in self._consumed, 6, f"message {cause!r} was consumed twice")
            if cause.startswith("event:"):  # others may come again when they were answered before
                self._consumed.add(cause)


class _Timers:
    """Law 8: no timer fires early. (That it fires once is law 3; the workflow's own timeout is counted here.)"""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._timeout_us: int | None = None
        self._has_timed_out = False

    def take(self, event: e.Event, stamp_us: int, findings: _Findings) -> None:
        match event:
            case e.WorkflowCreated(timeout_us=timeout_us):
                self._timeout_us = timeout_us
            case e.TimerStarted(path=path, due_us=due_us):
                self._due[path] = due_us
            case e.EventAwaited(path=path, due_us=due_us) if due_us is not None:
                self._due[path] = due_us
            case e.ActivityScheduled(path=path, options=options) if options.schedule_to_close_us is not None:
                self._due[path] = stamp_us + options.schedule_to_close_us
            case e.WorkflowStarted() if self._timeout_us is not None:
                self._due[""] = stamp_us + self._timeout_us
            case e.TimerFired(path=path):
                early_us = self._due.get(path, stamp_us + 1) - stamp_us
                findings.unless(early_us <= 0, 8, f"the timer of operation {path!r} fired {early_us} µs early")
                findings.unless(path or not self._has_timed_out, 8, "the workflow's timeout fired twice")
                self._has_timed_out |= not path


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
