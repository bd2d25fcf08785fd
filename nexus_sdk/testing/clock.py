"""A clock that only moves when it is told to, or when everybody waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from nexus_sdk.authoring.duration import datetime_of

START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z: where a fake clock starts."""


class FakeClock:
    """Time for tests. It governs everything the engine knows of time.

    Args:
        start_us: where it starts, in microseconds since the epoch.
    """

    def __init__(self, start_us: int = START_US) -> None:
        self._now_us = start_us
        self._calls: list[tuple[int, int, _Call]] = []
        """A heap; of those of one time, the one that was arranged first comes first."""
        self._numbers = itertools.count()

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self._now_us

    def call_at(self, when_us: int, callback: Callable[[], Any], *, is_background: bool = False) -> _Call:
        """See `Clock.call_at`."""
        call = _Call(when_us, callback, is_background)
        if when_us <= self._now_us:
            asyncio.get_running_loop().call_soon(call.ring)
        else:
            heapq.heappush(self._calls, (when_us, next(self._numbers), call))
        return call

    def next_due_us(self) -> int | None:
        """When the next call that moves something is due."""
        self._calls = [entry for entry in self._calls if not entry[-1].is_over]
        heapq.heapify(self._calls)
        return min((when_us for when_us, _, call in self._calls if not call.is_background), default=None)

    def due_times_us(self) -> list[int]:
        """When calls that move something are due, in order."""
        return sorted({when_us for when_us, _, call in self._calls if not call.is_background and not call.is_over})

    def next_call_us(self) -> int | None:
        """When the next call of any kind is due."""
        while self._calls and self._calls[0][-1].is_over:
            heapq.heappop(self._calls)
        return self._calls[0][0] if self._calls else None

    def jump_to(self, when_us: int) -> None:
        """Set the time to `when_us`, never back, and ring what is due by then, in order."""
        self._now_us = max(self._now_us, when_us)
        while self._calls and self._calls[0][0] <= self._now_us:
            heapq.heappop(self._calls)[-1].ring()

    def __repr__(self) -> str:
        return f"<fake clock at {datetime_of(self._now_us).isoformat()}>"


class _Call:
    """One arranged call."""

    __slots__ = ("callback", "is_background", "is_over", "when_us")

    def __init__(self, when_us: int, callback: Callable[[], Any], is_background: bool) -> None:
        self.when_us = when_us
        self.callback = callback
        self.is_background = is_background
        self.is_over = False

    def ring(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.callback()

    def cancel(self) -> None:
        self.is_over = True
