"""A split store in memory, over rows: the code of every provider that keeps rows, without a network.

The table refuses what a cloud refuses: a write whose conditions do not hold, and one of too many rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from nexus_sdk.store.port import Capabilities
from nexus_sdk.store.split.memory import MemoryQueues
from nexus_sdk.store.split.rings import RingQueue
from nexus_sdk.store.split.row_table import APART, RowTable
from nexus_sdk.store.split.rows import HEAD, Row, Write
from nexus_sdk.store.split.steps import Between
from nexus_sdk.store.split.store import SplitStore

ROWS_MAX = 100
"""So many rows fit into one write, as on DynamoDB and Azure tables."""


class RowMemoryStore(SplitStore):
    """See `SplitStore`. `queue`: all queues of the store. Handles on the same `rows` and `queue` share their data."""

    capabilities = Capabilities(is_durable=False, is_shared=False)

    def __init__(
        self,
        *,
        between: Between | None = None,
        outbox_grace_seconds: float = 5.0,
        rows: MemoryRows | None = None,
        seed: int = 0,
    ) -> None:
        self.queue = RingQueue()
        self.rows = rows if rows is not None else MemoryRows()
        chance = Random(seed)
        table = RowTable(self.rows, grace_seconds=outbox_grace_seconds, pause=_no_pause)
        super().__init__(
            table,
            MemoryQueues(self),
            next_number=lambda: chance.getrandbits(60),
            between=between,
            outbox_grace_seconds=outbox_grace_seconds,
        )


async def _no_pause(attempt: int) -> None:
    """Others are not slower in memory."""


class MemoryRows:
    """See `Rows`. `requests`: how often each of its methods was called."""

    def __init__(self, *, row_bytes_max: int = 400_000, transaction_bytes_max: int = 4_000_000) -> None:
        self.row_bytes_max = row_bytes_max
        self.transaction_bytes_max = transaction_bytes_max
        self.transaction_rows_max = ROWS_MAX
        self._rows: dict[str, dict[str, tuple[Row, Write]]] = {}
        self._blobs: dict[str, dict[bytes, bytes]] = {}

    async def get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.get`."""
        rows = self._rows.get(instance_id, {})
        return {key: rows[key][0] for key in keys if key in rows}

    async def range(self, instance_id: str, first: str, last: str) -> Sequence[Row]:
        """See `Rows.range`."""
        rows = self._rows.get(instance_id, {})
        return [rows[key][0] for key in sorted(rows) if first <= key <= last]

    async def transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """See `Rows.transact`."""
        assert len(writes) <= self.transaction_rows_max, f"{len(writes)} rows do not fit into one write"
        assert len({write.key for write in writes}) == len(writes), "a row is written twice"
        rows = self._rows.setdefault(instance_id, {})
        if not all(_is_expected(rows.get(write.key), write) for write in writes):
            return False
        for write in writes:
            if write.data is not None:
                rows[write.key] = (Row(write.key, (write.expected or 0) + 1, write.data), write)
            elif not write.is_check:
                rows.pop(write.key, None)
        return True

    async def delete(self, instance_id: str, keys: Sequence[str]) -> None:
        """See `Rows.delete`."""
        for key in keys:
            self._rows.get(instance_id, {}).pop(key, None)

    async def late(self, *, before_us: int, limit: int) -> Sequence[tuple[str, str]]:
        """See `Rows.late`."""
        found = [
            (write.look_at_us, instance_id, key)
            for instance_id, rows in self._rows.items()
            for key, (_, write) in rows.items()
            if write.look_at_us is not None and write.look_at_us <= before_us
        ]
        return [(instance_id, key) for _, instance_id, key in sorted(found)[:limit]]

    async def newest(
        self, before_us: int | None, *, only_blocked: bool = False
    ) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """See `Rows.newest`: in portions of two."""
        heads = [
            (rows[HEAD][1].created_us or 0, id)
            for id, rows in self._rows.items()
            if HEAD in rows and (rows[HEAD][1].is_blocked or not only_blocked)
        ]
        found = sorted((head for head in heads if before_us is None or head[0] <= before_us), reverse=True)
        for start in range(0, len(found), 2):
            yield found[start : start + 2]

    async def heads(self, instance_ids: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.heads`."""
        return {id: self._rows[id][HEAD][0] for id in instance_ids if HEAD in self._rows.get(id, {})}

    @property
    def blobs(self) -> dict[str, dict[bytes, bytes]]:
        """All blobs, by instance and digest."""
        return self._blobs

    def whole(self, instance_id: str, data: bytes) -> bytes:
        """The data of a row, wherever it lies."""
        return self._blobs[instance_id][data[len(APART) :]] if data.startswith(APART) else data

    def tamper(self, instance_id: str, key: str, data: bytes) -> None:
        """Change what lies in a row, as no write does."""
        row, write = self._rows[instance_id][key]
        self._rows[instance_id][key] = (replace(row, data=data), write)

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes]) -> None:
        """See `Rows.put_blobs`."""
        self._blobs.setdefault(instance_id, {}).update(blobs)

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Rows.get_blobs`."""
        kept = self._blobs.get(instance_id, {})
        return {digest: kept[digest] for digest in digests if digest in kept}

    async def delete_blobs(self, instance_id: str) -> None:
        """See `Rows.delete_blobs`."""
        self._blobs.pop(instance_id, None)


def _is_expected(found: tuple[Row, Write] | None, write: Write) -> bool:
    if write.expected is None:
        return not write.is_check or found is not None
    return (found[0].version if found is not None else 0) == write.expected
