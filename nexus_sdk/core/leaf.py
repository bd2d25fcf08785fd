"""Leaves: nodes that wait for an event of the history."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.events import Event
from nexus_sdk.core.node import Node
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import Site
from nexus_sdk.errors import PayloadError, PayloadUnreadable

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class Leaf(Node):
    """A node that an input event with its path settles. It is pending until then."""

    __slots__ = ("execution", "site")

    def __init__(self, fiber: Fiber, path: str, site: Site | None) -> None:
        self.path = path  # as Node does: a leaf is made for each step
        self.is_settled = False
        self.value = None
        self.error = None
        self.watchers = None
        self.execution = execution = fiber.execution
        self.site = site
        execution.pending[path] = self

    def accepts(self, event: Event) -> bool:
        """Whether this event means something to it now; others are dropped unrecorded."""
        return not self.is_settled

    @property
    def awaited(self) -> str:
        """What the value is that it waits for, in words."""
        return "the value"

    def settle_decoded(self, payload: Payload, type_: Any, codec: Codec) -> None:
        """Settle with a value; one that does not fit the type raises where the workflow waits.

        Raises:
            PayloadUnreadable: this process cannot read it; another one may, so that is not the workflow's affair.
        """
        try:
            value = codec.decode(payload, type_)
        except PayloadUnreadable:
            raise
        except PayloadError as error:
            self.refuse(type(error)(f"{self.awaited}: {error.message}", hint=error.hint))
        else:
            self.accept(value)

    def accept(self, value: Any) -> None:
        """Settle with a value that has come."""
        self.settle(value)

    def refuse(self, error: PayloadError) -> None:
        """Settle with the reason why a value that has come is none."""
        self.settle(error=error)

    @abstractmethod
    def apply(self, event: Event) -> None:
        """Take an input event that bears its path."""
        ...

    def forget(self) -> None:
        """No event is expected any more."""
        self.execution.pending.pop(self.path, None)
