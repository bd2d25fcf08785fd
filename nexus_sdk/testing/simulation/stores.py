"""The stores of a simulated world: memory in both its profiles, with the bounds, queues and lags of the clouds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from nexus_sdk.store.listing import matches, page_of
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities, Doorbell, InstanceRecord, Query, RecordPage
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.item import DIRECT_MAX
from nexus_sdk.store.split.memory import ItemShelf, MemoryQueues
from nexus_sdk.store.split.ports import Change, T
from nexus_sdk.store.split.rings import Ring
from nexus_sdk.store.split.store import SETTLED_MAX
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.faults import at_sub_step
from nexus_sdk.testing.simulation.footprint import Footprint, rows_between
from nexus_sdk.testing.simulation.plan import Plan
from nexus_sdk.testing.simulation.queues import PushingQueue, UnrulyQueue

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """What a cloud's database and queue can do, and no more.

    Attributes:
        capabilities: as the engine is told.
        item_bytes_max: an item, entity or document. What is put into one is held to it (`bounds`).
        message_bytes_max: a queue message.
        rows_max: so many items, entities or documents are written together at most.
    """

    capabilities: Capabilities
    item_bytes_max: int
    message_bytes_max: int
    rows_max: int


CLOUDS = {
    # An SQS message is invisible for 12 hours and delayed for 15 minutes at most. Indexes are eventually consistent.
    "dynamodb": Cloud(
        Capabilities(
            lease_seconds_max=43_200.0,
            payload_bytes_max=100_000,
            commit_bytes_max=390_000,
            delay_seconds_max=900.0,
            settles_max=SETTLED_MAX,
            list_lag_seconds=5.0,
        ),
        item_bytes_max=400 * 1024,
        message_bytes_max=256 * 1024,
        rows_max=100,
    ),
    # A queue message of Azure is hidden for 7 days at most, and lives no longer.
    "tables": Cloud(
        Capabilities(
            lease_seconds_max=7 * DAY_SECONDS,
            payload_bytes_max=48_000,
            commit_bytes_max=1_000_000,
            delay_seconds_max=7 * DAY_SECONDS,
            settles_max=SETTLED_MAX,
            list_lag_seconds=2.0,
        ),
        item_bytes_max=1024 * 1024,
        message_bytes_max=64 * 1024,
        rows_max=100,
    ),
    # A task is scheduled 30 days ahead at most. Cloud Tasks call a worker; they cannot be asked.
    "firestore": Cloud(
        Capabilities(
            can_pull=False,
            payload_bytes_max=100_000,
            commit_bytes_max=1_000_000,
            delay_seconds_max=30 * DAY_SECONDS,
            settles_max=SETTLED_MAX,
            list_lag_seconds=5.0,
        ),
        item_bytes_max=1024 * 1024,
        message_bytes_max=100 * 1024,
        rows_max=500,
    ),
}

LAGGING = Capabilities(settles_max=SETTLED_MAX, list_lag_seconds=5.0)
"""Of a split store that is nobody's in particular."""


class SimulatedSplitStore(SplitMemoryStore):
    """A split store in memory with a table whose indexes lag."""

    def __init__(
        self, plan: Plan, true: FakeClock, note: Callable[[str, str], None], on_write: Callable[[], None]
    ) -> None:
        def between(name: str) -> Awaitable[None] | None:
            if name.endswith(" after"):
                on_write()
            return at_sub_step(name)

        cloud = CLOUDS.get(plan.profile)
        chance = Random(f"{plan.seed}/lag")
        self.table: LaggingShelf
        if cloud is None:
            self.table = LaggingShelf(chance, plan.rates.stale, true, note)
        else:
            from nexus_sdk.testing.simulation.rows import RowShelf

            self.table = RowShelf(chance, plan.rates.stale, true, note, cloud.rows_max)
        self._true = true
        super().__init__(between=between, shelf=self.table)
        self._queues = ClockedQueues(self, true)

    async def _wait_for_a_move(self, bell: Doorbell) -> None:
        """Who watches an instance looks once in a while: whoever has moved it may have died before he said so."""
        call = self._true.call_at(self._true.now_us() + WATCH_US, bell.ring, is_background=True)
        try:
            await bell.wait()
        finally:
            call.cancel()


class ClockedQueues(MemoryQueues):
    """Queues have a clock of their own, the true one: what they are told is a delay, on the clock of who tells it."""

    def __init__(self, store: SplitMemoryStore, true: FakeClock) -> None:
        super().__init__(store)
        self._true = true

    async def put(self, rings: Sequence[Ring], *, now_us: int) -> Sequence[Ring]:
        """See `Queues.put`."""
        for ring in rings:
            own = replace(ring, visible_us=self._own_us(ring.visible_us, now_us))
            ring.number = self._store.queue.put(own)
        return rings

    async def take(self, queue: str, *, limit: int, now_us: int, until_us: int, holder: str) -> Sequence[Ring]:
        """See `Queues.take`."""
        own_us = self._own_us(until_us, now_us)
        return await super().take(queue, limit=limit, now_us=self._true.now_us(), until_us=own_us, holder=holder)

    async def hide(self, ring: Ring, *, until_us: int, now_us: int, is_taken: bool) -> None:
        """See `Queues.hide`."""
        await super().hide(ring, until_us=self._own_us(until_us, now_us), now_us=now_us, is_taken=is_taken)

    def next_visible_us(self, queue: str, now_us: int) -> int | None:
        """See `Queues.next_visible_us`."""
        visible_us = super().next_visible_us(queue, now_us)
        return None if visible_us is None else now_us + max(0, visible_us - self._true.now_us())

    def _own_us(self, when_us: int, now_us: int) -> int:
        return self._true.now_us() + max(0, when_us - now_us)


