"""Leaving to others what this worker does not serve: soon, later when nobody takes it, and the others go first.

Workers of different code on one store are ordinary. A delivery that is given back falls due for all of them at the
same moment; the one that gave it back holds itself back a little then, so that whoever serves it gets it.
"""

from __future__ import annotations

from collections import OrderedDict

from nexus_sdk.engine.environment import Clock

SOON_SECONDS = 0.05
LATEST_SECONDS = 10.0
"""How long something is left to others: first, and at most. It doubles each time that nobody took it."""

HOLD_BACK_SECONDS = 0.05
"""So much later than the others this worker looks at what it has left to them."""

REMEMBERED_MAX = 10_000


class Courtesy:
    """What this worker has left to others, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._times: set[int] = set()

    def leave(self, id: str, number: int) -> int:
        """From when on a delivery that is given back may be delivered again.

        Args:
            id, number: an instance and its last batch, or a task and its attempt: what has moved on begins anew.
        """
        seconds = min(2 * self._left.pop((id, number), SOON_SECONDS / 2), LATEST_SECONDS)
        until_us = self._clock.now_us() + round(seconds * 1_000_000)
        self._left[id, number] = seconds
        self._times.add(until_us)
        while len(self._left) > REMEMBERED_MAX:
            self._left.popitem(last=False)
        return until_us

    def is_left(self, due_us: int) -> bool:
        """Whether what falls due then is, as far as known, only what was left to others."""
        now_us = self._clock.now_us()
        self._times = {time for time in self._times if time + HOLD_BACK_SECONDS * 1_000_000 >= now_us}
        return due_us in self._times

    def after(self, due_us: int) -> int:
        """When this worker looks at what it has left to others."""
        return due_us + round(HOLD_BACK_SECONDS * 1_000_000)
