"""What is ready, and what will be: an index in memory over due times and ranks. Pure; no clock.

The one rule: an entry is either current or skipped; nothing is searched for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

Rank = tuple[int, int]
Key = tuple[str, str]


@dataclass(slots=True)
class Agenda:
    """Keys that fall due, handed out by rank (lowest first) once their time has come."""

    _current: dict[Key, tuple[int, Rank]] = field(default_factory=dict)
    _waiting: list[tuple[int, Rank, Key]] = field(default_factory=list)
    _ready: list[tuple[Rank, int, Key]] = field(default_factory=list)

    def put(self, key: Key, due_us: int | None, rank: Rank) -> None:
        """`key` falls due at `due_us` (None: not at all), whatever was said of it before."""
        if due_us is None:
            self._current.pop(key, None)
            return
        if self._current.get(key) == (due_us, rank):
            return
        self._current[key] = (due_us, rank)
        heapq.heappush(self._waiting, (due_us, rank, key))

    def remove(self, key: Key) -> None:
        """`key` does not fall due any more."""
        self._current.pop(key, None)

    def take(self, now_us: int) -> Iterator[Key]:
        """The keys that are due, by rank. What was taken is off the agenda until it is `put` again."""
        self._promote(now_us)
        while self._ready:
            rank, due_us, key = heapq.heappop(self._ready)
            if self._current.get(key) == (due_us, rank):
                del self._current[key]
                yield key

    def next_due_us(self, now_us: int) -> int | None:
        """When there is, or may be, something to take."""
        self._promote(now_us)
        while self._ready and not self._is_current(self._ready[0][2], self._ready[0][1], self._ready[0][0]):
            heapq.heappop(self._ready)
        if self._ready:
            return now_us
        while self._waiting and not self._is_current(self._waiting[0][2], self._waiting[0][0], self._waiting[0][1]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def _is_current(self, key: Key, due_us: int, rank: Rank) -> bool:
        return self._current.get(key) == (due_us, rank)

    def _promote(self, now_us: int) -> None:
        while self._waiting and self._waiting[0][0] <= now_us:
            due_us, rank, key = heapq.heappop(self._waiting)
            if self._is_current(key, due_us, rank):
                heapq.heappush(self._ready, (rank, due_us, key))