WATCH_US = 5_000_000
"""So often somebody who waits for an instance to move looks for himself."""


class LaggingShelf(ItemShelf):
    """A table whose indexes lag: `list`, `count`, and what its sweep is told to look at.

    Each record is seen there as it was some time ago, up to `lag_us`, each for itself, as indexes have it.

    Attributes:
        rows_max: so many rows a change may come to; None: it is not looked at.
        most_rows: so many the largest one came to.
        changes_count: so often something may have changed.
    """

    lag_us = 5_000_000
    rows_max: int | None = None
    most_rows = 0
    changes_count = 0

    def __init__(self, chance: Random, rate: float, true: FakeClock, note: Callable[[str, str], None]) -> None:
        super().__init__()
        self.is_calm = False
        self._chance = chance
        self._rate = rate
        self._true = true
        self._note = note
        self._past: dict[str, list[tuple[int, InstanceRecord | None]]] = {}

    def remember(self, instance_id: str) -> None:
        """Something of this instance has changed."""
        item = self.item(instance_id)
        past = self._past.setdefault(instance_id, [])
        record = item.record if item is not None else None
        if not past or past[-1][1] is not record:
            past.append((self._true.now_us(), record))

    async def change(
        self, instance_id: str, change: Change[T], *, tasks: Sequence[str] = (), fresh: Sequence[str] = ()
    ) -> T:
        """See `Table.change`."""
        self.changes_count += 1
        if self.rows_max is None:
            return await super().change(instance_id, change)
        before = Footprint.of(self.item(instance_id))
        try:
            return await super().change(instance_id, change)
        finally:
            rows = rows_between(before, Footprint.of(self.item(instance_id)))
            self.most_rows = max(self.most_rows, rows)

    def write_back(self, instance_id: str) -> None:
        """The item was changed by hand: here it is the truth itself."""
        self.changes_count += 1

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Store.list`."""
        return page_of(self._seen("list"), query, limit=limit, cursor=cursor)

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return sum(matches(record, query) for record in self._seen("count"))

    def _seen(self, verb: str) -> Iterator[InstanceRecord]:
        if not self._is_stale(verb):
            yield from [item.record for item in self.items.values()]
            return
        for past in self._past.values():
            at_us = self._true.now_us() - self._chance.randrange(self.lag_us)
            record = next((record for since_us, record in reversed(past) if since_us <= at_us), None)
            if record is not None:
                yield record

    def _to_be_looked_at(self, before_us: int, grace_us: int) -> Iterator[str]:
        found = list(super()._to_be_looked_at(before_us, grace_us))
        if not self._past or not self._is_stale("due"):
            return iter(found)
        # Some are not there yet; others are still there, though there is nothing to be done, or they are gone.
        return (id for id in self._past if self._chance.random() < (0.5 if id in found else 0.2))

    def _is_stale(self, verb: str) -> bool:
        if self.is_calm or not self._rate or self._chance.random() >= self._rate:
            return False
        self._note("stale", verb)
        return True


MemoryStores = MemoryStore | SimulatedSplitStore


DIRECT_MAXIMA = (10, 10, 10, 20, DIRECT_MAX)
"""So many sends of a turn to its own instance are part of its write: mostly fewer than there is room for, so that a
fan-out which is quickly run leaves something to the outbox."""


def open_simulated(
    plan: Plan, true: FakeClock, note: Callable[[str, str], None], on_write: Callable[[], None]
) -> MemoryStores:
    """The store of a run.

    Args:
        plan: says which, and what goes wrong in it.
        true: the true time.
        note: told of each fault of its own: what, and at which of its calls.
        on_write: called after each write of a store that makes several.
    """
    store: MemoryStores
    if not plan.is_split:
        store = MemoryStore()
    else:
        store = SimulatedSplitStore(plan, true, note, on_write)
        cloud = CLOUDS.get(plan.profile)
        store.capabilities = cloud.capabilities if cloud is not None else LAGGING
        store.table.rows_max = cloud.rows_max if cloud is not None else None
        store.table.lag_us = round(store.capabilities.list_lag_seconds * 1_000_000)
        store.direct_max = Random(f"{plan.seed}/direct").choice(DIRECT_MAXIMA)
        delay = store.capabilities.delay_seconds_max
        store.queue = (UnrulyQueue if store.capabilities.can_pull else PushingQueue)(
            Random(f"{plan.seed}/queue"),
            plan.rates,
            true,
            note,
            receives_max=plan.receives_max if plan.rates.dead_letter else None,
            delay_us_max=None if delay is None else round(delay * 1_000_000),
        )
    bytes_max = min(plan.payload_bytes_max, store.capabilities.payload_bytes_max)
    store.capabilities = replace(store.capabilities, payload_bytes_max=bytes_max)
    return store


def changes_of(store: MemoryStores) -> int | None:
    """How often something in it may have changed; None when it does not count."""
    return store.table.changes_count if isinstance(store, SimulatedSplitStore) else None


def queue_of(store: MemoryStores) -> UnrulyQueue | None:
    """The queue of a split store."""
    return cast("UnrulyQueue", store.queue) if isinstance(store, SimulatedSplitStore) else None


def be_calm(store: MemoryStores) -> None:
    """Nothing goes wrong in it any more."""
    queue = queue_of(store)
    if isinstance(store, SimulatedSplitStore) and queue is not None:
        store.table.is_calm = queue.is_calm = True
