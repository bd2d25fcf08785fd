"""The real clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

LONGEST_WAIT_SECONDS = 86_400.0


class SystemClock:
    """Wall-clock time, and the event loop's timers."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.time_ns() // 1_000

    def call_at(self, when_us: int, callback: Callable[[], Any], *, is_background: bool = False) -> _Call:
        """See `Clock.call_at`."""
        return _Call(self, when_us, callback)


class _Call:
    """One arranged call. Long waits are cut up, so that a wall clock that is set is noticed within a day."""

    def __init__(self, clock: SystemClock, when_us: int, callback: Callable[[], Any]) -> None:
        self._clock = clock
        self._when_us = when_us
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._arm()

    def _arm(self) -> None:
        seconds = max(0.0, (self._when_us - self._clock.now_us()) / 1_000_000)
        self._timer = self._loop.call_later(min(seconds, LONGEST_WAIT_SECONDS), self._ring)

    def _ring(self) -> None:
        # The loop's clock and the wall clock need not agree to the microsecond: never early.
        if self._clock.now_us() < self._when_us:
            self._arm()
        else:
            self._callback()

    def cancel(self) -> None:
        self._timer.cancel()
