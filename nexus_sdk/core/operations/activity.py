"""Activities: work outside the workflow, at least once, its result recorded exactly once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure, details_of, lineage_of
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation, RecordedOperation, T_co
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.program import line_of
from nexus_sdk.errors import ActivityFailed, CancelledError, PayloadError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber
    from nexus_sdk.core.saga import Saga

Compensate = Callable[[Any], Operation[Any]]


class ActivityOperation(RecordedOperation[T_co]):
    """`name(**arguments)`, to be run by some worker.

    Args:
        arguments: by parameter name, or by position when only the name is known here.
        result_type: what the result is decoded to.
        compensate: builds the undo from the result; used when a saga is open.
    """

    __slots__ = ("arguments", "compensate", "name", "options", "result_type")
    what = "activity"

    def __init__(
        self,
        name: str,
        arguments: dict[str, Any] | list[Any],
        options: ActivityOptions,
        result_type: Any = Any,
        compensate: Compensate | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.arguments = arguments
        self.options = options
        self.result_type = result_type
        self.compensate = compensate

    @property
    def label(self) -> str:
        """See `Operation.label`."""
        return f"activity {self.name!r}"

    def record(self, path: str) -> e.ActivityScheduled:
        """See `RecordedOperation.record`."""
        arguments = self.execution.services.codec.encode(self.arguments)
        return e.ActivityScheduled(path, line_of(self.site), self.name, arguments, self.options)

    def matches(self, event: e.Event) -> bool:
        """The same activity, whatever its arguments."""
        return isinstance(event, e.ActivityScheduled) and event.name == self.name

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """See `RecordedOperation.leaf`. The recorded time limit counts, should the code's have changed."""
        recorded = fiber.execution.ledger.last_output
        options = recorded.options if isinstance(recorded, e.ActivityScheduled) else self.options
        return ActivityLeaf(fiber, path, self, options.schedule_to_close_us)


_UNASKED = Node("")
"""The truth of activities that nobody could undo."""


class ActivityLeaf(Leaf):
    """An activity under way.

    Cancelled inside a saga that could undo it, it stays pending until its true outcome is known: `truth`.
    """

    __slots__ = ("compensate", "name", "result_type", "saga", "scheduled_in_turn", "truth")

    def __init__(
        self, fiber: Fiber, path: str, operation: ActivityOperation[Any], schedule_to_close_us: int | None
    ) -> None:
        Leaf.__init__(self, fiber, path, operation.site)
        self.name = operation.name
        self.result_type = operation.result_type
        self.compensate = operation.compensate
        self.scheduled_in_turn = self.execution.turn_number
        self.saga: Saga | None = None
        self.truth = _UNASKED
        if operation.compensate is not None and fiber.saga is not None:
            self.saga = fiber.saga
            self.saga.in_flight[path] = self
            self.truth = Node(path)
        if schedule_to_close_us is not None:
            self.execution.add_deadline(self.execution.now_us + schedule_to_close_us, path)

    def accepts(self, event: e.Event) -> bool:
        """A cancelled one listens on for its true outcome, but no longer for time."""
        return not (self.is_settled and isinstance(event, e.TimerFired))

    def apply(self, event: e.Event) -> None:
        """Completed, failed, cancelled or out of time."""
        match event:
            case e.ActivityCompleted(result=payload):
                self.settle_decoded(payload, self.result_type, self.execution.services.codec)
            case e.ActivityFailed(failure=failure, attempts=attempts):
                self._end(error=self._failed(failure, attempts))
            case e.ActivityCancelled():
                self._end(error=CancelledError("the activity was cancelled"))
            case e.TimerFired():
                self._give_up()
                said = "schedule_to_close: the time for all attempts is over"
                spent = Failure("TimedOut", said, lineage_of(TimeoutError()), retryable=False)
                self.settle(error=self._failed(spent, 0))

    @property
    def awaited(self) -> str:
        """See `Leaf.awaited`."""
        return f"the result of activity {self.name!r}"

    def cancel(self, reason: str = "") -> None:
        """Stop waiting at once; ask the worker to stop, too."""
        if not self.is_settled:
            self._give_up()
            self.settle(error=CancelledError(reason))

    def accept(self, value: Any) -> None:
        """See `Leaf.accept`."""
        if self.saga is not None and self.compensate is not None:
            self.saga.completed(self.name, self.compensate, value)
        self._over()
        self.settle(value)

    def refuse(self, error: PayloadError) -> None:
        """See `Leaf.refuse`."""
        self._end(error=error)

    def _give_up(self) -> None:
        self.execution.ledger.note(e.ActivityCancelRequested, self.path, self.site)
        if self.saga is None or self.scheduled_in_turn == self.execution.turn_number:
            self._over()  # nobody needs the truth, or it was never sent

    def _end(self, value: Any = None, error: BaseException | None = None) -> None:
        self._over()
        self.settle(value, error)

    def _over(self) -> None:
        self.execution.pending.pop(self.path, None)
        if self.truth is not _UNASKED:
            if self.saga is not None:
                self.saga.in_flight.pop(self.path, None)
            self.truth.settle()

    def _failed(self, failure: Failure, attempts: int) -> ActivityFailed:
        details = details_of(failure, self.execution.services.codec)
        return ActivityFailed(self.name, failure=failure, attempts=attempts, details=details)
