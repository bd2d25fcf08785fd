"""Deadlines: when a run wants to be woken, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

KEPT_MIN = 256
"""Up to this many, deadlines that are over are left where they are until they come up."""


class Deadlines:
    """A heap of (when, path). Those whose path nobody waits for any more are dropped when they come up.

    Args:
        is_stale: whether nobody waits for a path any more.
    """

    def __init__(self, is_stale: Callable[[str], bool]) -> None:
        self._is_stale = is_stale
        self._heap: list[tuple[int, int, str, int]] = []
        self._count = 0
        self._kept = KEPT_MIN

    def add(self, due_us: int, path: str, turn: int) -> None:
        """Have `path` told when `due_us` has come; set in the turn of this number."""
        self._count += 1
        heappush(self._heap, (due_us, self._count, path, turn))
        if len(self._heap) > self._kept:
            self._heap = [deadline for deadline in self._heap if not self._is_stale(deadline[2])]
            heapify(self._heap)
            self._kept = max(KEPT_MIN, 2 * len(self._heap))

    def next(self) -> tuple[int, str, int] | None:
        """The earliest one: when, path, and the turn it was set in."""
        while self._heap and self._is_stale(self._heap[0][2]):
            heappop(self._heap)
        if not self._heap:
            return None
        due_us, _, path, turn = self._heap[0]
        return due_us, path, turn

    def pop(self) -> None:
        """Take out the earliest one."""
        heappop(self._heap)
