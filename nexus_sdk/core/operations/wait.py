"""Waiting for external events. Events that come before the wait are kept, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.core import events as e
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import RecordedOperation, T_co
from nexus_sdk.core.program import line_of
from nexus_sdk.errors import CancelledError, WaitTimedOut

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class WaitOperation(RecordedOperation[T_co]):
    """Waits for the next event called `name`, decoded to `type_`; until `due_us` where given."""

    __slots__ = ("due_us", "name", "type_")
    what = "wait for event"

    def __init__(self, name: str, type_: Any, due_us: int | None) -> None:
        super().__init__()
        self.name = name
        self.type_ = type_
        self.due_us = due_us

    @property
    def label(self) -> str:
        """See `Operation.label`."""
        return f"wait for event {self.name!r}"

    def record(self, path: str) -> e.EventAwaited:
        """See `RecordedOperation.record`."""
        return e.EventAwaited(path, line_of(self.site), self.name, self.due_us)

    def matches(self, event: e.Event) -> bool:
        """An event of the same name."""
        return isinstance(event, e.EventAwaited) and event.name == self.name

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """See `RecordedOperation.leaf`."""
        recorded = self.execution.ledger.last_output
        due_us = recorded.due_us if isinstance(recorded, e.EventAwaited) else self.due_us
        return WaitLeaf(fiber, path, self, due_us)


class WaitLeaf(Leaf):
    """A wait that stands in line for its event."""

    __slots__ = ("name", "type_")

    def __init__(self, fiber: Fiber, path: str, operation: WaitOperation[Any], due_us: int | None) -> None:
        super().__init__(fiber, path, operation.site)
        self.name = operation.name
        self.type_ = operation.type_
        kept = self.execution.mailbox.take(self.name)
        if kept is not None:
            self.receive(kept.payload)
            return
        self.execution.mailbox.stand_in_line(self)
        if due_us is not None:
            self.execution.add_deadline(due_us, path)

    def receive(self, payload: Any) -> None:
        """Take the event. One that does not fit the type is consumed, and raises at the wait."""
        self.forget()
        self.settle_decoded(payload, self.type_, self.execution.services.codec)

    @property
    def awaited(self) -> str:
        """See `Leaf.awaited`."""
        return f"event {self.name!r}"

    def apply(self, event: e.Event) -> None:
        """Its time is up."""
        self._step_out()
        self.settle(error=WaitTimedOut(f"no event {self.name!r} came in time ({line_of(self.site)})"))

    def cancel(self, reason: str = "") -> None:
        """Step out of the line; no event is consumed."""
        if not self.is_settled:
            self.execution.ledger.note(e.EventWaitCancelled, self.path, self.site)
            self._step_out()
            self.settle(error=CancelledError(reason))

    def _step_out(self) -> None:
        self.execution.mailbox.step_out(self)
        self.forget()
