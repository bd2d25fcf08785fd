"""A history as operations in time: what was asked for, when, and how it ended. Pure: batches in, spans out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from nexus_sdk.cli.views import failure_text
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import Batch


class Kind(StrEnum):
    """What took the time."""

    RUN = "run"
    ACTIVITY = "activity"
    TIMER = "timer"
    WAIT = "wait"
    CHILD = "child"
    SENDING = "sending"
    HELD = "held"
    MOMENT = "moment"


class Outcome(StrEnum):
    """How it ended, or that it has not."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LATE = "late"


@dataclass(slots=True)
class Span:
    """One operation, from when it was asked for to its answer. Times in microseconds since the epoch.

    Attributes:
        path: of the operation; empty for what happened to the instance itself.
        end_us: None while it is open.
        due_us: when a timer or a wait ends by itself.
        attempts: of an activity.
        reason: why it failed, in one line.
        note: what else is worth knowing.
        is_detached: it goes on when the run ends.
    """

    path: str
    kind: Kind
    name: str
    start_us: int
    end_us: int | None = None
    outcome: Outcome = Outcome.OPEN
    due_us: int | None = None
    attempts: int = 1
    reason: str = ""
    note: str = ""
    is_detached: bool = False


def spans_of(batches: Iterable[Batch]) -> list[Span]:
    """The run itself, then everything it asked for, in the order of asking."""
    reader = SpanReader()
    for batch in batches:
        reader.read(batch)
    return reader.spans


class SpanReader:
    """Reads batches in order; `spans` is what is known so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: dict[str, Span] = {}
        self._early: Counter[str] = Counter()
        """External events that came before anybody waited for them."""

    def read(self, batch: Batch) -> None:
        """Take in the events of one more turn."""
        for event in batch.events:
            self._apply(event, batch.header.stamped_at_us)

    def _apply(self, event: e.Event, at_us: int) -> None:
        match event:
            case e.WorkflowCreated():
                self._early.update(kept.name for kept in event.carried if isinstance(kept, e.EventReceived))
                self._begin(Span("", Kind.RUN, event.workflow, at_us), "run")
            case e.Output():
                self._asked(event, at_us)
            case _:
                self._happened(event, at_us)

    def _asked(self, event: e.Output, at_us: int) -> None:
        """What the workflow's code decided."""
        path = event.path
        match event:
            case e.ActivityScheduled(name=name, options=options):
                queue = "" if options.task_queue == "default" else f"queue {options.task_queue}"
                self._begin(Span(path, Kind.ACTIVITY, name, at_us, note="local" if options.local else queue))
            case e.TimerStarted(purpose=purpose, due_us=due_us):
                self._begin(Span(path, Kind.TIMER, purpose, at_us, due_us=due_us))
            case e.EventAwaited(name=name, due_us=due_us):
                self._begin(Span(path, Kind.WAIT, name, at_us, due_us=due_us))
                if self._early[name]:
                    self._early[name] -= 1
                    self._end(path, at_us, Outcome.DONE)
            case e.ChildScheduled():
                span = Span(path, Kind.CHILD, event.workflow, at_us, note=event.instance_id)
                span.is_detached = event.detached
                self._begin(span)
            case e.EventSent():
                self._begin(Span(path, Kind.SENDING, event.name, at_us, note=f"to {event.target}"))
            case e.SideEffectRecorded(failure=failure):
                self._begin(Span(path, Kind.MOMENT, "side effect", at_us))
                self._end(path, at_us, Outcome.FAILED if failure else Outcome.DONE, failure)
            case e.TimerCancelled():
                # A time limit that was not needed is no loss.
                is_limit = path in self._open and self._open[path].name == "timeout"
                self._end(path, at_us, Outcome.DONE if is_limit else Outcome.CANCELLED)
            case e.ActivityCancelRequested() | e.EventWaitCancelled() | e.ChildCancelRequested():
                self._end(path, at_us, Outcome.CANCELLED)
            case e.WorkflowCompleted() | e.ContinuedAsNew():
                self._end_all(at_us, Outcome.DONE)
            case e.WorkflowFailed(failure=failure):
                self._end_all(at_us, Outcome.FAILED, failure)
            case e.WorkflowCancelled(reason=reason):
                self._end_all(at_us, Outcome.CANCELLED, note=reason)

    def _happened(self, event: e.Event, at_us: int) -> None:
        """What came from outside."""
        match event:
            case e.ActivityCompleted(path=path, attempts=attempts):
                self._end(path, at_us, Outcome.DONE, attempts=attempts)
            case e.ActivityFailed(path=path, failure=failure, attempts=attempts):
                self._end(path, at_us, Outcome.FAILED, failure, attempts)
            case e.ActivityCancelled(path=path):
                self._end(path, at_us, Outcome.CANCELLED)
            case e.ChildCompleted(path=path) | e.EventDelivered(path=path):
                self._end(path, at_us, Outcome.DONE)
            case e.ChildFailed(path=path, failure=failure) | e.EventRefused(path=path, failure=failure):
                self._end(path, at_us, Outcome.FAILED, failure)
            case e.TimerFired(path=path):
                span = self._open.get(path)
                is_slept = span is not None and span.kind is Kind.TIMER and span.name == "sleep"
                self._end(path, at_us, Outcome.DONE if is_slept else Outcome.LATE)
            case e.EventReceived(name=name):
                self._received(name, at_us)
            case e.WorkflowSuspended(reason=reason):
                self._begin(Span("", Kind.HELD, "suspended", at_us, note=reason), "suspended")
            case e.WorkflowResumed():
                self._end("suspended", at_us, Outcome.DONE)
            case e.WorkflowBlocked(failure=failure):
                self._begin(Span("", Kind.HELD, "blocked", at_us, reason=reason_of(failure)), "blocked")
            case e.WorkflowUnblocked():
                self._end("blocked", at_us, Outcome.DONE)
            case e.CancelRequested(reason=reason):
                self.spans.append(Span("", Kind.MOMENT, "cancel asked", at_us, at_us, Outcome.DONE, note=reason))
            case e.WorkflowTerminated(reason=reason):
                self._end_all(at_us, Outcome.CANCELLED, note=f"terminated{f': {reason}' if reason else ''}")

    def _begin(self, span: Span, key: str | None = None) -> None:
        self.spans.append(span)
        self._open[key or span.path] = span

    def _end(
        self, key: str, at_us: int, outcome: Outcome, failure: Failure | None = None, attempts: int | None = None
    ) -> None:
        span = self._open.pop(key, None)
        if span is None:  # the workflow had lost interest before
            return
        span.end_us, span.outcome = at_us, outcome
        span.reason = reason_of(failure) if failure is not None else span.reason
        span.attempts = attempts or span.attempts

    def _end_all(self, at_us: int, outcome: Outcome, failure: Failure | None = None, note: str = "") -> None:
        """The run has ended, and with it whatever it still waited for."""
        run = self._open.get("run")
        if run is not None:
            run.note = note
        self._end("run", at_us, outcome, failure)
        for key, span in list(self._open.items()):
            self._end(key, at_us, Outcome.OPEN if span.is_detached else Outcome.CANCELLED)

    def _received(self, name: str, at_us: int) -> None:
        """The oldest wait for the event takes it."""
        for key, span in self._open.items():
            if span.kind is Kind.WAIT and span.name == name:
                self._end(key, at_us, Outcome.DONE)
                return
        self._early[name] += 1


def reason_of(failure: Failure) -> str:
    """Why, in one line."""
    return " ".join(failure_text(failure).split())
