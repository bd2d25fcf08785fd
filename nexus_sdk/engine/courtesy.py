"""Leaving to others what this worker does not serve: soon, later when nobody takes it, and the others go first.

Workers of different code on one store are ordinary. A delivery that is given back falls due for all of them at the
same moment; the one that gave it back holds itself back a little then, so that whoever serves it gets it.
"""

from __future__ import annotations

from collections import OrderedDict

from nexus_sdk.engine.environment import Clock, Randomness

SOON_SECONDS = 0.05
LATEST_SECONDS = 10.0
"""How long something is left to others: first, and at most. It doubles each time that nobody took it, and is drawn
between a half and all of that, so that what two workers leave to each other does not fall due at one moment."""

HOLD_BACK_US = 50_000
"""So much later than the others this worker looks at what it has left to them."""

UNSERVED_SECONDS = 300.0
UNSERVED_TRIES = 8
"""For so long, and so often at least, an instance is left to others before it is blocked: nobody seems to serve it. The
times are counted for a machine that was asleep meanwhile, and the others with it."""

REMEMBERED_MAX = 10_000


class Courtesy:
    """What this worker has left to others, and until when."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._left: OrderedDict[tuple[str, int], tuple[float, int, int]] = OrderedDict()
        self._times: set[int] = set()

    def leave(self, id: str, number: int) -> int:
        """From when on a delivery that is given back may be delivered again.

        Args:
            id, number: an instance and its last batch, or a task and its attempt: what has moved on begins anew.
        """
        now_us = self._clock.now_us()
        before, times, since_us = self._left.pop((id, number), (SOON_SECONDS / 2, 0, now_us))
        seconds = min(2 * before, LATEST_SECONDS)
        drawn = seconds * (1 + self._randomness.fraction()) / 2
        until_us = now_us + round(drawn * 1_000_000)
        self._left[id, number] = seconds, times + 1, since_us
        self._times.add(until_us)
        while len(self._left) > REMEMBERED_MAX:
            self._left.popitem(last=False)
        return until_us

    def is_over(self, id: str, number: int) -> bool:
        """Whether it was left to others for so long that there seem to be none."""
        if (id, number) not in self._left:
            return False
        _, times, since_us = self._left[id, number]
        return times >= UNSERVED_TRIES and self._clock.now_us() - since_us >= UNSERVED_SECONDS * 1_000_000

    def when_to_look(self, due_us: int) -> int:
        """When this worker looks at what falls due then: later than the others, if it has left it to them."""
        now_us = self._clock.now_us()
        self._times = {time for time in self._times if time + HOLD_BACK_US >= now_us}
        return due_us + HOLD_BACK_US if due_us in self._times else due_us
