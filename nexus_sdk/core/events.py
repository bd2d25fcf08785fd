"""Events: what happened to an instance, in the past tense. A history is nothing but these.

Two kinds: *inputs* came from outside (a message, a timer that fell due); *outputs* were decided by the workflow's code
while it ran. Replay applies the recorded inputs and compares the outputs the code makes with the recorded ones.

`kind` is the stable number of the wire form. A reader that meets a kind it does not know must stop when the number
is below `IGNORABLE_FROM`, and may pass over it otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nexus_sdk.core.failure import Failure
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.payload import Payload

IGNORABLE_FROM = 128
"""Kinds from this number on may be passed over by a reader that does not know them."""

RESERVED_KINDS: dict[int, str] = {
    90: "CallbackCompleted",
    91: "UpdateAccepted",
    92: "UpdateCompleted",
    93: "StateEntered",
    94: "StateExited",
    200: "MarkerRecorded",
    201: "PolicyDecided",
}
"""Kept for later versions; never used for anything else."""


@dataclass(frozen=True, slots=True)
class ParentRef:
    """Which operation of which run started a child."""

    instance_id: str
    run_id: str
    path: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Immutable."""

    kind: ClassVar[int] = 0
    is_input: ClassVar[bool] = False
    is_terminal: ClassVar[bool] = False
    is_ignorable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Output(Event):
    """Decided by the workflow's code. `path` tells the operation; `site` is the source line that asked for it."""

    path: str
    site: str


@dataclass(frozen=True, slots=True)
class Input(Event):
    """Came from outside the workflow's code."""

    is_input: ClassVar[bool] = True


# --- the run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkflowCreated(Input):
    """The run was accepted. Always the only event of a run's first batch.

    `arguments` is one payload: a mapping by parameter name, or a list by position. `carried` are inputs that the run
    before this one had not consumed. `origin` is ``start``, ``continue`` or ``rewind``. `seed` is what randomness grows
    from, the run id where it is empty: a rewound run keeps that of the run whose history it copies.
    """

    kind: ClassVar[int] = 1
    workflow: str
    version: str
    arguments: Payload
    parent: ParentRef | None = None
    start_at_us: int | None = None
    timeout_us: int | None = None
    carried: tuple[Event, ...] = ()
    previous_run_id: str | None = None
    origin: str = "start"
    seed: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowStarted(Input):
    """The code began to run."""

    kind: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class WorkflowCompleted(Output):
    """The workflow ended with `result`."""

    kind: ClassVar[int] = 3
    is_terminal: ClassVar[bool] = True
    result: Payload


@dataclass(frozen=True, slots=True)
class WorkflowFailed(Output):
    """An exception left the workflow."""

    kind: ClassVar[int] = 4
    is_terminal: ClassVar[bool] = True
    failure: Failure


@dataclass(frozen=True, slots=True)
class WorkflowCancelled(Output):
    """The workflow let a cancellation pass."""

    kind: ClassVar[int] = 5
    is_terminal: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True)
class WorkflowTerminated(Input):
    """Ended from outside; no code ran."""

    kind: ClassVar[int] = 6
    is_terminal: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True)
class ContinuedAsNew(Output):
    """This run ended and `next_run_id` went on with `arguments`."""

    kind: ClassVar[int] = 7
    is_terminal: ClassVar[bool] = True
    arguments: Payload
    next_run_id: str


# --- activities -----------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class ActivityScheduled(Output):
    """The workflow asked for an activity."""

    kind: ClassVar[int] = 10
    name: str
    arguments: Payload
    options: ActivityOptions


@quick
@dataclass(frozen=True, slots=True)
class ActivityCompleted(Input):
    """The activity at `path` returned `result`. `failures` are attempts before it that failed: of many, the
    first one and the latest ones."""

    kind: ClassVar[int] = 11
    path: str
    result: Payload
    attempts: int = 1
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class ActivityFailed(Input):
    """The activity at `path` failed for good. `failures` are earlier attempts, oldest first, without the last: of many,
    the first one and the latest ones."""

    kind: ClassVar[int] = 12
    path: str
    failure: Failure
    attempts: int = 1
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class ActivityCancelRequested(Output):
    """The workflow no longer waits for the activity at `path`."""

    kind: ClassVar[int] = 13


@dataclass(frozen=True, slots=True)
class ActivityCancelled(Input):
    """The activity at `path` stopped because it was asked to, or was never started."""

    kind: ClassVar[int] = 14
    path: str
    attempts: int = 0


# --- time -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimerStarted(Output):
    """A timer runs until `due_us`. `purpose` is ``sleep`` or ``timeout``."""

    kind: ClassVar[int] = 20
    due_us: int
    purpose: str = "sleep"


