"""The table of a split store over rows: an instance is a head and rows around it, under one key.

What a provider supplies is `Rows`: reads, and one write of several rows that holds together or not at all. Everything
else is here, and is the same for every database: what lies in which row, which rows a change has touched, and that it
is run again when somebody was faster.

| row | what lies in it | changes |
|---|---|---|
| ``head`` | record, who has the turn, what is pending, what is left to be sent | with every turn and message |
| ``…/b/RUN/NUMBER`` | a batch | never |
| ``…/m/NUMBER`` | messages that were accepted in one write | never |
| ``t/TASK`` | a task, and who has it | with every delivery |
| ``…/o/NUMBER``, ``…/r/NUMBER/SEND`` | what a batch sends to others, and what came of it | never |
| ``…/k/MESSAGE``, ``…/s/KEY`` | that a message, or a send, was accepted | never |
| ``grave/REQUEST`` | a tombstone | never |

A row knows its incarnation (``…``: it begins with it), so what a purge has left lying about belongs to nobody. What
is too large for a row lies among the blobs, and the row says which one it is. The one rule: whoever
changes the head states which head he has read; whoever changes another row states that row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Protocol

from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store import records
from nexus_sdk.store.item import Hold, TaskState
from nexus_sdk.store.listing import Position, from_cursor, matches, position_of, to_cursor
from nexus_sdk.store.port import Commit, InboxMessage, InstanceRecord, Loaded, Query, RecordPage, Send, StoredBatch
from nexus_sdk.store.refusals import not_found, unfinished
from nexus_sdk.store.split import wire
from nexus_sdk.store.split.item import Entry, SplitItem
from nexus_sdk.store.split.lazy import LazyRows, LazySet, NotRead
from nexus_sdk.store.split.ports import Change, T

HEAD = "head"
GRAVES = "grave/"
APART = b"\xc1"
"""How a row begins whose data lies among the blobs (no msgpack begins so); their digest follows."""

NAME_BYTES_MAX = 700
"""Longer names stand in keys by their digests."""

CONFLICTS_MAX = 30
"""So often a change is run again because somebody was faster, until the table counts as unavailable."""

TOLD_MAX = 60
"""So many notes about the sends of an entry are erased with it; more of them lie there until the purge."""

WARM_MAX = 1_000
"""The rows of so many instances are remembered: a guess, which the condition of the next write proves or refutes."""

WARM_ROWS_MAX = 100
"""Of an instance with more rows in memory than that, nothing is remembered."""


# --- what a provider supplies -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read."""

    key: str
    version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """What becomes of a row.

    Attributes:
        data: what it holds from now on; None: it goes, or (with `is_check`) stays as it is.
        expected: the version that it must have; 0: there must be none; None: whatever there is.
        is_check: nothing is written; the row has to be as expected, or just there.
        look_at_us: where it stands in the index of what needs a look, if it does.
        created_us: where it stands in the index of all instances, if it does.
    """

    key: str
    data: bytes | None = None
    expected: int | None = None
    is_check: bool = False
    look_at_us: int | None = None
    created_us: int | None = None

    @property
    def is_mere_erasure(self) -> bool:
        """Whether it takes away what nobody asks for any more: it may as well follow later, or never."""
        return self.data is None and self.expected is None and not self.is_check


