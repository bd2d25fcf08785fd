"""The laws that hold for every instance of a store, at any moment between two commits (architecture, section 9).

`check_laws` reads a store and raises `LawBroken` with everything that is wrong. It changes nothing and runs no
workflow code; `check_replays` runs it, over every prefix of every history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.projection import Projection
from nexus_sdk.engine.apart import read_batches, read_record
from nexus_sdk.errors import BlockingError, HistoryCorruptedError
from nexus_sdk.store.port import InstanceRecord, Loaded, Query, Store

PREFIXES_MAX = 50
"""A longer history is replayed at this many of its prefixes."""

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


class LawBroken(AssertionError):
    """Some law does not hold; the message lists where and how."""


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


async def check_laws(store: Store) -> None:
    """Hold every run of every instance to laws 1, 2, 3, 5, 8 and 13.

    Raises:
        LawBroken: naming every violation.
    """
    said: list[str] = []
    async for id in ids_of(store):
        try:
            record, runs = await runs_of(store, id)
        except HistoryCorruptedError as error:
            said.append(f"law 13, {id}: {error}")
            continue
        said += breaches(record, runs)
    if said:
        raise LawBroken("\n".join(said))


def breaches(record: InstanceRecord, runs: Sequence[Run]) -> list[str]:
    """What one instance breaks of laws 1, 2, 3, 5 and 8, in words.

    Args:
        record: of the instance, with the payloads that lie apart.
        runs: all of them, oldest first.
    """
    findings = _Findings(record.id)
    _check_runs(record, runs, findings)
    for run in runs:
        findings.where = f"{record.id}, run {run.run_id}"
        _check_log(run, findings)
        _check_answers(run, findings)
        _check_timers(run, findings)
    return findings.said


async def check_replays(store: Store, registry: Registry, codec: Codec) -> None:
    """Law 12 for every run whose workflow the registry has: each prefix of its history replays to what it records.

    Raises:
        LawBroken: naming the histories that do not.
    """
    said: list[str] = []
    async for id in ids_of(store):
        bound = codec.bound_to(id)
        services = Services(bound, partial(failure_from, codec=bound), lambda: "")
        record, runs = await runs_of(store, id)
        for number, run in enumerate(runs, start=1):
            created = run.created
            workflow = registry.workflow(created.workflow, created.version) if created else None
            if workflow is None:
                continue
            parent_id = record.parent.instance_id if record.parent else None
            identity = Identity(record.id, run.run_id, number, workflow.name, workflow.version, parent_id)
            stride = max(1, len(run.batches) // PREFIXES_MAX)
            for length in range(len(run.batches), 0, -stride):
                execution = Execution(workflow.program, identity, services)
                try:
                    execution.replay(run.batches[:length])
                except BlockingError as error:
                    said.append(f"law 12, {record.id}, run {run.run_id}, first {length} batches: {error}")
                finally:
                    execution.dispose()
    if said:
        raise LawBroken("\n".join(said))


# --- reading ----------------------------------------------------------------------------------------------------------


async def ids_of(store: Store) -> AsyncIterator[str]:
    """The ids of all instances."""
    cursor: str | None = None
    while True:
        page = await store.list(Query(), limit=1_000, cursor=cursor)
        for record in page.records:
            yield record.id
        cursor = page.cursor
        if cursor is None:
            return


async def runs_of(store: Store, id: str) -> tuple[InstanceRecord, list[Run]]:
    """An instance's record and all its runs, oldest first, their chains verified (law 13).

    Record and present run are of one moment: the store may be at work.
    """
    loaded = await store.load(id)
    record = await read_record(store, loaded.record)
    runs = [await _run(store, record.run_id, loaded, record.last_hash)]
    while (created := runs[0].created) is not None and created.previous_run_id is not None:
        earlier = await store.load(id, run_id=created.previous_run_id)
        runs.insert(0, await _run(store, created.previous_run_id, earlier, None))
    return record, runs


async def _run(store: Store, run_id: str, loaded: Loaded, last_hash: bytes | None) -> Run:
    batches = await read_batches(store, loaded.record.id, loaded.batches, every=True)
    wire.verify(batches, last_hash=last_hash)
    return Run(run_id, batches)


# --- the laws ---------------------------------------------------------------------------------------------------------


def _check_runs(record: InstanceRecord, runs: Sequence[Run], findings: _Findings) -> None:
    """Law 2 between runs, and law 5: the record says what the histories say."""
    for earlier, later in pairwise(runs):
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
    findings.unless(
        record.status is present.status, 5, f"the record says {record.status}, the history {present.status}"
    )
    findings.unless(record.failure == failure, 5, "the record's failure is not that of the history")
    findings.unless(record.custom_status == custom, 5, "the record's custom status is not that of the history")
    batches = runs[-1].batches
    findings.unless(
        batches and record.last_batch == batches[-1].header.number, 1, "the record's last batch is not the last"
    )


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