@dataclass(frozen=True, slots=True)
class TimerFired(Input):
    """The deadline of `path` was reached: a sleep, a timeout, a wait's or an activity's deadline.

    The empty path is the timeout of the whole workflow.
    """

    kind: ClassVar[int] = 21
    path: str


@dataclass(frozen=True, slots=True)
class TimerCancelled(Output):
    """The timer at `path` is no longer waited for."""

    kind: ClassVar[int] = 22


# --- external events ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventAwaited(Output):
    """The workflow waits for an event of this name, until `due_us` where given."""

    kind: ClassVar[int] = 30
    name: str
    due_us: int | None = None


@dataclass(frozen=True, slots=True)
class EventReceived(Input):
    """An external event arrived. The oldest wait for `name` takes it; with none it is kept, in order."""

    kind: ClassVar[int] = 31
    name: str
    payload: Payload
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventWaitCancelled(Output):
    """The wait at `path` was given up; it consumes no event."""

    kind: ClassVar[int] = 32


@dataclass(frozen=True, slots=True)
class EventSent(Output):
    """The workflow sent an event to another instance."""

    kind: ClassVar[int] = 33
    target: str
    name: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class EventDelivered(Input):
    """The instance that the operation at `path` addressed has accepted the event."""

    kind: ClassVar[int] = 34
    path: str


@dataclass(frozen=True, slots=True)
class EventRefused(Input):
    """The instance that the operation at `path` addressed is unknown or has finished."""

    kind: ClassVar[int] = 35
    path: str
    failure: Failure


# --- children -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChildScheduled(Output):
    """The workflow started a child workflow with the id `instance_id`."""

    kind: ClassVar[int] = 40
    instance_id: str
    workflow: str
    version: str
    arguments: Payload
    detached: bool = False
    timeout_us: int | None = None


@dataclass(frozen=True, slots=True)
class ChildCompleted(Input):
    """The child at `path` ended with `result`."""

    kind: ClassVar[int] = 41
    path: str
    result: Payload


@dataclass(frozen=True, slots=True)
class ChildFailed(Input):
    """The child at `path` failed, was cancelled or terminated, or could not be started: `failure` says which."""

    kind: ClassVar[int] = 42
    path: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class ChildCancelRequested(Output):
    """The workflow no longer waits for the child at `path` and asked it to stop."""

    kind: ClassVar[int] = 43


# --- recorded decisions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SideEffectRecorded(Output):
    """The value that the function of a `ctx.side_effect` returned, or the failure it raised."""

    kind: ClassVar[int] = 50
    value: Payload
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class PatchDecided(Output):
    """What `ctx.patched(change_id)` answers in this run, for ever. The path is empty."""

    kind: ClassVar[int] = 51
    change_id: str
    is_patched: bool


# --- requests from outside, and what holds an instance ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CancelRequested(Input):
    """Somebody asked the workflow to stop. `parent` is set when its parent did: only that child obeys."""

    kind: ClassVar[int] = 70
    reason: str
    parent: ParentRef | None = None


@dataclass(frozen=True, slots=True)
class WorkflowSuspended(Input):
    """Held by a request: nothing but its resumption or its end moves it."""

    kind: ClassVar[int] = 71
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowResumed(Input):
    """The suspension ended."""

    kind: ClassVar[int] = 72


@dataclass(frozen=True, slots=True)
class WorkflowBlocked(Input):
    """It cannot proceed with the code of `build`; `failure.code` says why."""

    kind: ClassVar[int] = 73
    failure: Failure
    build: str


@dataclass(frozen=True, slots=True)
class WorkflowUnblocked(Input):
    """It can proceed again, with the code of `build`."""

    kind: ClassVar[int] = 74
    build: str


@dataclass(frozen=True, slots=True)
class LookRequested(Input):
    """ "Have a look": the body of messages that only wake an instance. Never part of a history."""

    kind: ClassVar[int] = 79


# --- ignorable ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CustomStatusSet(Output):
    """What a client reads as the custom status from now on. The path is empty."""

    kind: ClassVar[int] = 130
    is_ignorable: ClassVar[bool] = True
    value: Payload


def _subclasses(base: type[Event]) -> list[type[Event]]:
    return [kind for child in base.__subclasses__() for kind in (child, *_subclasses(child))]


KINDS: dict[int, type[Event]] = {kind.kind: kind for kind in _subclasses(Event) if kind.kind}
"""Every event class by the number of its wire form."""

NOT_LOOKED_AT: frozenset[type[Event]] = frozenset(
    {ActivityScheduled, ChildScheduled, EventSent, CustomStatusSet, WorkflowCompleted}
)
"""What a workflow asked for and said: a replay hands none of its values to the code."""
