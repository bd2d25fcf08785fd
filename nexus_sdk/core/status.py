"""The status of an instance as a function of its history."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from nexus_sdk.core import events as e


class Status(StrEnum):
    """What an instance is doing."""

    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"

    @property
    def is_finished(self) -> bool:
        """Nothing happens to a finished instance any more (but rewind, which opens a new run)."""
        return self in FINISHED

    @property
    def is_under_way(self) -> bool:
        """It moves on by itself, or is about to begin."""
        return self in (Status.PENDING, Status.RUNNING)

    def is_news_after(self, before: Status) -> bool:
        """Whether who waits for the end wants to know of it: that an instance has begun to run is no news.

        Args:
            before: the status that was known.
        """
        return self is not before and not (self.is_under_way and before.is_under_way)

    @property
    def is_held(self) -> bool:
        """Alive, but only a request or other code moves it on."""
        return self in (Status.SUSPENDED, Status.BLOCKED)


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TERMINATED})

_ENDS: Mapping[type[e.Event], Status] = {
    e.WorkflowCompleted: Status.COMPLETED,
    e.WorkflowFailed: Status.FAILED,
    e.WorkflowCancelled: Status.CANCELLED,
    e.WorkflowTerminated: Status.TERMINATED,
}

TRANSITIONS: Mapping[Status, Mapping[type[e.Event], Status]] = {
    Status.PENDING: {
        e.WorkflowStarted: Status.RUNNING,
        e.WorkflowSuspended: Status.SUSPENDED,
        e.WorkflowBlocked: Status.BLOCKED,
        e.WorkflowCancelled: Status.CANCELLED,
        e.WorkflowTerminated: Status.TERMINATED,
    },
    Status.RUNNING: {
        **_ENDS,
        e.WorkflowSuspended: Status.SUSPENDED,
        e.WorkflowBlocked: Status.BLOCKED,
    },
    # A held instance that has not begun to run is `running` after its resumption until its first turn, a moment later.
    Status.SUSPENDED: {
        e.WorkflowResumed: Status.RUNNING,
        e.WorkflowTerminated: Status.TERMINATED,
    },
    Status.BLOCKED: {
        e.WorkflowUnblocked: Status.RUNNING,
        e.WorkflowSuspended: Status.SUSPENDED,
        e.WorkflowTerminated: Status.TERMINATED,
    },
    Status.COMPLETED: {},  # terminal: nothing happens to a finished instance
    Status.FAILED: {},
    Status.CANCELLED: {},
    Status.TERMINATED: {},
}
"""What each event makes of each status; an event that is not listed leaves it as it is."""

MOVING = frozenset(kind for moves in TRANSITIONS.values() for kind in moves)
"""The kinds of events that make another status of some status."""


def after(status: Status, event: e.Event) -> Status:
    """The status after `event`."""
    return TRANSITIONS[status].get(type(event), status)
