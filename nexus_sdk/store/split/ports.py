"""What a split store is made of: a table with one conditional write, and queues that only ring or refer.

A provider supplies these, and no more; the protocol over them is `SplitStore`. The one rule: **a change is taken whole
or not at all, and may be asked for several times**; so what it does to anything but its slot has to be harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from nexus_sdk.store.port import InstanceRecord, Loaded, Query, RecordPage
from nexus_sdk.store.split.item import SplitItem
from nexus_sdk.store.split.rings import Ring

T = TypeVar("T")


class Slot(Protocol):
    """What stands under one instance id: an item, or none; and the tombstones of those that were purged."""

    @property
    def item(self) -> SplitItem | None:
        """The instance, if there is one. What is changed in it is written when the change returns."""

    def put(self, record: InstanceRecord, seq: int) -> SplitItem:
        """A new item where there is none: empty, but for its record."""

    def bury(self, now_us: int, tombstone_seconds: float) -> bool:
        """Take a finished instance away and leave a tombstone; False when that was done before.

        Raises:
            InstanceNotFound: there is neither an instance nor a tombstone.
            StoreError: it has not finished.
        """

    def is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        """Whether the tombstone of this very request stands."""

    def refuse(self, record: InstanceRecord, until_us: int) -> None:
        """Remember that this request was refused, because another one has the id."""

    def is_refused(self, record: InstanceRecord, now_us: int) -> bool:
        """Whether this very request was refused before."""


Change = Callable[[Slot], T]
"""Looks at a slot and changes it. Raising leaves it as it is. Changing nothing makes it a look, of one moment."""


class Table(Protocol):
    """The database: the truth, one conditional write at a time."""

    async def change(
        self, instance_id: str, change: Change[T], *, tasks: Sequence[str] = (), fresh: Sequence[str] = ()
    ) -> T:
        """Make a change, and return what it returns.

        Args:
            tasks: ids of tasks that it will look at; a hint, so that they are read together.
            fresh: ids of tasks that are most likely not there yet; a hint, so that they need not be read.
        """

    async def foresee(self, instance_id: str, tasks: Sequence[str]) -> None:
        """Several changes are about to look at one of these tasks each; a hint, so that they are read together."""

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Store.load`."""

    async def find(self, instance_id: str) -> InstanceRecord:
        """See `Store.find`."""

    async def late(self, *, before_us: int, grace_us: int, limit: int) -> Mapping[str, Sequence[str]]:
        """The instances that need a look, with their tasks that are overdue: from an index, and then looked at."""

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Store.list`."""

    async def count(self, query: Query) -> int:
        """See `Store.count`."""

    async def clear(self, instance_id: str) -> None:
        """Erase what a purge has left lying about: blobs, and whatever does not fit into one write."""

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """See `Store.put_blobs`."""

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store.get_blobs`."""


class Queues(Protocol):
    """The queues. A message may be delivered twice, late, in any order, or never."""

    async def put(self, rings: Sequence[Ring], *, now_us: int) -> Sequence[Ring]:
        """Send messages, all or some of them; returns them as the queue knows them."""

    async def take(self, queue: str, *, limit: int, now_us: int, until_us: int, holder: str) -> Sequence[Ring]:
        """Visible messages, hidden from others until then; the most urgent first, as far as the queue can tell."""

    async def hide(self, ring: Ring, *, until_us: int, now_us: int, is_taken: bool) -> None:
        """Change when a message is visible again; `is_taken`: meanwhile somebody works on it."""

    async def remove(self, rings: Sequence[Ring]) -> None:
        """They are done with."""

    async def dead_letters(self, *, now_us: int) -> Sequence[Ring]:
        """Some of what was delivered too often and never acknowledged, with the number of deliveries; it stays."""

    async def remove_dead_letter(self, letter: Ring) -> None:
        """It was heeded."""

    def next_visible_us(self, queue: str, now_us: int) -> int | None:
        """When the next message is visible, as far as it is known here."""
