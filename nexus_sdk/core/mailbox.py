"""External events between their arrival and the wait that takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nexus_sdk.core.events import EventReceived

if TYPE_CHECKING:
    from nexus_sdk.core.operations.wait import WaitLeaf


class Mailbox:
    """Per name: events nobody has waited for yet, or waits that no event has reached yet; both first in, first out."""

    def __init__(self) -> None:
        self._kept: deque[EventReceived] = deque()
        self._lines: dict[str, deque[WaitLeaf]] = {}

    def deliver(self, event: EventReceived) -> None:
        """Give the event to the oldest wait for its name, or keep it."""
        line = self._lines.get(event.name)
        if line:
            line.popleft().receive(event.payload)
        else:
            self._kept.append(event)

    def take(self, name: str) -> EventReceived | None:
        """The oldest kept event of this name, if any; it is no longer kept."""
        for event in self._kept:
            if event.name == name:
                self._kept.remove(event)
                return event
        return None

    def stand_in_line(self, wait: WaitLeaf) -> None:
        """Let a wait have the next event of its name that no earlier wait takes."""
        self._lines.setdefault(wait.name, deque()).append(wait)

    def step_out(self, wait: WaitLeaf) -> None:
        """Let a wait stand in line no longer."""
        line = self._lines.get(wait.name)
        if line and wait in line:
            line.remove(wait)

    def unread(self) -> Iterator[EventReceived]:
        """All kept events, in the order of their arrival."""
        return iter(self._kept)