class Rows(Protocol):
    """The rows of a database, by instance and key. All reads are strongly consistent but for the indexes.

    `row_bytes_max`: so much fits into the data of a row; `transaction_bytes_max`, `transaction_rows_max`: so much, and
    so many rows, fit into a write.
    """

    row_bytes_max: int
    transaction_bytes_max: int
    transaction_rows_max: int

    async def get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        """Those of these rows that are there."""

    async def range(self, instance_id: str, first: str, last: str) -> Sequence[Row]:
        """The rows from the first key to the last, in the order of their keys."""

    async def transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """Make all these writes, or none; False when something was not as expected."""

    async def delete(self, instance_id: str, keys: Sequence[str]) -> None:
        """Erase rows, one by one."""

    async def late(self, *, before_us: int, limit: int) -> Sequence[tuple[str, str]]:
        """Instance ids and keys of rows that need a look; from an index that may lag."""

    def newest(self, before_us: int | None) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """Instances by the time they were created, newest first, in portions; from an index that may lag."""

    async def heads(self, instance_ids: Sequence[str]) -> Mapping[str, Row]:
        """The heads of these instances, as far as they are there."""

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes]) -> None:
        """Keep large payloads."""

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Those that are there."""

    async def delete_blobs(self, instance_id: str) -> None:
        """Erase all of an instance."""


# --- one instance -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Snapshot:
    """Rows of one instance as far as they were read. `guessed`: not read, but taken to be so."""

    rows: dict[str, Row | None] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)
    guessed: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        """Whether it is known what this row is."""
        return key in self.rows or any(key.startswith(prefix) for prefix in self.prefixes)

    def row(self, key: str) -> Row | None:
        """The row, or None when there is none.

        Raises:
            NotRead: it was not looked up yet.
        """
        if not self.has(key):
            raise NotRead(key)
        return self.rows.get(key)

    def under(self, prefix: str) -> Iterator[Row]:
        """All rows whose keys begin so."""
        if prefix not in self.prefixes:
            raise NotRead(prefix=prefix)
        return (row for key, row in sorted(self.rows.items()) if row is not None and key.startswith(prefix))


def key_name(name: str) -> str:
    """A name as it stands in a key: as it is, unless it is too long for one."""
    data = name.encode()
    return name if len(data) <= NAME_BYTES_MAX else f"#{sha256(data).hexdigest()}"


def task_key(task_id: str) -> str:
    """The key of a task."""
    return f"t/{key_name(task_id)}"


class Inbox(dict[int, InboxMessage]):
    """The pending messages: in order and without bodies from the head; `values` has read the bodies."""

    def __init__(self, bodies: Callable[[int], Mapping[int, InboxMessage]]) -> None:
        super().__init__()
        self.row_of: dict[int, int] = {}
        self.added: list[int] = []
        self._bodies = bodies
        self._has_bodies = False

    def __setitem__(self, number: int, message: InboxMessage) -> None:
        dict.__setitem__(self, number, message)
        self.added.append(number)
        self.row_of[number] = self.added[0]  # what is accepted in one write lies in one row

    def stubs(self) -> Iterable[InboxMessage]:
        """The messages, perhaps without their bodies."""
        return dict.values(self)

    def values(self) -> Any:
        """The messages with their bodies."""
        if not self._has_bodies:
            for row in dict.fromkeys(self.row_of[number] for number in self if number not in self.added):
                for number, message in self._bodies(row).items():
                    if number in self:
                        dict.__setitem__(self, number, message)
            self._has_bodies = True
        return dict.values(self)


class RowItem(SplitItem):
    """An item over the rows of a snapshot, and what became of them."""

    snapshot: Snapshot
    incarnation: str

    def bind(self, snapshot: Snapshot) -> RowItem:
        """Let the collections read from this snapshot."""
        self.snapshot = snapshot
        self.incarnation = f"{self.seq:x}"
        self.tasks = LazyRows(self._read_task, self._read_tasks)
        self.remembered_ids = LazySet(lambda name: self._row("k", name) is not None)
        self.seen = LazySet(lambda name: self._row("s", name) is not None)
        self.inbox = Inbox(self._read_mail)
        self._strangers: set[str] = set()
        self._gone: list[tuple[Entry, list[int]]] = []
        return self

    def want(self, task_ids: Sequence[str]) -> None:
        """These tasks will be asked for."""
        assert isinstance(self.tasks, LazyRows)
        keys = [task_key(task_id) for task_id in task_ids if task_id not in self.tasks.known]
        if missing := [key for key in keys if not self.snapshot.has(key)]:
            raise NotRead(*missing)

    # --- from rows --------------------------------------------------------------------------------------------------

    def key(self, kind: str, name: str) -> str:
        """The key of one of its rows."""
        return f"{self.incarnation}/{kind}/{key_name(name)}"

    def batch_key(self, run_id: str, number: int) -> str:
        """The key of a batch."""
        return f"{self.incarnation}/b/{key_name(run_id)}/{number:09d}"

    def mail_key(self, number: int) -> str:
        """The key of the messages that were accepted together, by the number of the first."""
        return f"{self.incarnation}/m/{number:012d}"

    def reply_key(self, number: int, index: int | str) -> str:
        """The key of what a send of an entry came to."""
        return f"{self.incarnation}/r/{number:012d}/{index}"

    def outbox_key(self, number: int) -> str:
        """The key of an entry."""
        return f"{self.incarnation}/o/{number:012d}"

    def _row(self, kind: str, name: str) -> Row | None:
        return self.snapshot.row(self.key(kind, name))

    def _read_task(self, task_id: str) -> TaskState | None:
        row = self.snapshot.row(task_key(task_id))
        if row is None:
            return None
        state, sent_attempt, rung, incarnation = wire.state_of(wire.unpack(row.data, "a task"))
        if incarnation != self.seq:
            self._strangers.add(task_id)
            return None
        self.sent_attempts[task_id], self.rung[task_id] = sent_attempt, rung
        return state

    def _read_tasks(self) -> Iterator[str]:
        return (_task_id_of(row) for row in self.snapshot.under("t/"))

    def _read_mail(self, number: int) -> Mapping[int, InboxMessage]:
        row = self.snapshot.row(self.mail_key(number))
        found = [wire.certain_message(each) for each in wire.unpack(row.data, "messages")] if row is not None else []
        return {message.number: message for message in found}

    def _read_run(self, run_id: str, number: int | None) -> Sequence[StoredBatch]:
        if number is not None:
            row = self.snapshot.row(self.batch_key(run_id, number))
            rows = [row] if row is not None else []
        else:
            rows = list(self.snapshot.under(f"{self.incarnation}/b/{key_name(run_id)}/"))
        return [wire.batch_of(wire.unpack(row.data, "a batch")) for row in rows]

    def _has_made(self, commit: Commit) -> bool:
        return any(
            found.turn_id == first.turn_id
            for first in commit.batches[:1]
            for found in self._read_run(first.run_id, first.number)
        )

    @classmethod
    def read(cls, row: Row, snapshot: Snapshot) -> RowItem:
        """The item whose head this is."""
        head = wire.unpack(row.data, "the head of an instance")
        record, seq, last_number, last_accepted_us, token, until_us, pending, outbox, outbox_number, sent = head[:10]
        item = cls(records.unpack(record), seq).bind(snapshot)
        item.last_number, item.last_accepted_us, item.turn = last_number, last_accepted_us, Hold(token, until_us)
        assert isinstance(item.inbox, Inbox)
        for number, id, accepted_at_us, row_number in pending:
            stub = InboxMessage(id, item.record.id, b"", accepted_at_us=accepted_at_us, number=number)
            dict.__setitem__(item.inbox, number, stub)
            item.inbox.row_of[number] = row_number
            item.pending_ids.add(id)
        item.outbox = [item._read_entry(*each) for each in outbox]
        item.outbox_number, item.sent_through = outbox_number, sent
        return item

    def _read_entry(self, number: int, now_us: int, tasks: tuple[str, ...], has_sends: bool) -> Entry:
        return RowEntry(self, number, now_us, tasks) if has_sends else Entry(number, (), now_us, tasks)

    def read_sends(self, number: int) -> tuple[Send, ...]:
        """What is sent to others by an entry."""
        row = self.snapshot.row(self.outbox_key(number))
        return wire.sends_of(wire.unpack(row.data, "an outbox")) if row is not None else ()

    def read_replies(self, number: int) -> Iterator[tuple[int, InboxMessage | None]]:
        """What was noted about the sends of an entry."""
        for row in self.snapshot.under(self.reply_key(number, "")):
            index, reply = wire.unpack(row.data, "a reply")
            yield index, wire.message_of(reply)

    # --- to rows ----------------------------------------------------------------------------------------------------

    def head(self) -> bytes:
        """What is in the head row."""
        assert isinstance(self.inbox, Inbox)
        pending = [(m.number, m.id, m.accepted_at_us, self.inbox.row_of[m.number]) for m in self.inbox.stubs()]
        outbox = [(entry.number, entry.now_us, entry.tasks, entry.has_sends) for entry in self.outbox]
        return wire.pack(
            (
                records.pack(self.record),
                self.seq,
                self.last_number,
                self.last_accepted_us,
                self.turn.token,
                self.turn.until_us,
                pending,
                outbox,
                self.outbox_number,
                self.sent_through,
            )
        )

    def writes(self, grace_us: int) -> list[Write]:
        """What has to be written: the rows that are not as they were read."""
        writes = [*self._head_writes(grace_us), *self._task_writes(grace_us), *self._mail_writes()]
        writes += [*self._batch_writes(), *self._outbox_writes()]
        for kind, members in (("k", self.remembered_ids), ("s", self.seen)):
            assert isinstance(members, LazySet)
            writes += [Write(self.key(kind, name), b"\x01") for name in members.added]
        if writes and writes[0].key != HEAD and any(write.expected in (None, 0) for write in writes):
            writes.insert(0, Write(HEAD, is_check=True))  # a new row needs somebody it belongs to
        return writes

    def _head_writes(self, grace_us: int) -> Iterator[Write]:
        row, data = self.snapshot.row(HEAD), self.head()
        if row is None or row.data != data:
            look_at_us = self.look_at_us(grace_us)
            created_us = self.record.created_us
            yield Write(HEAD, data, row.version if row else 0, look_at_us=look_at_us, created_us=created_us)

    def _task_writes(self, grace_us: int) -> Iterator[Write]:
        assert isinstance(self.tasks, LazyRows)
        members = self.tasks.members()
        for task_id in sorted(self.tasks.known):
            key = task_key(task_id)
            row, state = self.snapshot.row(key), members.get(task_id)
            if state is None:
                if row is not None and task_id not in self._strangers:
                    yield Write(key, None, row.version)
                elif key in self.snapshot.guessed:
                    yield Write(key, None, 0, is_check=True)
                continue
            plain = wire.plain_state(
                state, self.sent_attempts.get(task_id, 0), self.rung.get(task_id, (0, 0)), self.seq
            )
            data = wire.pack(plain)
            if row is None or row.data != data:
                look_at_us = self.task_look_at_us(state, grace_us)
                yield Write(key, data, row.version if row else 0, look_at_us=look_at_us)

    def _mail_writes(self) -> Iterator[Write]:
        inbox = self.inbox
        assert isinstance(inbox, Inbox)
        kept = [dict.__getitem__(inbox, number) for number in inbox.added if number in inbox]
        if kept:
            yield Write(self.mail_key(inbox.added[0]), wire.pack([wire.plain_message(each) for each in kept]))
        used = {inbox.row_of[number] for number in inbox}
        yield from (Write(self.mail_key(number)) for number in sorted(set(inbox.row_of.values()) - used))

    def _batch_writes(self) -> Iterator[Write]:
        for batch in (batch for batches in self.runs.values() for batch in batches):
            yield Write(self.batch_key(batch.run_id, batch.number), wire.pack(wire.plain_batch(batch)))

    def _outbox_writes(self) -> Iterator[Write]:
        for entry in self.outbox:
            key = self.outbox_key(entry.number)
            if isinstance(entry, RowEntry):
                for index, reply in entry.noted.items():
                    plain = (index, wire.plain_message(reply))
                    yield Write(self.reply_key(entry.number, index), wire.pack(plain))
            elif entry.has_sends:
                yield Write(key, wire.pack(wire.plain_sends(entry)))
        for entry, told in self._gone:
            yield Write(self.outbox_key(entry.number))
            yield from (Write(self.reply_key(entry.number, index)) for index in told)

    def sent(self, number: int, told: Iterable[int] = ()) -> None:
        """All sends of this entry were made."""
        gone = [entry for entry in self.outbox if entry.number == number and isinstance(entry, RowEntry)]
        self._gone += [(entry, sorted(told)[:TOLD_MAX]) for entry in gone]
        SplitItem.sent(self, number)

    # --- without reading everything -----------------------------------------------------------------------------------

    def oldest_us(self) -> int | None:
        """When the oldest pending message was accepted."""
        assert isinstance(self.inbox, Inbox)
        return next((message.accepted_at_us for message in self.inbox.stubs()), None)


class RowEntry(Entry):
    """An entry that lies in a row of its own, read when it is asked for; what becomes of its sends lies beside it."""

    __slots__ = ("_item", "noted")

    def __init__(self, item: RowItem, number: int, now_us: int, tasks: tuple[str, ...]) -> None:
        self.number, self.now_us, self.tasks = number, now_us, tasks
        self._item = item
        self.noted: dict[int, InboxMessage | None] = {}

    @property
    def has_sends(self) -> bool:
        """See `Entry`."""
        return True

    @property
    def sends(self) -> tuple[Send, ...]:  # type: ignore[override]  # read only
        """See `Entry`."""
        return self._item.read_sends(self.number)

    @property
    def replies(self) -> dict[int, InboxMessage | None]:  # type: ignore[override]  # read only
        """See `Entry`."""
        return dict(self._item.read_replies(self.number)) | self.noted

    def note(self, index: int, reply: InboxMessage | None) -> None:
        """See `Entry`."""
        self.noted[index] = reply


@dataclass(slots=True)
class RowSlot:
    """See `Slot`: over the rows of a snapshot."""

    instance_id: str
    snapshot: Snapshot
    _item: RowItem | None = None
    _is_read: bool = False
    _grave: tuple[str, int] | None = None

    @property
    def item(self) -> RowItem | None:
        """See `Slot.item`."""
        if not self._is_read:
            row = self.snapshot.row(HEAD)
            self._item = RowItem.read(row, self.snapshot) if row is not None else None
            self._is_read = True
        return self._item

    def put(self, record: InstanceRecord, seq: int) -> SplitItem:
        """See `Slot.put`."""
        self.snapshot.prefixes.add(f"{seq:x}/")  # an incarnation that begins has no rows yet
        self._item, self._is_read = RowItem(record, seq).bind(self.snapshot), True
        return self._item

    def bury(self, now_us: int, tombstone_seconds: float) -> bool:
        """See `Slot.bury`."""
        item = self.item
        if item is None:
            graves = [wire.unpack(row.data, "a tombstone")[0] for row in self.snapshot.under(GRAVES)]
            if any(until_us > now_us for until_us in graves):
                return False
            raise not_found(self.instance_id)
        if not item.record.status.is_finished:
            raise unfinished(self.instance_id, item.record.status)
        self._grave = (item.record.request_id, now_us + round(tombstone_seconds * 1_000_000))
        return True

    def is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_buried`."""
        row = self.snapshot.row(grave_key(record.request_id))
        return row is not None and bool(wire.unpack(row.data, "a tombstone")[0] > now_us)

    def writes(self, grace_us: int) -> list[Write]:
        """What has to be written."""
        head = self.snapshot.rows.get(HEAD)
        if self._grave is not None and head is not None:
            request_id, until_us = self._grave
            return [Write(HEAD, None, head.version), Write(grave_key(request_id), wire.pack((until_us,)))]
        return self._item.writes(grace_us) if self._item is not None else []


