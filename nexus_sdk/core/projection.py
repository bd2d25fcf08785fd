"""What a history says without running any code: status, what is pending, custom status. A pure fold over events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.status import MOVING, Status, after


class Projection:
    """The fold of a run's events so far.

    Attributes:
        activities, children, sends: what was asked for and has no outcome yet, by path.
        stopping: children that were asked to stop and whose outcome nobody waits for.
        cancelling: paths of activities whose cancellation was requested.
        blocked: the event that blocked it, while it is blocked.
    """

    def __init__(self) -> None:
        self.status = Status.PENDING
        self.created: e.WorkflowCreated | None = None
        self.is_started = False
        self.activities: dict[str, e.ActivityScheduled] = {}
        self.children: dict[str, e.ChildScheduled] = {}
        self.stopping: dict[str, e.ChildScheduled] = {}
        self.sends: dict[str, e.EventSent] = {}
        self.cancelling: set[str] = set()
        self.custom_status: Payload | None = None
        self.failure: Failure | None = None
        self.blocked: e.WorkflowBlocked | None = None
        self.end: e.Event | None = None
        self.event_count = 0

    def extend(self, events: Iterable[e.Event]) -> None:
        """Fold in more events, in order."""
        for event in events:
            self.event_count += 1
            fold = _FOLDS.get(type(event))
            if fold is not None:
                fold(self, event)

    def _activity_scheduled(self, event: e.ActivityScheduled) -> None:
        self.activities[event.path] = event

    def _activity_ended(self, event: e.ActivityCompleted | e.ActivityFailed | e.ActivityCancelled) -> None:
        self.activities.pop(event.path, None)
        self.cancelling.discard(event.path)

    def _activity_cancelling(self, event: e.ActivityCancelRequested) -> None:
        self.cancelling.add(event.path)

    def _event_sent(self, event: e.EventSent) -> None:
        self.sends[event.path] = event

    def _event_answered(self, event: e.EventDelivered | e.EventRefused) -> None:
        self.sends.pop(event.path, None)

    def _child_scheduled(self, event: e.ChildScheduled) -> None:
        self.children[event.path] = event

    def _child_ended(self, event: e.ChildCompleted | e.ChildFailed) -> None:
        self.children.pop(event.path, None)
        self.stopping.pop(event.path, None)

    def _child_stopping(self, event: e.ChildCancelRequested) -> None:
        self.stopping[event.path] = self.children.pop(event.path)

    def _created(self, event: e.WorkflowCreated) -> None:
        self.created = event

    def _started(self, event: e.WorkflowStarted) -> None:
        self.is_started = True

    def _status_set(self, event: e.CustomStatusSet) -> None:
        self.custom_status = event.value

    def _blocked(self, event: e.WorkflowBlocked) -> None:
        self.blocked, self.failure = event, event.failure

    def _released(self, event: e.WorkflowUnblocked | e.WorkflowResumed) -> None:
        self.blocked, self.failure = None, None

    def _failed(self, event: e.WorkflowFailed) -> None:
        self.failure = event.failure


_CHANGES: dict[type[e.Event], Callable[[Projection, Any], None]] = {
    e.ActivityScheduled: Projection._activity_scheduled,
    e.ActivityCompleted: Projection._activity_ended,
    e.ActivityFailed: Projection._activity_ended,
    e.ActivityCancelled: Projection._activity_ended,
    e.ActivityCancelRequested: Projection._activity_cancelling,
    e.EventSent: Projection._event_sent,
    e.EventDelivered: Projection._event_answered,
    e.EventRefused: Projection._event_answered,
    e.ChildScheduled: Projection._child_scheduled,
    e.ChildCompleted: Projection._child_ended,
    e.ChildFailed: Projection._child_ended,
    e.ChildCancelRequested: Projection._child_stopping,
    e.WorkflowCreated: Projection._created,
    e.WorkflowStarted: Projection._started,
    e.CustomStatusSet: Projection._status_set,
    e.WorkflowBlocked: Projection._blocked,
    e.WorkflowUnblocked: Projection._released,
    e.WorkflowResumed: Projection._released,
    e.WorkflowFailed: Projection._failed,
}
"""What each kind of event changes besides the status."""


def _turning(kind: type[e.Event]) -> Callable[[Projection, Any], None]:
    """The fold of a kind that makes another status, or ends the run."""
    others = _CHANGES.get(kind)

    def fold(projection: Projection, event: e.Event) -> None:
        projection.status = after(projection.status, event)
        if kind.is_terminal:
            projection.end = event
        if others is not None:
            others(projection, event)

    return fold


_FOLDS = _CHANGES | {kind: _turning(kind) for kind in e.KINDS.values() if kind in MOVING or kind.is_terminal}
"""How each kind of event is folded in; one that is not listed changes nothing."""
