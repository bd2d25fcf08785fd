"""A split store in memory: what a cloud database and a queue can do, and no more.

The protocol is that of every split store (`SplitStore`); here are only its parts. Like the queues of the clouds, the
one in memory may be told to lose and double its messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from nexus_sdk.store.port import Capabilities, InstanceRecord
from nexus_sdk.store.shelf import Shelf
from nexus_sdk.store.split.item import SplitItem
from nexus_sdk.store.split.ports import Change, T
from nexus_sdk.store.split.rings import Ring, RingQueue
from nexus_sdk.store.split.steps import Between
from nexus_sdk.store.split.store import SETTLED_MAX, SplitStore


class SplitMemoryStore(SplitStore):
    """See `SplitStore`. `queue`: all queues of the store; `shelf`: its table."""

    capabilities = Capabilities(settles_max=SETTLED_MAX, is_durable=False, is_shared=False)

    def __init__(
        self,
        *,
        between: Between | None = None,
        outbox_grace_seconds: float = 5.0,
        shelf: ItemShelf | None = None,
    ) -> None:
        self.queue = RingQueue()
        self._shelf = shelf if shelf is not None else ItemShelf()
        super().__init__(
            self._shelf,
            MemoryQueues(self),
            next_number=self._shelf.next_number,
            between=between,
            outbox_grace_seconds=outbox_grace_seconds,
        )

    @property
    def _items(self) -> Mapping[str, SplitItem]:
        return self._shelf.items

    @property
    def _blobs(self) -> Mapping[str, Mapping[bytes, bytes]]:
        return self._shelf.blobs


class ItemShelf(Shelf[SplitItem]):
    """The table: a change is made on the item itself, under the lock."""

    def __init__(self) -> None:
        super().__init__()
        self._refusals: dict[tuple[str, str], int] = {}

    @property
    def items(self) -> Mapping[str, SplitItem]:
        """All instances, by their ids."""
        return self._items

    @property
    def blobs(self) -> Mapping[str, Mapping[bytes, bytes]]:
        """All large payloads, by instance and digest."""
        return self._blobs

    def next_number(self) -> int:
        """One more than the last."""
        with self._lock:
            return self._next()

    async def change(
        self, instance_id: str, change: Change[T], *, tasks: Sequence[str] = (), fresh: Sequence[str] = ()
    ) -> T:
        """See `Table.change`."""
        with self._lock:
            return change(ShelfSlot(self, instance_id))

    async def foresee(self, instance_id: str, tasks: Sequence[str]) -> None:
        """See `Table.foresee`: nothing is to be read here."""

    async def late(self, *, before_us: int, grace_us: int, limit: int) -> Mapping[str, Sequence[str]]:
        """See `Table.late`."""
        with self._lock:
            found = [id for id, _ in zip(self._to_be_looked_at(before_us, grace_us), range(limit), strict=False)]
            items = ((id, self._items[id]) for id in found)
            return {id: list(item.overdue(item.tasks, before_us, grace_us)) for id, item in items}

    def _to_be_looked_at(self, before_us: int, grace_us: int) -> Iterator[str]:
        """The sparse index: it may lag where a real one does, so whoever is told of an instance looks for himself."""
        return (item.record.id for item in self._items.values() if item.needs_look(before_us, grace_us))

    async def clear(self, instance_id: str) -> None:
        """See `Table.clear`: the shelf buries everything at once."""

    def item(self, instance_id: str) -> SplitItem | None:
        """The item under this id."""
        return self._items.get(instance_id)

    def put(self, item: SplitItem) -> None:
        """A new item."""
        self._items[item.record.id] = item

    def bury(self, instance_id: str, now_us: int, tombstone_seconds: float) -> bool:
        """See `Slot.bury`."""
        return self._bury(instance_id, now_us, tombstone_seconds) is not None

    def is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_buried`."""
        return self._is_buried(record, now_us)

    def refuse(self, record: InstanceRecord, until_us: int) -> None:
        """See `Slot.refuse`."""
        self._refusals[record.id, record.request_id] = until_us

    def is_refused(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_refused`."""
        return self._refusals.get((record.id, record.request_id), now_us) > now_us


class ShelfSlot:
    """See `Slot`."""

    def __init__(self, shelf: ItemShelf, instance_id: str) -> None:
        self._shelf = shelf
        self._id = instance_id

    @property
    def item(self) -> SplitItem | None:
        """See `Slot.item`."""
        return self._shelf.item(self._id)

    def put(self, record: InstanceRecord, seq: int) -> SplitItem:
        """See `Slot.put`."""
        item = SplitItem(record, seq)
        self._shelf.put(item)
        return item

    def bury(self, now_us: int, tombstone_seconds: float) -> bool:
        """See `Slot.bury`."""
        return self._shelf.bury(self._id, now_us, tombstone_seconds)

    def is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_buried`."""
        return self._shelf.is_buried(record, now_us)

    def refuse(self, record: InstanceRecord, until_us: int) -> None:
        """See `Slot.refuse`."""
        self._shelf.refuse(record, until_us)

    def is_refused(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_refused`."""
        return self._shelf.is_refused(record, now_us)


class HasQueue(Protocol):
    """Whoever has a queue, which may be exchanged for another one."""

    queue: RingQueue


class MemoryQueues:
    """See `Queues`: over whatever queue the store has by now."""

    def __init__(self, store: HasQueue) -> None:
        self._store = store

    async def put(self, rings: Sequence[Ring], *, now_us: int) -> Sequence[Ring]:
        """See `Queues.put`."""
        for ring in rings:
            ring.number = self._store.queue.put(ring)
        return rings

    async def take(self, queue: str, *, limit: int, now_us: int, until_us: int, holder: str) -> Sequence[Ring]:
        """See `Queues.take`: one at a time."""
        ring = self._store.queue.take(queue, now_us=now_us, until_us=until_us, holder=holder)
        return [ring] if ring is not None else []

    async def hide(self, ring: Ring, *, until_us: int, now_us: int, is_taken: bool) -> None:
        """See `Queues.hide`."""
        self._store.queue.hide(ring.queue, ring.number, until_us, is_taken=is_taken)

    async def remove(self, rings: Sequence[Ring]) -> None:
        """See `Queues.remove`."""
        for ring in rings:
            self._store.queue.remove(ring.queue, ring.number)

    async def dead_letters(self, *, now_us: int) -> Sequence[Ring]:
        """See `Queues.dead_letters`: one at a time."""
        return self._store.queue.dead[:1]

    async def remove_dead_letter(self, letter: Ring) -> None:
        """See `Queues.remove_dead_letter`."""
        self._store.queue.dead = [other for other in self._store.queue.dead if other is not letter]

    def next_visible_us(self, queue: str, now_us: int) -> int | None:
        """See `Queues.next_visible_us`."""
        return self._store.queue.next_visible_us(queue)
