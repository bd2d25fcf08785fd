"""The clocks of a simulated world: the true time, and what the processes take for it.

Waiting is by duration, as real timers are: a clock that is set back while something waits lets it wake too early, by
that clock. The one rule: only the world moves time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nexus_sdk.engine.environment import Cancellable
from nexus_sdk.testing.clock import FakeClock


class SkewedClock:
    """The clock of one process: off by some microseconds, and set anew now and then. See `Clock`.

    Attributes:
        offset_us: how far it is ahead of the true time.
        is_stopped: the process is paused: nothing that falls due happens before it goes on.
    """

    def __init__(self, true: FakeClock, offset_us: int = 0) -> None:
        self.offset_us = offset_us
        self.is_stopped = False
        self._true = true
        self._late: list[Callable[[], Any]] = []

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self._true.now_us() + self.offset_us

    def call_at(self, when_us: int, callback: Callable[[], Any], *, is_background: bool = False) -> Cancellable:
        """See `Clock.call_at`."""

        def ring() -> None:
            if self.is_stopped:
                self._late.append(callback)
            else:
                callback()

        return self._true.call_at(when_us - self.offset_us, ring, is_background=is_background)

    def go_on(self) -> None:
        """The process runs again: what has fallen due meanwhile happens now."""
        self.is_stopped = False
        late, self._late = self._late, []
        for callback in late:
            callback()