def _task_id_of(row: Row) -> str:
    task_id: str = wire.unpack(row.data, "a task")[0][0]
    return task_id


def grave_key(request_id: str) -> str:
    """The key of a tombstone."""
    return f"{GRAVES}{sha256(request_id.encode()).hexdigest()[:32]}"


# --- the table --------------------------------------------------------------------------------------------------------


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

    async def _run(
        self,
        instance_id: str,
        snapshot: Snapshot,
        change: Change[T],
        tasks: Sequence[str],
        is_guess: bool,
    ) -> tuple[T, list[Write]] | None:
        """Run a change, reading what it asks for; None when it was refused on a guess, which proves nothing."""
        if not snapshot.has(HEAD):
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
        rows = snapshot.rows
        for write in writes:
            if write.is_check:
                continue
            if write.data is None:
                rows[write.key] = None
            else:
                rows[write.key] = Row(write.key, (write.expected or 0) + 1, write.data)
        kept = {key: row for key, row in rows.items() if key == HEAD or key.startswith("t/")}
        self._warm.pop(instance_id, None)
        if kept.get(HEAD) is not None and len(kept) <= WARM_ROWS_MAX:
            self._warm[instance_id] = {key: row for key, row in kept.items() if row is not None}
            if len(self._warm) > WARM_MAX:
                self._warm.popitem(last=False)

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
        first = item.batch_key(run_id, after + 1)
        rows = await self._range(item.record.id, first, item.batch_key(run_id, last))
        return tuple(wire.batch_of(wire.unpack(row.data, "a batch")) for row in rows)

    async def _messages(self, item: RowItem, snapshot: Snapshot) -> tuple[InboxMessage, ...] | None:
        """The pending messages; None when they are being consumed."""
        inbox = item.inbox
        assert isinstance(inbox, Inbox)
        keys = [item.mail_key(number) for number in dict.fromkeys(inbox.row_of.values())]
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
            names = [_task_id_of(row) for key in rows if key != HEAD and (row := snapshot.rows[key]) is not None]
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
        async for portion in self._rows.newest(before_us):
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
        room = max(0, self._rows.transaction_rows_max - len(vital))
        if not await self._rows.transact(instance_id, vital + erased[:room]):
            return False
        await self._rows.delete(instance_id, [write.key for write in erased[room:]])
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
