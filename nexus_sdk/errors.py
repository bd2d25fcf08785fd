"""Every error a user can meet. The one rule: code, what, where, and the next step.

Codes are stable. They are grouped: 1xx definitions, 2xx code against history, 3xx instances and clients,
4xx stores, 5xx payloads, 6xx failures seen inside workflows, 7xx testing, 8xx the command line.
`docs/reference/errors.md` has a heading per code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from nexus_sdk.core.failure import ExceptionKind, Failure
    from nexus_sdk.core.mismatch import Mismatch


class NexusError(Exception):
    """The base of all errors of this package.

    Attributes:
        code: stable, e.g. ``NX301``.
        message: what happened and where, expected against found.
        hint: the next step, or an empty string.
    """

    code: str = "NX000"
    message: str = ""  # also for a user's subclass whose `__init__` does not call ours
    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        text = f"[{self.code}] {self.message}"
        return f"{text}\n{self.hint}" if self.hint else text


# --- 1xx: definitions ---------------------------------------------------------------------------------------------


class DefinitionError(NexusError):
    """A decorator, an app or a call of a definition does not make sense. Raised at import, registration or start."""

    code = "NX101"


class SignatureMismatch(DefinitionError, TypeError):
    """The arguments of a call do not fit the signature of the workflow or activity: missing, extra or misnamed."""

    code = "NX102"


# --- 2xx: the code, or code against history: the instance is `blocked`, not failed ----------------------------------


class BlockingError(NexusError):
    """The instance cannot proceed with this code. It is `blocked`, keeps all its messages, and can be resumed."""

    code = "NX200"


class NonDeterminismError(BlockingError):
    """The history has one operation where the code now asks for another.

    Attributes:
        mismatch: the two, for who explains them; None where the error was read from a store.
    """

    code = "NX201"
    mismatch: Mismatch | None = None


class IllegalAwaitError(BlockingError):
    """A workflow awaited something that is not an operation (a network call, `asyncio.sleep`)."""

    code = "NX202"


class IllegalYieldError(BlockingError):
    """A workflow yielded something that is not an operation."""

    code = "NX203"


class UnusedOperationError(BlockingError):
    """An operation was built and never yielded, awaited, spawned or passed on; or one was used twice."""

    code = "NX204"


class HistoryCorruptedError(BlockingError):
    """A stored history does not decode, has a gap, or its hash chain does not verify."""

    code = "NX205"


class WorkflowSpinningError(BlockingError):
    """A workflow ran for too long without yielding and was stopped."""

    code = "NX206"


class TurnFailedError(BlockingError):
    """Turns of the instance failed again and again for the same cause."""

    code = "NX207"


class HistoryTooLong(BlockingError):
    """The history of the run has reached the limit of the worker's app; it should have continued as new before."""

    code = "NX209"


class NotServedError(BlockingError):
    """No worker serves the instance's workflow, or not this version of it."""

    code = "NX210"


class ReadOnlyError(NexusError):
    """A query handler tried to do durable work."""

    code = "NX208"


# --- 3xx: instances, seen by clients --------------------------------------------------------------------------------


class InstanceNotFound(NexusError):
    """No instance has this id, or it was purged."""

    code = "NX301"


class InstanceExists(NexusError):
    """Another instance has this id already (started by another request or with other arguments)."""

    code = "NX302"


class InstanceFinished(NexusError):
    """The instance has finished and takes no more events or commands."""

    code = "NX303"


