"""The stores of a simulated world: memory in both its profiles, with the bounds and the queues of the clouds.

Not simulated yet: a store that only pushes (Cloud Tasks), lists that lag, and a blob store that fails by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.rings import Ring, RingQueue
from nexus_sdk.testing.faults import at_sub_step
from nexus_sdk.testing.simulation.plan import Plan, Rates

DAY_SECONDS = 86_400.0

LIMITS = {
    # A message of SQS is invisible for 12 hours at most and delayed for 15 minutes; an item has 400 kB.
    "dynamodb": Capabilities(lease_seconds_max=43_200.0, commit_bytes_max=400_000, delay_seconds_max=900.0),
    # A queue message of Azure holds 64 kB, and is hidden for 7 days at most; an entity has 1 MiB.
    "tables": Capabilities(
        lease_seconds_max=7 * DAY_SECONDS,
        payload_bytes_max=48_000,
        commit_bytes_max=1_000_000,
        delay_seconds_max=7 * DAY_SECONDS,
    ),
    # A task is scheduled 30 days ahead at most; a document has 1 MiB.
    "firestore": Capabilities(
        payload_bytes_max=100_000, commit_bytes_max=1_000_000, delay_seconds_max=30 * DAY_SECONDS
    ),
}

MemoryStores = MemoryStore | SplitMemoryStore


def open_simulated(
    plan: Plan, now_us: Callable[[], int], note: Callable[[str, str], None], on_write: Callable[[], None]
) -> MemoryStores:
    """The store of a run.

    Args:
        plan: says which, and what its queue does.
        now_us: the true time.
        note: told of each fault of the queue: what, and at which of its calls.
        on_write: called after each write of a store that makes several.
    """

    async def between(name: str) -> None:
        if name.endswith(" after"):
            on_write()
        await at_sub_step(name)

    store: MemoryStores
    if plan.profile == "memory":
        store = MemoryStore()
    else:
        store = SplitMemoryStore(between=between)
        limits = LIMITS.get(plan.profile)
        if limits is not None:
            store.capabilities = limits
        delay = store.capabilities.delay_seconds_max
        store.queue = UnrulyQueue(Random(f"{plan.seed}/queue"), plan.rates, now_us, note, _us(delay))
    bytes_max = min(plan.payload_bytes_max, store.capabilities.payload_bytes_max)
    store.capabilities = replace(store.capabilities, payload_bytes_max=bytes_max)
    return store


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


class UnrulyQueue(RingQueue):
    """A queue that loses messages, delivers them late, twice, in any order, and again after they were acknowledged.

    `is_calm`: it no longer does.
    """

    def __init__(
        self,
        chance: Random,
        rates: Rates,
        now_us: Callable[[], int],
        note: Callable[[str, str], None],
        delay_us_max: int | None,
    ) -> None:
        RingQueue.__init__(self)
        self.is_calm = False
        self._chance = chance
        self._rates = rates
        self._now_us = now_us
        self._note = note
        self._delay_us_max = delay_us_max

    def put(self, ring: Ring) -> int:
        """See `RingQueue.put`."""
        if self._strikes("late_ring", "put"):
            ring.visible_us = max(ring.visible_us, self._now_us()) + self._chance.randrange(20_000_000)
        ring.visible_us = self._bounded(ring.visible_us)
        number = RingQueue.put(self, ring)
        if self._strikes("duplicate", "put"):
            RingQueue._add(self, replace(ring, is_taken=False))
        if self._strikes("lost_ring", "put"):
            RingQueue.remove(self, ring.queue, number)
        return number

    def take(self, queue: str, *, now_us: int, until_us: int, holder: str) -> Ring | None:
        """See `RingQueue.take`."""
        until_us = self._bounded(until_us)
        ring = self._take_any(queue, now_us, until_us) if self._strikes("reorder", "take") else None
        ring = ring or RingQueue.take(self, queue, now_us=now_us, until_us=until_us, holder=holder)
        if ring is not None and self._strikes("lost_ring", "take"):
            RingQueue.remove(self, queue, ring.number)  # it does not come back: too old, or received too often
        return ring

    def hide(self, queue: str, number: int, until_us: int, *, is_taken: bool = True) -> None:
        """See `RingQueue.hide`."""
        RingQueue.hide(self, queue, number, self._bounded(until_us), is_taken=is_taken)

    def remove(self, queue: str, number: int) -> None:
        """See `RingQueue.remove`."""
        ring = self._rings.get(queue, {}).get(number)
        if ring is not None and self._strikes("redeliver", "remove"):
            ring.visible_us, ring.is_taken = self._now_us() + self._chance.randrange(5_000_000), False
            return
        RingQueue.remove(self, queue, number)

    def _take_any(self, queue: str, now_us: int, until_us: int) -> Ring | None:
        numbers = [number for number, ring in self._rings.get(queue, {}).items() if ring.visible_us <= now_us]
        if not numbers:
            return None
        ring = self._rings[queue][self._chance.choice(numbers)]
        ring.visible_us, ring.is_taken = until_us, True
        return replace(ring)

    def _bounded(self, until_us: int) -> int:
        if self._delay_us_max is None:
            return until_us
        return min(until_us, self._now_us() + self._delay_us_max)

    def _strikes(self, fault: str, call: str) -> bool:
        rate: float = getattr(self._rates, fault)
        if self.is_calm or not rate or self._chance.random() >= rate:
            return False
        self._note(fault, call)
        return True
