"""What a history says without running any code: status, what is pending, custom status. A pure fold over events."""

from __future__ import annotations

from collections.abc import Iterable

from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.status import Status, after


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
            self._fold(event)

    def _fold(self, event: e.Event) -> None:
        self.event_count += 1
        self.status = after(self.status, event)
        if event.is_terminal:
            self.end = event
        match event:
            case e.ActivityScheduled():
                self.activities[event.path] = event
            case e.ActivityCompleted() | e.ActivityFailed() | e.ActivityCancelled():
                self.activities.pop(event.path, None)
                self.cancelling.discard(event.path)
            case e.ActivityCancelRequested():
                self.cancelling.add(event.path)
            case e.EventSent():
                self.sends[event.path] = event
            case e.EventDelivered() | e.EventRefused():
                self.sends.pop(event.path, None)
            case e.ChildScheduled():
                self.children[event.path] = event
            case e.ChildCompleted() | e.ChildFailed():
                self.children.pop(event.path, None)
                self.stopping.pop(event.path, None)
            case e.ChildCancelRequested():
                self.stopping[event.path] = self.children.pop(event.path)
            case _:
                self._fold_run(event)

    def _fold_run(self, event: e.Event) -> None:
        match event:
            case e.WorkflowCreated():
                self.created = event
            case e.WorkflowStarted():
                self.is_started = True
            case e.CustomStatusSet():
                self.custom_status = event.value
            case e.WorkflowBlocked():
                self.blocked, self.failure = event, event.failure
            case e.WorkflowUnblocked() | e.WorkflowResumed():
                self.blocked, self.failure = None, None
            case e.WorkflowFailed():
                self.failure = event.failure