class WorkflowEnded(NexusError):
    """The base of what `result()` raises for an instance that did not complete."""

    code = "NX310"

    def __init__(self, message: str = "", *, failure: Failure | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.failure = failure


class WorkflowFailed(WorkflowEnded):
    """The workflow raised. `.failure` has its type, message, details, cause and traceback text."""

    code = "NX311"

    @property
    def type(self) -> str:
        """The name of the exception that left the workflow, e.g. ``ValueError``."""
        return self.failure.type if self.failure else ""


class WorkflowCancelled(WorkflowEnded):
    """The workflow was cancelled and let the cancellation pass."""

    code = "NX312"


class WorkflowTerminated(WorkflowEnded):
    """The instance was terminated from outside; its code had no say."""

    code = "NX313"


class UnknownQuery(NexusError):
    """The workflow has no query handler of this name at this point."""

    code = "NX320"


class InvalidArgument(NexusError, ValueError):
    """An argument of a client call or of an operation is not acceptable (an id, a duration, an option)."""

    code = "NX321"


class InvalidRequest(InvalidArgument):
    """A request over HTTP, or what a function was called with, makes no sense: its action, its path, its fields."""

    code = "NX322"


class WrongStatus(InvalidArgument):
    """The instance's status does not allow what was asked: only what has failed can be rewound."""

    code = "NX304"


# --- 4xx: stores ----------------------------------------------------------------------------------------------------


class StoreError(NexusError):
    """The store refused or could not do something, for good: trying the same again will not help."""

    code = "NX401"


class ConflictError(StoreError):
    """Somebody else moved the instance on, or holds the delivery now. Load again; nothing was written."""

    code = "NX402"


class StoreUnavailable(StoreError):
    """The store cannot be reached or is busy. Nothing is known to have been written; trying again may help."""

    code = "NX403"


class SchemaOutdated(StoreError):
    """The stored schema is newer than this version. (An older one is brought forward by whoever opens it.)"""

    code = "NX404"


class ProviderMissing(StoreError):
    """No provider for this kind of store URL is installed."""

    code = "NX405"


class InvalidCursor(StoreError, InvalidArgument):
    """What was passed as the cursor of a list is none of this store's."""

    code = "NX406"


# --- 5xx: payloads --------------------------------------------------------------------------------------------------


class PayloadError(NexusError):
    """A value cannot be encoded, or stored bytes cannot be decoded to the type that is asked for."""

    code = "NX501"


class PayloadTooLarge(PayloadError):
    """A value is larger than the store or the codec takes."""

    code = "NX502"


class PayloadUnreadable(BlockingError, PayloadError):
    """Stored bytes cannot be read by this process, through no fault of workflow or activity: they are damaged, gone, or
    another codec wrote them. An instance that needs them is blocked, not failed; an activity is left to other workers.
    """

    code = "NX503"


class KeyMissing(PayloadUnreadable):
    """A payload was encrypted or sealed with a key that this app does not have."""

    code = "NX504"


class SealBroken(PayloadUnreadable):
    """An encrypted or sealed payload was altered, was written with another key of the same id, or belongs to another
    instance. Nothing of it was looked at.
    """

    code = "NX505"


# --- 6xx: failures seen inside workflows ----------------------------------------------------------------------------


class ApplicationError(NexusError):
    """Raised by an activity (or workflow) on purpose, to say how its failure is to be treated.

    Args:
        message: what went wrong, in the application's words.
        type: a stable name to match on; the class's name by default.
        details: any encodable value that goes with the failure.
        retryable: False ends the activity at once, whatever its `Retry` says.
        retry_after: a duration that replaces the next delay.
    """

    code = "NX601"
    type: str = ""
    details: Any = None
    retryable: bool = True
    retry_after: Any = None

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,
        details: Any = None,
        retryable: bool = True,
        retry_after: Any = None,
    ) -> None:
        super().__init__(message)
        self.type = type or self.__class__.__name__
        self.details = details
        self.retryable = retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message


