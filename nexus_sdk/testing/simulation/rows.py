"""The table of the clouds' profiles: an instance is rows, as in the providers, and their code is what moves them.

`RowTable` and what it is made of run here as they run on DynamoDB: on guesses, against others who come between the
read and the write, with as many rows in a write as the cloud takes. What the simulation looks at are items; they are
read from the rows as these are written. The one rule: **the rows are the truth**; nothing is done with an item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from nexus_sdk.store import records
from nexus_sdk.store.item import Hold
from nexus_sdk.store.port import InboxMessage, InstanceRecord, Loaded, Send, StoredBatch
from nexus_sdk.store.split import wire
from nexus_sdk.store.split.item import Entry, SplitItem
from nexus_sdk.store.split.memory_rows import MemoryRows
from nexus_sdk.store.split.ports import Change, T
from nexus_sdk.store.split.row_table import RowTable
from nexus_sdk.store.split.rows import HEAD, Row, Write
from nexus_sdk.store.split.snapshot import GRAVES, key_name, task_key
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.simulation.stores import LaggingShelf

BETWEEN_RATE = 0.1
"""So often others come between a read and what follows from it."""


class RowShelf(LaggingShelf):
    """See the module. Args: see `LaggingShelf`; `rows_max`: so many rows fit into a write."""

    def __init__(
        self, chance: Random, rate: float, true: FakeClock, note: Callable[[str, str], None], rows_max: int
    ) -> None:
        super().__init__(chance, rate, true, note)
        self.rows = SeenRows(self, rows_max)
        self.row_table = RowTable(self.rows, grace_seconds=5.0, pause=_no_pause)
        self._blobs = self.rows.blobs
        self._seen_in: dict[str, Mirror] = {}

    async def change(
        self, instance_id: str, change: Change[T], *, tasks: Sequence[str] = (), fresh: Sequence[str] = ()
    ) -> T:
        """See `Table.change`."""
        return await self.row_table.change(instance_id, change, tasks=tasks, fresh=fresh)

    async def foresee(self, instance_id: str, tasks: Sequence[str]) -> None:
        """See `Table.foresee`."""
        await self.row_table.foresee(instance_id, tasks)

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Table.load`."""
        return await self.row_table.load(instance_id, run_id=run_id, after=after)

    async def find(self, instance_id: str) -> InstanceRecord:
        """See `Table.find`."""
        return await self.row_table.find(instance_id)

    async def late(self, *, before_us: int, grace_us: int, limit: int) -> Mapping[str, Sequence[str]]:
        """See `Table.late`."""
        return await self.row_table.late(before_us=before_us, grace_us=grace_us, limit=limit)

    async def clear(self, instance_id: str) -> None:
        """See `Table.clear`."""
        await self.row_table.clear(instance_id)

    # --- what the rows do to it ---------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Others may come between."""
        if not self.is_calm and self._chance.random() < BETWEEN_RATE:
            await asyncio.sleep(0)

    def stale_index(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """What an index that lags tells instead."""
        if not self._past or not self._is_stale("due"):
            return found
        others = [(id, HEAD) for id in self._past if self._chance.random() < 0.2]
        return [each for each in found if self._chance.random() < 0.5] + others

    def written(self, instance_id: str, writes: Sequence[Write]) -> None:
        """Rows were written: the item is read from them."""
        self.changes_count += 1
        mirror = self._seen_in.get(instance_id)
        head = next((write for write in writes if write.key == HEAD and not write.is_check), None)
        if head is not None and head.data is None:
            self._seen_in.pop(instance_id, None)
            self._items.pop(instance_id, None)
            return
        if head is not None and head.data is not None:
            seq = wire.unpack(self.rows.whole(instance_id, head.data), "a head")[1]
            if mirror is None or mirror.seq != seq:
                mirror = self._seen_in[instance_id] = Mirror(self.rows, instance_id, seq)
        if mirror is not None:
            mirror.take(writes)
            self._items[instance_id] = mirror.item

    def write_back(self, instance_id: str) -> None:
        """The item was damaged: so are its rows."""
        super().write_back(instance_id)
        self._seen_in[instance_id].write_back()
        self.row_table.forget(instance_id)


class SeenRows(MemoryRows):
    """Rows in memory whose writes are told, and between whose reads and writes others may come."""

    def __init__(self, shelf: RowShelf, rows_max: int) -> None:
        super().__init__()
        self.transaction_rows_max = rows_max
        self._shelf = shelf

    async def get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.get`."""
        found = await super().get(instance_id, keys)
        await self._shelf.pause()
        return found

    async def transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """See `Rows.transact`."""
        self._shelf.most_rows = max(self._shelf.most_rows, len(writes))  # more than it takes are refused
        is_made = await super().transact(instance_id, writes)
        if is_made:
            self._shelf.written(instance_id, writes)
        return is_made

    async def late(self, *, before_us: int, limit: int) -> Sequence[tuple[str, str]]:
        """See `Rows.late`."""
        return self._shelf.stale_index(list(await super().late(before_us=before_us, limit=limit)))


class Mirror:
    """The item of one incarnation, as its rows say."""

    item: SplitItem

    def __init__(self, rows: MemoryRows, instance_id: str, seq: int) -> None:
        self.seq = seq
        self._rows = rows
        self._id = instance_id
        self._record = b""
        self._bodies: dict[int, InboxMessage] = {}
        self._mail_row: dict[int, int] = {}
        self._sends: dict[int, tuple[Send, ...]] = {}
        self._replies: dict[int, dict[int, InboxMessage | None]] = {}
        self._tasks: dict[str, str] = {}
        self._ahead: dict[tuple[str, int], StoredBatch] = {}

    def take(self, writes: Sequence[Write]) -> None:
        """Take note of what was written."""
        ordered = sorted(writes, key=lambda write: write.key != HEAD)
        for write in ordered:
            if write.data is not None and _kind(write.key) == "m":
                messages = [wire.certain_message(each) for each in self._unpack(write.data)]
                self._bodies.update({message.number: message for message in messages})
            elif write.data is not None and _kind(write.key) == "o":
                self._sends[int(write.key.rpartition("/")[2])] = wire.sends_of(self._unpack(write.data))
            elif write.data is not None and _kind(write.key) == "r":
                index, reply = self._unpack(write.data)
                self._replies.setdefault(int(write.key.split("/")[2]), {})[index] = wire.message_of(reply)
        for write in ordered:
            if not write.is_check:
                self._take(write)
        if any(write.key == HEAD and write.data is not None for write in writes):
            self._take_batches()

    def _take_batches(self) -> None:
        """Those of the present run, and of one that it follows: what was written ahead counts from the head on."""
        known = {*self.item.runs, self.item.record.run_id}
        for run_id, number in sorted(key for key in self._ahead if key[0] in known):
            self.item.runs.setdefault(run_id, []).append(self._ahead.pop((run_id, number)))

    def _take(self, write: Write) -> None:
        if write.key == HEAD and write.data is not None:
            self._take_head(write.data)
        elif write.key.startswith("t/"):
            self._take_task(write.key, write.data)
        elif write.data is None:
            return
        elif _kind(write.key) == "b":
            batch = wire.batch_of(self._unpack(write.data))
            self._ahead[batch.run_id, batch.number] = batch
        elif _kind(write.key) == "k":
            self.item.remembered_ids.add(write.key.split("/k/", 1)[1])
        elif _kind(write.key) == "s":
            self.item.seen.add(write.key.split("/s/", 1)[1])

    def _take_head(self, data: bytes) -> None:
        record, seq, last_number, last_accepted_us, token, until_us, pending, outbox, number, sent = self._unpack(data)
        if not self._record:
            self.item = SplitItem(records.unpack(record), seq)
        elif record != self._record:
            self.item.record = records.unpack(record)
        self._record = record
        item = self.item
        item.last_number, item.last_accepted_us, item.turn = last_number, last_accepted_us, Hold(token, until_us)
        self._mail_row = {number: row for number, _, _, row in pending}
        item.inbox = {number: self._bodies[number] for number in self._mail_row}
        item.pending_ids = {id for _, id, _, _ in pending}
        item.outbox = [self._entry(*each) for each in outbox]
        item.outbox_number, item.sent_through = number, sent

    def _entry(self, number: int, now_us: int, tasks: tuple[str, ...], has_sends: bool, made: int) -> Entry:
        sends = self._sends.get(number, ()) if has_sends else ()
        return Entry(number, sends, now_us, tasks, self._replies.get(number, {}), made)

    def _take_task(self, key: str, data: bytes | None) -> None:
        if data is None:
            self.item.tasks.pop(self._tasks.pop(key, ""), None)
            return
        state, sent_attempt, rung, _ = wire.state_of(self._unpack(data))
        task_id = self._tasks[key] = state.task.id
        self.item.tasks[task_id] = state
        self.item.sent_attempts[task_id], self.item.rung[task_id] = sent_attempt, rung

    def write_back(self) -> None:
        """Write batches, messages and tasks as they are in the item, under the versions that the rows have."""
        item, begin = self.item, f"{self.seq:x}"
        for run_id, batches in item.runs.items():
            for batch in batches:
                self._replace(f"{begin}/b/{key_name(run_id)}/{batch.number:09d}", wire.pack(wire.plain_batch(batch)))
        for row in set(self._mail_row.values()):
            self._bodies.update(item.inbox)
            mail = [self._bodies[number] for number, lies_in in self._mail_row.items() if lies_in == row]
            self._replace(f"{begin}/m/{row:012d}", wire.pack([wire.plain_message(each) for each in mail]))
        for task_id, state in item.tasks.items():
            plain = wire.plain_state(state, item.sent_attempts[task_id], item.rung[task_id], self.seq)
            self._replace(task_key(task_id), wire.pack(plain))

    def _replace(self, key: str, data: bytes) -> None:
        self._rows.tamper(self._id, key, data)

    def _unpack(self, data: bytes) -> Any:
        return wire.unpack(self._rows.whole(self._id, data), "a row")


def _kind(key: str) -> str:
    """What lies in a row."""
    return key.split("/")[1] if not key.startswith((HEAD, "t/", GRAVES)) else ""


async def _no_pause(attempt: int) -> None:
    """Others are not slower here."""
