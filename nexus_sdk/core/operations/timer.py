"""Durable timers: sleeps, and the deadline of a `ctx.timeout` block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus_sdk.core import events as e
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import RecordedOperation
from nexus_sdk.core.program import Site, line_of
from nexus_sdk.errors import CancelledError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class SleepOperation(RecordedOperation[None]):
    """Waits until a moment. A moment in the past is now; the timer then fires in the next turn."""

    __slots__ = ("due_us", "purpose")
    what = "timer"

    def __init__(self, due_us: int, purpose: str = "sleep") -> None:
        super().__init__()
        self.due_us = due_us
        self.purpose = purpose

    def record(self, path: str) -> e.TimerStarted:
        """See `RecordedOperation.record`."""
        return e.TimerStarted(path, line_of(self.site), self.due_us, self.purpose)

    def matches(self, event: e.Event) -> bool:
        """A timer, however long."""
        return isinstance(event, e.TimerStarted) and event.purpose == self.purpose

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """See `RecordedOperation.leaf`. The recorded moment counts, should the code's have changed."""
        recorded = self.execution.ledger.last_output
        return TimerLeaf(
            fiber, path, self.site, recorded.due_us if isinstance(recorded, e.TimerStarted) else self.due_us
        )


class TimerLeaf(Leaf):
    """A timer that runs."""

    __slots__ = ()

    def __init__(self, fiber: Fiber, path: str, site: Site | None, due_us: int) -> None:
        super().__init__(fiber, path, site)
        self.execution.add_deadline(due_us, path)

    def apply(self, event: e.Event) -> None:
        """It fired."""
        self.forget()
        self.settle()

    def cancel(self, reason: str = "") -> None:
        """Stop it."""
        if not self.is_settled:
            self.execution.ledger.note(e.TimerCancelled, self.path, self.site)
            self.forget()
            self.settle(error=CancelledError(reason))
