"""The table of a split store over rows: a change is run on rows that were read, and what it touched is written.

A change that asks for a row which was not read is stopped, the row is read, and it is run again; it is run again, too,
when somebody was faster. Rows that are remembered from the last time are a guess: only a write, whose conditions prove
it, may rest on them. What is too large for a row lies among the blobs, and the row says which one it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store import records
from nexus_sdk.store.listing import Position, from_cursor, matches, position_of, to_cursor
from nexus_sdk.store.port import InboxMessage, InstanceRecord, Loaded, Query, RecordPage, StoredBatch
from nexus_sdk.store.refusals import not_found
from nexus_sdk.store.split import wire
from nexus_sdk.store.split.incarnation import task_id_of
from nexus_sdk.store.split.lazy import NotRead
from nexus_sdk.store.split.ports import Change, T
from nexus_sdk.store.split.row_item import Inbox, RowItem, RowSlot
from nexus_sdk.store.split.rows import HEAD, Row, Rows, Write
from nexus_sdk.store.split.snapshot import Snapshot, task_key

APART = b"\xc1"
"""How a row begins whose data lies among the blobs (no msgpack begins so); their digest follows."""

CONFLICTS_MAX = 30
"""So often a change is run again because somebody was faster, until the table counts as unavailable."""

WARM_MAX = 1_000
"""The rows of so many instances are remembered: a guess, which the condition of the next write proves or refutes."""

WARM_ROWS_MAX = 200
"""So many tasks of an instance are remembered with its head: those that were looked at last."""


class RowTable:
    """See `Table`: over the rows of a database.

    Args:
        rows: the database.
        grace_seconds: how long a committer has to make its sends.
        pause: waits a little, longer each time, before a change is run again.
    """

    def __init__(self, rows: Rows, *, grace_seconds: float, pause: Callable[[int], Any]) -> None:
        self._rows = rows
        self._grace_us = round(grace_seconds * 1_000_000)
        self._pause = pause
        self._warm: OrderedDict[str, dict[str, Row | None]] = OrderedDict()

    # --- changes ----------------------------------------------------------------------------------------------------

    async def change(
        self, instance_id: str, change: Change[T], *, tasks: Sequence[str] = (), fresh: Sequence[str] = ()
    ) -> T:
        """See `Table.change`."""
        warm = self._warm.get(instance_id)
        snapshot = Snapshot(dict(warm)) if warm is not None else Snapshot()
        is_guess = warm is not None
        for attempt in range(CONFLICTS_MAX):
            is_guess = self._guess(snapshot, fresh) or is_guess if attempt == 0 else False
            slot = await self._run(instance_id, snapshot, change, tasks, is_guess)
            if slot is not None:
                result, writes = slot
                if not writes:
                    if not is_guess:
                        self._remember(instance_id, snapshot, ())
                        return result
                elif await self._transact(instance_id, writes):
                    self._remember(instance_id, snapshot, writes)
                    return result
                else:
                    await self._pause(attempt)
            self._warm.pop(instance_id, None)
            snapshot = Snapshot()
        raise StoreUnavailable(f"{instance_id}: others change it all the time; {CONFLICTS_MAX} attempts were in vain.")

    async def foresee(self, instance_id: str, tasks: Sequence[str]) -> None:
        """See `Table.foresee`."""
        snapshot = Snapshot(dict(self._warm.get(instance_id, {})))
        await self._read(instance_id, snapshot, [HEAD, *map(task_key, tasks)])
        self._remember(instance_id, snapshot, ())

    async def _run(
        self,
        instance_id: str,
        snapshot: Snapshot,
        change: Change[T],
        tasks: Sequence[str],
        is_guess: bool,
    ) -> tuple[T, list[Write]] | None:
        """Run a change, reading what it asks for; None when it was refused on a guess, which proves nothing."""
        await self._read(instance_id, snapshot, [HEAD, *map(task_key, tasks)])
        while True:
            slot = RowSlot(instance_id, snapshot)
            try:
                return change(slot), slot.writes(self._grace_us)
            except NotRead as missing:
                await self._read_missing(instance_id, snapshot, missing)
            except Exception:
                if is_guess:
                    return None
                raise

    def _guess(self, snapshot: Snapshot, fresh: Sequence[str]) -> bool:
        """Take it that these tasks are not there yet."""
        guessed = [key for key in map(task_key, fresh) if not snapshot.has(key)]
        snapshot.rows.update(dict.fromkeys(guessed))
        snapshot.guessed.update(guessed)
        return bool(guessed)

    async def _read(self, instance_id: str, snapshot: Snapshot, keys: Iterable[str]) -> None:
        missing = [key for key in dict.fromkeys(keys) if not snapshot.has(key)]
        found = await self._get(instance_id, missing) if missing else {}
        snapshot.rows.update({key: found.get(key) for key in missing})

    async def _read_missing(self, instance_id: str, snapshot: Snapshot, missing: NotRead) -> None:
        if missing.prefix:
            rows = await self._range(instance_id, missing.prefix, missing.prefix + "\U0010ffff")
            snapshot.rows.update({row.key: row for row in rows})
            snapshot.prefixes.add(missing.prefix)
        else:
            await self._read(instance_id, snapshot, missing.keys)

    def _remember(self, instance_id: str, snapshot: Snapshot, writes: Iterable[Write]) -> None:
        """Keep the head, and the tasks that were looked at last, for the next change. Others may run meanwhile."""
        found = {key: row for key, row in snapshot.rows.items() if key == HEAD or key.startswith("t/")}
        for write in writes:
            if not write.is_check and (write.key == HEAD or write.key.startswith("t/")):
                version = (write.expected or 0) + 1
                found.pop(write.key, None)
                found[write.key] = Row(write.key, version, write.data) if write.data is not None else None
        warm = self._warm.pop(instance_id, {})
        for key, row in found.items():
            known = warm.get(key)
            if row is None:
                warm.pop(key, None)
            elif known is None or known.version < row.version:
                warm.pop(key, None)  # so that it is the youngest
                warm[key] = row
        head = warm.pop(HEAD, None)
        if head is not None:
            for key in list(warm)[: max(0, len(warm) - WARM_ROWS_MAX)]:
                del warm[key]
            warm[HEAD] = head
            self._warm[instance_id] = warm
            if len(self._warm) > WARM_MAX:
                self._warm.popitem(last=False)

    def forget(self, instance_id: str) -> None:
        """Remember nothing of this instance."""
        self._warm.pop(instance_id, None)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Table.load`."""
        for attempt in range(CONFLICTS_MAX):
            snapshot = Snapshot()
            await self._read(instance_id, snapshot, [HEAD])
            item = await self._item(instance_id, snapshot)
            if item is None:
                raise not_found(instance_id)
            asked = run_id or item.record.run_id
            last = item.record.last_batch if asked == item.record.run_id else 999_999_999
            batches = await self._batches(item, asked, after, last)
            messages = await self._messages(item, snapshot)
            is_whole = asked != item.record.run_id or last <= after or (batches[-1:] and batches[-1].number == last)
            if is_whole and messages is not None:
                return Loaded(item.record, batches, messages)
            await self._pause(attempt)  # it was moved on, or purged, between the two reads
        raise StoreUnavailable(f"{instance_id}: it moves on faster than it can be read.")

    async def _item(self, instance_id: str, snapshot: Snapshot) -> RowItem | None:
        while True:
            try:
                return RowSlot(instance_id, snapshot).item
            except NotRead as missing:
                await self._read_missing(instance_id, snapshot, missing)

    async def _batches(self, item: RowItem, run_id: str, after: int, last: int) -> tuple[StoredBatch, ...]:
        if last <= after:
            return ()
        first = item.rows.batch_key(run_id, after + 1)
        rows = await self._range(item.record.id, first, item.rows.batch_key(run_id, last))
        return tuple(wire.batch_of(wire.unpack(row.data, "a batch")) for row in rows)

    async def _messages(self, item: RowItem, snapshot: Snapshot) -> tuple[InboxMessage, ...] | None:
        """The pending messages; None when they are being consumed."""
        inbox = item.inbox
        assert isinstance(inbox, Inbox)
        keys = [item.rows.mail_key(number) for number in dict.fromkeys(inbox.row_of.values())]
        await self._read(item.record.id, snapshot, keys)
        if any(snapshot.rows[key] is None for key in keys):
            return None
        return tuple(inbox.values())

    async def find(self, instance_id: str) -> InstanceRecord:
        """See `Table.find`."""
        row = (await self._get(instance_id, [HEAD])).get(HEAD)
        if row is None:
            raise not_found(instance_id)
        return _record_of(row)

    async def late(self, *, before_us: int, grace_us: int, limit: int) -> Mapping[str, Sequence[str]]:
        """See `Table.late`: whoever is told of an instance by the index looks for himself."""
        keys: dict[str, list[str]] = {}
        for instance_id, key in await self._rows.late(before_us=before_us, limit=limit):
            keys.setdefault(instance_id, []).append(key)
        found: dict[str, Sequence[str]] = {}
        for instance_id, rows in keys.items():
            snapshot = Snapshot()
            await self._read(instance_id, snapshot, [HEAD, *rows])
            item = await self._item(instance_id, snapshot)
            if item is None:
                continue
            names = [task_id_of(row) for key in rows if key != HEAD and (row := snapshot.rows[key]) is not None]
            overdue = list(item.overdue(names, before_us, grace_us))
            look_us = item.look_at_us(grace_us)
            if overdue or (look_us is not None and look_us <= before_us):
                found[instance_id] = overdue
        return found

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Table.list`."""
        after = from_cursor(cursor) if cursor is not None else None
        page: list[InstanceRecord] = []
        async for record in self._newest(query, after):
            page.append(record)
            if len(page) > limit:
                break
        found = tuple(page[:limit])
        return RecordPage(found, to_cursor(position_of(found[-1])) if len(page) > limit and found else None)

    async def count(self, query: Query) -> int:
        """See `Table.count`."""
        return len([record async for record in self._newest(query, None)])

    async def _newest(self, query: Query, after: Position | None) -> AsyncIterator[InstanceRecord]:
        """The records that match, newest first; those of one moment by their ids."""
        before_us = after[0] if after is not None else None
        pending: list[tuple[int, str]] = []
        async for portion in self._rows.newest(before_us, only_blocked=query.statuses == {Status.BLOCKED}):
            pending += portion
            whole = [entry for entry in pending if entry[0] != pending[-1][0]]
            pending = [entry for entry in pending if entry[0] == pending[-1][0]]
            async for record in self._matching(whole, query, after):
                yield record
        async for record in self._matching(pending, query, after):
            yield record

    async def _matching(
        self, entries: Sequence[tuple[int, str]], query: Query, after: Position | None
    ) -> AsyncIterator[InstanceRecord]:
        wanted = sorted((entry for entry in entries if after is None or entry < after), reverse=True)
        heads = await self._rows.heads([instance_id for _, instance_id in wanted]) if wanted else {}
        rows = [await self._whole(instance_id, row) for instance_id, row in heads.items()]
        for record in sorted((_record_of(row) for row in rows), key=position_of, reverse=True):
            if matches(record, query):
                yield record

    # --- what lies beside ---------------------------------------------------------------------------------------------

    async def clear(self, instance_id: str) -> None:
        """See `Table.clear`: erases what does not belong to the present incarnation."""
        self._warm.pop(instance_id, None)
        head = (await self._get(instance_id, [HEAD])).get(HEAD)
        seq = wire.unpack(head.data, "the head of an instance")[1] if head is not None else None
        rows = [row for row in await self._range(instance_id, "0", "g") if not row.key.startswith(f"{seq or 0:x}/")]
        rows += [
            row
            for row in await self._range(instance_id, "t/", "t0")
            if wire.state_of(wire.unpack(row.data, "a task"))[-1] != seq
        ]
        await self._rows.delete(instance_id, [row.key for row in rows])
        if head is None:
            await self._rows.delete_blobs(instance_id)

    # --- rows that are too large --------------------------------------------------------------------------------------

    async def _get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        found = await self._rows.get(instance_id, keys)
        return {key: await self._whole(instance_id, row) for key, row in found.items()}

    async def _range(self, instance_id: str, first: str, last: str) -> Sequence[Row]:
        return [await self._whole(instance_id, row) for row in await self._rows.range(instance_id, first, last)]

    async def _whole(self, instance_id: str, row: Row) -> Row:
        """A row with its data, wherever that lies."""
        if not row.data.startswith(APART):
            return row
        digest = row.data[len(APART) :]
        found = await self._rows.get_blobs(instance_id, [digest])
        return replace(row, data=found[digest]) if digest in found else row

    async def _transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """Make the writes; what is too large is put apart first."""
        sizes = {write.key: len(write.data) for write in writes if write.data is not None}
        total = sum(sizes.values())
        apart: set[str] = set()
        for key in sorted(sizes, key=lambda key: -sizes[key]):
            if sizes[key] > self._rows.row_bytes_max or total > self._rows.transaction_bytes_max:
                apart.add(key)
                total -= sizes[key]
        if apart:
            large = {sha256(write.data).digest(): write.data for write in writes if write.data and write.key in apart}
            await self._rows.put_blobs(instance_id, large)
        made = [_apart(write) if write.key in apart and write.data else write for write in writes]
        vital = [write for write in made if not write.is_mere_erasure]
        erased = [write for write in made if write.is_mere_erasure]
        if len(vital) > self._rows.transaction_rows_max:
            if not await self._write_ahead(instance_id, [write for write in vital if write.may_precede]):
                return False
            vital = [write for write in vital if not write.may_precede]
        room = max(0, self._rows.transaction_rows_max - len(vital))
        if not await self._rows.transact(instance_id, vital + erased[:room]):
            return False
        await self._rows.delete(instance_id, [write.key for write in erased[room:]])
        return True

    async def _write_ahead(self, instance_id: str, ahead: Sequence[Write]) -> bool:
        """Make writes that may precede the others; False when there is nobody whose they are."""
        portion = self._rows.transaction_rows_max - 1
        for start in range(0, len(ahead), portion):
            head = Write(HEAD, is_check=True)
            if not await self._rows.transact(instance_id, [head, *ahead[start : start + portion]]):
                return False
        return True

    # --- blobs --------------------------------------------------------------------------------------------------------

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """See `Table.put_blobs`."""
        await self._rows.put_blobs(instance_id, blobs)

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Table.get_blobs`."""
        return await self._rows.get_blobs(instance_id, digests)


def _apart(write: Write) -> Write:
    return replace(write, data=APART + sha256(write.data or b"").digest())


def _record_of(row: Row) -> InstanceRecord:
    return records.unpack(wire.unpack(row.data, "the head of an instance")[0])
