"""An instance's history as a client reads it: a sequence of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from nexus_sdk.core.events import Event
from nexus_sdk.core.history import Batch


class History(Sequence[Event]):
    """The events of one run, in order.

    Attributes:
        batches: the same as they were appended, a batch for each turn, with time stamps, causes and hashes.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches: tuple[Batch, ...] = tuple(batches)
        self._events = tuple(event for batch in batches for event in batch.events)

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self._events[index]

    def __eq__(self, other: object) -> bool:
        """Whether it has the same events as another history, or a list of them."""
        return self._events == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._events)

    def __repr__(self) -> str:
        return f"<history of {len(self)} events in {len(self.batches)} turns>"
