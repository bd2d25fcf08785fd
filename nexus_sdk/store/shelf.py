"""Instances in memory: finding, listing, watching and burying them. What both in-memory stores have in common.

The one rule: nothing here moves an instance on; how that is done is what the two profiles differ in.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from nexus_sdk.core.status import Status
from nexus_sdk.store.bell import BellBoard, has_moved
from nexus_sdk.store.item import Item
from nexus_sdk.store.listing import matches, page_of
from nexus_sdk.store.port import Capabilities, Doorbell, InstanceRecord, Loaded, Query, RecordPage
from nexus_sdk.store.refusals import not_found, unfinished

ItemT = TypeVar("ItemT", bound=Item)


class Shelf(Generic[ItemT]):
    """The items by instance id, the tombstones of those that were purged, and who waits for news."""

    capabilities = Capabilities(is_durable=False, is_shared=False)

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._items: dict[str, ItemT] = {}
        self._tombstones: dict[tuple[str, str], int] = {}
        self._blobs: dict[str, dict[bytes, bytes]] = {}
        self._board = BellBoard()
        self._count = 0

    # --- reading --------------------------------------------------------------------------------------------------

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """Record, batches and pending messages of one moment."""
        with self._lock:
            return self._item(instance_id).loaded(run_id, after)

    async def find(self, instance_id: str) -> InstanceRecord:
        """The record alone."""
        with self._lock:
            return self._item(instance_id).record

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """A page of the instances that match, newest first."""
        with self._lock:
            records = [item.record for item in self._items.values()]
        return page_of(records, query, limit=limit, cursor=cursor)

    async def count(self, query: Query) -> int:
        """How many instances match."""
        with self._lock:
            return sum(matches(item.record, query) for item in self._items.values())

    # --- blobs ----------------------------------------------------------------------------------------------------

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """Keep large payloads."""
        with self._lock:
            self._blobs.setdefault(instance_id, {}).update(blobs)

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Large payloads."""
        with self._lock:
            kept = self._blobs.get(instance_id, {})
            return {digest: kept[digest] for digest in digests if digest in kept}

    # --- waiting --------------------------------------------------------------------------------------------------

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """Return when the instance has moved on."""
        bell = self._board.add_watch(instance_id, wants_every_move=status is None)
        try:
            while True:
                with self._lock:
                    item = self._items.get(instance_id)
                if item is None or has_moved(item.record, run_id, after, status):
                    return
                await bell.wait()
        finally:
            self._board.drop_watch(instance_id, bell)

    def doorbell(self) -> Doorbell:
        """A new bell."""
        return self._board.new_bell()

    async def migrate(self) -> int:
        """Nothing to bring up to date."""
        return 1

    async def close(self) -> None:
        """Nothing to release; the instances stay as long as the store object."""

    # --- leaves; all under the lock -------------------------------------------------------------------------------

    def _item(self, instance_id: str) -> ItemT:
        item = self._items.get(instance_id)
        if item is None:
            raise not_found(instance_id)
        return item

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _bury(self, instance_id: str, now_us: int, tombstone_seconds: float) -> ItemT | None:
        """Take a finished instance off the shelf and leave a tombstone; None when that was done before."""
        self._tombstones = {key: until for key, until in self._tombstones.items() if until > now_us}
        item = self._items.get(instance_id)
        if item is None:
            if any(key[0] == instance_id for key in self._tombstones):
                return None
            raise not_found(instance_id)
        if not item.record.status.is_finished:
            raise unfinished(instance_id, item.record.status)
        del self._items[instance_id]
        self._blobs.pop(instance_id, None)
        key = (instance_id, item.record.request_id)
        self._tombstones[key] = now_us + round(tombstone_seconds * 1_000_000)
        return item

    def _is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        return self._tombstones.get((record.id, record.request_id), now_us) > now_us
