"""A watcher looks on while a history is replayed. The one rule: it changes nothing. In production there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nexus_sdk.core.events import Event, Output
    from nexus_sdk.core.program import Site


class Watcher(Protocol):
    """Is told of each recorded event as the replay comes to it. `number` counts the run's events from 1."""

    def arrived(self, number: int, event: Event) -> None:
        """An input was taken from the record; nothing has come of it yet."""

    def applied(self, number: int, event: Event) -> None:
        """An input has been taken in; whom it wakes is about to run."""

    def asked(self, number: int, recorded: Event, site: Site | None, outline: Callable[[], Output]) -> None:
        """The code asked for what is recorded.

        Args:
            site: the line of the code that asked; None where only the outline has it.
            outline: the event that the code would record now; making it encodes what goes with it.
        """

    def marked(self, kind: type[Output], key: str, site: Site | None) -> None:
        """The code passed what is recorded without an answer: `ctx.patched` (its change id), `ctx.set_status`."""
