"""From events to operations in time."""

from __future__ import annotations

from nexus_sdk.cli.spans import Kind, Outcome, Span, spans_of
from nexus_sdk.codec.base import NO_VALUE
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import Batch, BatchHeader
from nexus_sdk.core.options import ActivityOptions

BROKEN = Failure("ValueError", "no\nmoney")


def batches(*turns: tuple[int, list[e.Event]]) -> list[Batch]:
    """A history: `(time, events)` for each turn."""
    return [
        Batch(BatchHeader("a", "run", number, "", (), at_us), tuple(events), b"", b"")
        for number, (at_us, events) in enumerate(turns, 1)
    ]


def read(*turns: tuple[int, list[e.Event]]) -> list[Span]:
    """The spans of a history that begins with its creation at 0, without the run's own."""
    return spans_of(batches((0, [created()]), *turns))[1:]


def created(carried: tuple[e.Event, ...] = ()) -> e.WorkflowCreated:
    return e.WorkflowCreated("fulfil", "1", NO_VALUE, carried=carried)


def activity(path: str) -> e.ActivityScheduled:
    return e.ActivityScheduled(path, "f.py:1", "charge", NO_VALUE, ActivityOptions())


def test_an_activity_lasts_from_its_schedule_to_its_answer() -> None:
    (span,) = read((10, [activity("0")]), (30, [e.ActivityCompleted("0", NO_VALUE, 2)]))
    assert (span.kind, span.name, span.start_us, span.end_us) == (Kind.ACTIVITY, "charge", 10, 30)
    assert (span.outcome, span.attempts) == (Outcome.DONE, 2)


def test_a_failure_is_told_in_one_line() -> None:
    (span,) = read((10, [activity("0")]), (30, [e.ActivityFailed("0", BROKEN, 3)]))
    assert (span.outcome, span.attempts, span.reason) == (Outcome.FAILED, 3, "ValueError: no money")


def test_what_has_no_answer_is_open() -> None:
    (span,) = read((10, [activity("0")]))
    assert (span.outcome, span.end_us) == (Outcome.OPEN, None)


def test_a_sleep_that_fires_is_done_and_a_time_limit_that_fires_is_late() -> None:
    asked = [e.TimerStarted("0", "", 50), e.TimerStarted("1", "", 50, "timeout"), e.EventAwaited("2", "", "go", 50)]
    spans = read((10, asked), (50, [e.TimerFired("0"), e.TimerFired("1"), e.TimerFired("2")]))
    assert [span.outcome for span in spans] == [Outcome.DONE, Outcome.LATE, Outcome.LATE]


def test_a_time_limit_that_was_not_needed_is_no_loss() -> None:
    asked = [e.TimerStarted("0", "", 50), e.TimerStarted("1", "", 50, "timeout")]
    spans = read((10, asked), (20, [e.TimerCancelled("0", ""), e.TimerCancelled("1", "")]))
    assert [span.outcome for span in spans] == [Outcome.CANCELLED, Outcome.DONE]


def test_the_oldest_wait_takes_an_event() -> None:
    waits = [e.EventAwaited("0", "", "go"), e.EventAwaited("1", "", "go")]
    spans = read((10, waits), (20, [e.EventReceived("go", NO_VALUE)]))
    assert [span.end_us for span in spans] == [20, None]


def test_an_event_that_came_before_its_wait_ends_it_at_once() -> None:
    (span,) = read((10, [e.EventReceived("go", NO_VALUE)]), (20, [e.EventAwaited("0", "", "go")]))
    assert (span.start_us, span.end_us) == (20, 20)
    carried = (e.EventReceived("go", NO_VALUE),)
    (_, wait) = spans_of(batches((0, [created(carried)]), (20, [e.EventAwaited("0", "", "go")])))
    assert wait.outcome is Outcome.DONE


def test_the_end_of_the_run_ends_what_it_waited_for_but_not_a_detached_child() -> None:
    children = [
        e.ChildScheduled("0", "", "a/0", "pack", "1", NO_VALUE),
        e.ChildScheduled("1", "", "a/1", "pack", "1", NO_VALUE, detached=True),
    ]
    run, attached, detached = spans_of(
        batches((0, [created()]), (10, children), (90, [e.WorkflowFailed("", "", BROKEN)]))
    )
    assert (run.outcome, run.end_us, run.reason) == (Outcome.FAILED, 90, "ValueError: no money")
    assert (attached.outcome, detached.outcome) == (Outcome.CANCELLED, Outcome.OPEN)


def test_being_held_is_a_span_too() -> None:
    spans = read(
        (10, [e.WorkflowSuspended("lunch")]),
        (20, [e.WorkflowResumed()]),
        (30, [e.WorkflowBlocked(BROKEN, "build")]),
    )
    assert [(span.kind, span.name, span.end_us) for span in spans] == [
        (Kind.HELD, "suspended", 20),
        (Kind.HELD, "blocked", None),
    ]


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    asked = [activity("0"), e.ActivityCancelRequested("0", "")]
    (span,) = read((10, asked), (30, [e.ActivityCompleted("0", NO_VALUE)]))
    assert (span.end_us, span.outcome) == (10, Outcome.CANCELLED)
