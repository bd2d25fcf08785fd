"""What queues do to messages: lose them, deliver them late, twice, in any order, again after they were acknowledged;
give them up; and some cannot be asked at all, but push.

The one rule: whatever happens here, the database is the truth, and the sweep stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from nexus_sdk.store.split.rings import Ring, RingQueue
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.simulation.rates import Rates

ANSWER_SECONDS = 10.0
"""So long a queue that pushes waits for whom it has pushed a message to, then it pushes it to somebody else."""

Target = tuple[str, Callable[[], None]]
"""A worker to whom messages may be pushed: its name as a holder of leases, and how to wake it."""


class UnrulyQueue(RingQueue):
    """See the module. `is_calm`: nothing of the kind happens any more.

    Args:
        receives_max: so often a message is delivered before it goes to the dead letters; None: for ever.
        delay_us_max: so long a message is delayed, or hidden, at most.
    """

    def __init__(
        self,
        chance: Random,
        rates: Rates,
        true: FakeClock,
        note: Callable[[str, str], None],
        *,
        receives_max: int | None,
        delay_us_max: int | None,
    ) -> None:
        super().__init__(receives_max=receives_max)
        self.is_calm = False
        self._chance = chance
        self._rates = rates
        self._true = true
        self._note = note
        self._delay_us_max = delay_us_max

    def put(self, ring: Ring) -> int:
        """See `RingQueue.put`."""
        if self.strikes("late ring", "put", self._rates.late_ring):
            ring.visible_us = max(ring.visible_us, self._true.now_us()) + self._chance.randrange(20_000_000)
        ring.visible_us = self._bounded(ring.visible_us)
        number = super().put(ring)
        if self.strikes("duplicate", "put", self._rates.duplicate):
            self._add(replace(ring, is_taken=False))
        if self.strikes("lost ring", "put", self._rates.lost_ring):
            RingQueue.remove(self, ring.queue, number)
        return number

    def take(self, queue: str, *, now_us: int, until_us: int, holder: str) -> Ring | None:
        """See `RingQueue.take`."""
        ring = super().take(queue, now_us=now_us, until_us=self._bounded(until_us), holder=holder)
        if ring is not None and self.strikes("lost ring", "take", self._rates.lost_ring):
            RingQueue.remove(self, queue, ring.number)  # it does not come back: too old
        return ring

    def hide(self, queue: str, number: int, until_us: int, *, is_taken: bool = True) -> None:
        """See `RingQueue.hide`."""
        super().hide(queue, number, self._bounded(until_us), is_taken=is_taken)

    def remove(self, queue: str, number: int) -> None:
        """See `RingQueue.remove`."""
        ring = self._rings.get(queue, {}).get(number)
        if ring is not None and self.strikes("redeliver", "remove", self._rates.redeliver):
            ring.visible_us, ring.is_taken = self._true.now_us() + self._chance.randrange(5_000_000), False
            self._is_put(ring)
            return
        super().remove(queue, number)

    def strikes(self, fault: str, call: str, rate: float) -> bool:
        """Whether a fault that is so likely strikes now, as long as it is not calm. It is noted then."""
        if self.is_calm or not rate or self._chance.random() >= rate:
            return False
        self._note(fault, call)
        return True

    def _choose(self, visible: Sequence[Ring]) -> Ring:
        if len(visible) > 1 and self.strikes("reorder", "take", self._rates.reorder):
            return self._chance.choice(visible)
        return super()._choose(visible)

    def _is_given_up(self, ring: Ring) -> bool:
        """One that was received is counted once more, now and then: the message comes to the dead letters sooner."""
        if self.receives_max is not None and ring.receives and self.strikes("dead letter", "take", self._dead_rate):
            ring.receives += 1
        return super()._is_given_up(ring)

    @property
    def _dead_rate(self) -> float:
        return self._rates.dead_letter

    def _bounded(self, until_us: int) -> int:
        if self._delay_us_max is None:
            return until_us
        return min(until_us, self._true.now_us() + self._delay_us_max)


class PushingQueue(UnrulyQueue):
    """A queue that calls a worker when a message falls due, one of those that are there; who asks gets nothing else.

    `targets`: who is there. A message that nobody answers for is pushed again, to anybody.
    """

    targets: Callable[[], Sequence[Target]] = staticmethod(lambda: ())

    def next_visible_us(self, queue: str) -> int | None:
        """Nobody can ask: it will call."""
        return None

    def _visible(self, queue: str, now_us: int, holder: str) -> list[Ring]:
        return [ring for ring in self._rings.get(queue, {}).values() if ring.pushed_to == holder]

    def _is_put(self, ring: Ring) -> None:
        """See that it is pushed when its time has come."""
        ring.pushed_to = ""
        queue, number = ring.queue, ring.number
        when_us = max(ring.visible_us, self._true.now_us())
        self._true.call_at(when_us, lambda: self._push(queue, number), is_background=True)

    def _push(self, queue: str, number: int) -> None:
        ring = self._rings.get(queue, {}).get(number)
        now_us = self._true.now_us()
        if ring is None or ring.visible_us > now_us:
            return  # it is done with, or was put off: then it will be pushed later
        targets = self.targets()
        ring.visible_us = now_us + round(ANSWER_SECONDS * 1_000_000)
        self._is_put(ring)
        if targets:
            ring.pushed_to, wake = targets[self._chance.randrange(len(targets))]
            wake()
