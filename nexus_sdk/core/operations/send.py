"""Sending an event to another instance: accepted there, or refused with a reason; never silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.core import events as e
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import RecordedOperation
from nexus_sdk.core.program import line_of
from nexus_sdk.errors import Codes, NexusError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class SendOperation(RecordedOperation[None]):
    """Sends event `name` to the instance `target`; done when that instance has accepted it."""

    __slots__ = ("name", "payload", "target")
    what = "event to another instance"

    def __init__(self, target: str, name: str, payload: Any) -> None:
        super().__init__()
        self.target = target
        self.name = name
        self.payload = payload

    @property
    def label(self) -> str:
        """See `Operation.label`."""
        return f"event {self.name!r} to {self.target!r}"

    def record(self, path: str) -> e.EventSent:
        """See `RecordedOperation.record`."""
        payload = self.execution.services.codec.bound_to(self.target).encode(self.payload)
        return e.EventSent(path, line_of(self.site), self.target, self.name, payload)

    def matches(self, event: e.Event) -> bool:
        """The same event, whoever it is for."""
        return isinstance(event, e.EventSent) and event.name == self.name

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """See `RecordedOperation.leaf`."""
        return SendLeaf(fiber, path, self.site)


class SendLeaf(Leaf):
    """An event on its way. Giving up the wait does not call it back."""

    __slots__ = ()

    def apply(self, event: e.Event) -> None:
        """Accepted or refused."""
        self.forget()
        if isinstance(event, e.EventRefused):
            failure = event.failure
            self.settle(error=Codes.all.get(failure.code or "", NexusError)(failure.message))
        else:
            self.settle()

    def cancel(self, reason: str = "") -> None:
        """Wait no longer."""
        self.forget()
        super().cancel(reason)