class RemoteFailure(NexusError):
    """The base of failures that happened elsewhere and reached a workflow as data."""

    code = "NX610"

    def __init__(self, message: str, *, failure: Failure, details: Any = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.details = details
        for note in failure.notes:
            self.add_note(note)

    @property
    def type(self) -> str:
        """The name of the exception's class, or the `type` of an `ApplicationError`."""
        return self.failure.type

    @property
    def traceback(self) -> str:
        """The traceback's text where it happened."""
        return self.failure.traceback

    def is_type(self, kind: ExceptionKind) -> bool:
        """Whether the original exception was of this class (or a subclass), or has this type name.

        What only passed through, it looks through: a child that fails because its activity raised `ValueError` is
        both an `ActivityFailed` and a `ValueError`.
        """
        failure: Failure | None = self.failure
        while failure is not None and not failure.is_type(kind):
            failure = failure.cause if failure.is_type(RemoteFailure) else None
        return failure is not None


class ActivityFailed(RemoteFailure):
    """An activity failed for good: its retries are used up, or it may not be retried.

    Attributes:
        activity: its name.
        attempts: how many attempts were made.
    """

    code = "NX611"

    def __init__(self, activity: str, *, failure: Failure, attempts: int, details: Any = None) -> None:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        said = f"{failure.type}: {failure.message}" if failure.message else failure.type
        super().__init__(f"activity {activity!r} failed after {tries}: {said}", failure=failure, details=details)
        self.message: str = failure.message
        self.activity = activity
        self.attempts = attempts

    def __str__(self) -> str:
        return f"[{self.code}] {self.args[0]}"


class ChildWorkflowFailed(RemoteFailure):
    """A child workflow failed, was cancelled or terminated, or could not be started.

    Attributes:
        instance_id: the child's id.
    """

    code = "NX612"

    def __init__(self, instance_id: str, *, failure: Failure, details: Any = None) -> None:
        said = f"{failure.type}: {failure.message}" if failure.message else failure.type
        super().__init__(f"child workflow {instance_id!r} failed: {said}", failure=failure, details=details)
        self.message: str = failure.message
        self.instance_id = instance_id

    def __str__(self) -> str:
        return f"[{self.code}] {self.args[0]}"


class WaitTimedOut(NexusError):
    """A wait, a `ctx.timeout` block or a workflow took longer than it was given."""

    code = "NX613"


class CompensationFailed(NexusError):
    """Some undos of a saga failed; the others were done. The saga's own error is the `__cause__`.

    Attributes:
        failures: one `(name, exception)` for each undo that failed, in the order they were tried.
    """

    code = "NX614"

    def __init__(self, failures: Sequence[tuple[str, BaseException]]) -> None:
        named = "; ".join(f"{name}: {error}" for name, error in failures)
        super().__init__(f"{len(failures)} undo{'s' if len(failures) > 1 else ''} of a saga failed: {named}")
        self.failures: tuple[tuple[str, BaseException], ...] = tuple(failures)


class CancelledError(BaseException):
    """The workflow, fiber or activity was asked to stop. A `BaseException`, as in asyncio.

    It arrives once, at a `yield`; `except` and `finally` may still do durable work; swallowing it goes on.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


# --- 7xx: testing ---------------------------------------------------------------------------------------------------


class NothingIsDue(NexusError):
    """A test waits for something that no timer, activity or message will bring about."""

    code = "NX701"


class MockExhausted(NexusError):
    """A mock was called more often than its sequence has items."""

    code = "NX702"


class CrashDifference(NexusError, AssertionError):
    """After a worker crashed at some store operation, a workflow came to another end than undisturbed."""

    code = "NX703"


class ClockRunsAway(NexusError):
    """The clock of a test has jumped very often, and there is still more to come: the workflow may never end."""

    code = "NX704"


# --- 8xx: the command line --------------------------------------------------------------------------------------------


class UsageError(NexusError):
    """What was typed makes no sense: a module, a name, an input, a store that does not exist."""

    code = "NX801"


# --- 81x, 82x: building and deploying --------------------------------------------------------------------------------


class BuildError(NexusError):
    """What is to be deployed cannot be built from what is here."""

    code = "NX811"


class PlatformMissing(BuildError):
    """No installed package builds for this platform."""

    code = "NX812"


class DeployError(NexusError):
    """What was to be deployed is not: the platform failed at it, and has put back what was there."""

    code = "NX820"


class CredentialsMissing(DeployError):
    """There are no credentials, or the platform does not accept them (any more). Nothing was done."""

    code = "NX821"


class RegionMissing(DeployError):
    """Nothing says in which region to deploy. Nothing was done."""

    code = "NX822"


class RightsMissing(DeployError):
    """Whoever deploys may not do what deploying takes."""

    code = "NX823"


class NameTaken(DeployError):
    """What would be deployed has a name that something else has already. Nothing was changed."""

    code = "NX824"


class NotDeployable(DeployError):
    """What is deployed is in the middle of a change, or an earlier one failed half-way. Nothing was changed."""

    code = "NX825"


class DataAtRisk(DeployError):
    """The change would take away or replace what holds data. Nothing was changed."""

    code = "NX826"


class InstancesAtRisk(DeployError):
    """Instances that run would be blocked by the new code. Nothing was changed."""

    code = "NX827"


def named_code(error: BaseException) -> str | None:
    """The stable code of one of our errors, or None for any other exception."""
    return error.code if isinstance(error, NexusError) else None


__all__: Sequence[str] = [
    name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, BaseException)
]
_CODES: Mapping[str, type[NexusError]] = {
    value.code: value for value in list(globals().values()) if isinstance(value, type) and issubclass(value, NexusError)
}


class Codes:
    """The catalogue: one class per code."""

    all: ClassVar[Mapping[str, type[NexusError]]] = _CODES
