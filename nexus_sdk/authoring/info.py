"""What a running activity may know and say: `activity_info()` and `heartbeat()`."""

from __future__ import annotations

from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from nexus_sdk.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class ActivityInfo:
    """About the attempt that runs.

    Attributes:
        instance_id: of the workflow that asked for it.
        activity: the activity's name.
        attempt: 1 for the first.
        idempotency_key: the same for all attempts and replays of this operation, different for every other one.
        remaining: until the attempt's timeout or the end of `schedule_to_close`, whichever is nearer; None: no limit.
        heartbeat_details: what the last attempt gave to its last `heartbeat`, None if nothing.
        workflow: the workflow's name.
        task_queue: where it was put.
    """

    instance_id: str
    activity: str
    attempt: int
    idempotency_key: str
    remaining: timedelta | None
    heartbeat_details: Any = None
    workflow: str = ""
    task_queue: str = "default"

    @property
    def name(self) -> str:
        """The activity's name."""
        return self.activity

    @property
    def activity_name(self) -> str:
        """The activity's name."""
        return self.activity


class Attempt(Protocol):
    """The attempt that runs in this context, as the engine provides it."""

    def info(self) -> ActivityInfo:
        """About it, now."""

    def heartbeat(self, details: Any) -> None:
        """Keep it alive; raises `CancelledError` when it was asked to stop."""


current_attempt: ContextVar[Attempt | None] = ContextVar("nexus_attempt", default=None)
"""Set by the engine around an activity's function."""


class Beaten:
    """What `heartbeat` returns: nothing, which may be awaited too."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


def activity_info() -> ActivityInfo:
    """About the activity attempt that is running here.

    Raises:
        InvalidArgument: not inside an activity.
    """
    return _attempt("activity_info").info()


def heartbeat(details: Any = None) -> Beaten:
    """Say that the activity is alive, and remember `details` for the next attempt. Cheap; call it often.

    Raises:
        CancelledError: the activity was asked to stop.
        InvalidArgument: not inside an activity.
    """
    _attempt("heartbeat").heartbeat(details)
    return Beaten()


def _attempt(what: str) -> Attempt:
    attempt = current_attempt.get()
    if attempt is None:
        raise InvalidArgument(
            f"{what}() was called outside a running activity.",
            hint="Workflows use ctx; in a unit test of an activity, pass what it needs as arguments.",
        )
    return attempt
