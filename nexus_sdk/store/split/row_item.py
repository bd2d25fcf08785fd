"""An instance over rows: what lies in which row, and which rows a change has touched.

| row | what lies in it | changes |
|---|---|---|
| ``head`` | record, who has the turn, what is pending, what is left to be sent | with every turn and message |
| ``…/b/RUN/NUMBER`` | a batch | never |
| ``…/m/NUMBER`` | messages that were accepted in one write | never |
| ``t/TASK`` | a task, and who has it | with every delivery |
| ``…/o/NUMBER``, ``…/r/NUMBER/SEND`` | what a batch sends to others, and what came of it | never |
| ``…/k/MESSAGE``, ``…/s/KEY`` | that a message, or a send, was accepted | never |
| ``grave/REQUEST`` | a tombstone; or that a request was refused, because another one had the id | never |

A row knows its incarnation (``…``: it begins with it), so what a purge has left lying about belongs to nobody. The one
rule: whoever changes the head states which head he has read; whoever changes another row states that row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.store import records
from nexus_sdk.store.item import Hold
from nexus_sdk.store.port import Commit, InboxMessage, InstanceRecord, Send, StoredBatch
from nexus_sdk.store.refusals import not_found, unfinished
from nexus_sdk.store.split import wire
from nexus_sdk.store.split.incarnation import Incarnation, TaskRows
from nexus_sdk.store.split.item import Entry, SplitItem
from nexus_sdk.store.split.lazy import LazyRows, LazySet, NotRead
from nexus_sdk.store.split.rows import HEAD, Row, Write
from nexus_sdk.store.split.snapshot import GRAVES, Snapshot, grave_key, task_key

LOOK_PERIOD_US = 2_000_000
"""The index of what needs a look knows times to such a period, which is that of a worker's sweep, and never a later
one. Whoever is told of an instance looks himself; and one that is looked for within the period is not written anew."""

TOLD_MAX = 60
"""So many notes about the sends of an entry are erased with it; more of them lie there until the purge."""


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
    rows: Incarnation

    def bind(self, snapshot: Snapshot) -> RowItem:
        """Let the collections read from this snapshot."""
        self.snapshot = snapshot
        rows = self.rows = Incarnation(self.seq, snapshot)
        self._task_rows = TaskRows(rows, self.sent_attempts, self.rung)
        self.tasks = LazyRows(self._task_rows.read, self._task_rows.read_ids)
        self.remembered_ids = LazySet(rows.has_message)
        self.seen = LazySet(rows.has_send)
        self.inbox = Inbox(rows.mail)
        self._as_read: tuple[InstanceRecord, bytes] | None = None
        self._gone: list[tuple[Entry, list[int]]] = []
        return self

    def want(self, task_ids: Sequence[str]) -> None:
        """These tasks will be asked for."""
        assert isinstance(self.tasks, LazyRows)
        keys = [task_key(task_id) for task_id in task_ids if task_id not in self.tasks.known]
        if missing := [key for key in keys if not self.snapshot.has(key)]:
            raise NotRead(*missing)

    def want_known(self, messages: Iterable[InboxMessage]) -> None:
        """It will be asked whether these messages came before."""
        keys = [self.rows.key("k", message.id) for message in messages]
        if missing := [key for key in keys if not self.snapshot.has(key)]:
            raise NotRead(*missing)

    # --- from rows --------------------------------------------------------------------------------------------------

    def _read_run(self, run_id: str, number: int | None) -> Sequence[StoredBatch]:
        return self.rows.batches(run_id, number)

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
        packed, seq, last_number, last_accepted_us, token, until_us, pending, outbox, outbox_number, sent = head[:10]
        record = records.unpack(packed)
        item = cls(record, seq).bind(snapshot)
        item._as_read = (record, packed)
        item.last_number, item.last_accepted_us, item.turn = last_number, last_accepted_us, Hold(token, until_us)
        assert isinstance(item.inbox, Inbox)
        for number, id, accepted_at_us, row_number in pending:
            stub = InboxMessage(id, item.record.id, b"", accepted_at_us=accepted_at_us, number=number)
            dict.__setitem__(item.inbox, number, stub)
            item.inbox.row_of[number] = row_number
            item.pending_ids.add(id)
        item.outbox = [_read_entry(item.rows, *each) for each in outbox]
        item.outbox_number, item.sent_through = outbox_number, sent
        return item

    # --- to rows ----------------------------------------------------------------------------------------------------

    def head(self) -> bytes:
        """What is in the head row."""
        assert isinstance(self.inbox, Inbox)
        pending = [(m.number, m.id, m.accepted_at_us, self.inbox.row_of[m.number]) for m in self.inbox.stubs()]
        outbox = [(entry.number, entry.now_us, entry.tasks, entry.has_sends, entry.made) for entry in self.outbox]
        return wire.pack(
            (
                self._packed_record(),
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

    def _packed_record(self) -> bytes:
        """What is not changed is as it was read."""
        if self._as_read is not None and self._as_read[0] is self.record:
            return self._as_read[1]
        return records.pack(self.record)

    def writes(self, grace_us: int) -> list[Write]:
        """What has to be written: the rows that are not as they were read."""
        writes = [*self._head_writes(grace_us), *self._task_writes(grace_us), *self._mail_writes()]
        writes += [*self._batch_writes(), *self._outbox_writes()]
        for kind, members in (("k", self.remembered_ids), ("s", self.seen)):
            assert isinstance(members, LazySet)
            writes += [Write(self.rows.key(kind, name), b"\x01") for name in members.added]
        if writes and writes[0].key != HEAD and any(write.expected in (None, 0) for write in writes):
            writes.insert(0, Write(HEAD, is_check=True))  # a new row needs somebody it belongs to
        return writes

    def _head_writes(self, grace_us: int) -> Iterator[Write]:
        row, data = self.snapshot.row(HEAD), self.head()
        if row is None or row.data != data:
            look_at_us = _index_us(self.look_at_us(grace_us))
            created_us = self.record.created_us
            is_blocked = self.record.status is Status.BLOCKED
            yield Write(
                HEAD,
                data,
                row.version if row else 0,
                look_at_us=look_at_us,
                created_us=created_us,
                is_blocked=is_blocked,
            )

    def _task_writes(self, grace_us: int) -> Iterator[Write]:
        assert isinstance(self.tasks, LazyRows)
        members = self.tasks.members()
        for task_id in sorted(self.tasks.known):
            key = task_key(task_id)
            row, state = self.snapshot.row(key), members.get(task_id)
            if state is None:
                if row is not None and task_id not in self._task_rows.strangers:
                    yield Write(key, None, row.version)
                elif key in self.snapshot.guessed:
                    yield Write(key, None, 0, is_check=True)
                continue
            plain = wire.plain_state(
                state, self.sent_attempts.get(task_id, 0), self.rung.get(task_id, (0, 0)), self.seq
            )
            data = wire.pack(plain)
            if row is None or row.data != data:
                look_at_us = _index_us(self.task_look_at_us(state, grace_us))
                yield Write(key, data, row.version if row else 0, look_at_us=look_at_us)

    def _mail_writes(self) -> Iterator[Write]:
        inbox = self.inbox
        assert isinstance(inbox, Inbox)
        kept = [dict.__getitem__(inbox, number) for number in inbox.added if number in inbox]
        if kept:
            yield Write(self.rows.mail_key(inbox.added[0]), wire.pack([wire.plain_message(each) for each in kept]))
        used = {inbox.row_of[number] for number in inbox}
        yield from (Write(self.rows.mail_key(number)) for number in sorted(set(inbox.row_of.values()) - used))

    def _batch_writes(self) -> Iterator[Write]:
        for first, *others in filter(None, self.runs.values()):
            yield Write(self.rows.batch_key(first.run_id, first.number), wire.pack(wire.plain_batch(first)))
            # A turn appends one batch to a run. More of them open one, and nobody knows that one before the head does;
            # the first of them tells a commit that is repeated from one that never was.
            for batch in others:
                key, data = self.rows.batch_key(batch.run_id, batch.number), wire.pack(wire.plain_batch(batch))
                yield Write(key, data, may_precede=True)

    def _outbox_writes(self) -> Iterator[Write]:
        for entry in self.outbox:
            if isinstance(entry, RowEntry):
                for index, reply in entry.noted.items():
                    plain = (index, wire.plain_message(reply))
                    yield Write(self.rows.reply_key(entry.number, index), wire.pack(plain))
            elif entry.has_sends:
                yield Write(self.rows.outbox_key(entry.number), wire.pack(wire.plain_sends(entry)))
        for entry, told in self._gone:
            yield Write(self.rows.outbox_key(entry.number))
            yield from (Write(self.rows.reply_key(entry.number, index)) for index in told)

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

    __slots__ = ("_rows", "noted")

    def __init__(self, rows: Incarnation, number: int, now_us: int, tasks: tuple[str, ...], made: int) -> None:
        self.number, self.now_us, self.tasks, self.made = number, now_us, tasks, made
        self._rows = rows
        self.noted: dict[int, InboxMessage | None] = {}

    @property
    def has_sends(self) -> bool:
        """See `Entry`."""
        return True

    @property
    def sends(self) -> tuple[Send, ...]:  # type: ignore[override]  # read only
        """See `Entry`."""
        return self._rows.sends(self.number)

    @property
    def replies(self) -> dict[int, InboxMessage | None]:  # type: ignore[override]  # read only
        """See `Entry`."""
        return dict(self._rows.replies(self.number)) | self.noted

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
    _refusal: tuple[str, int] | None = None

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
            graves = [wire.unpack(row.data, "a tombstone") for row in self.snapshot.under(GRAVES)]
            if any(until_us > now_us and not is_refusal for until_us, *is_refusal in graves):
                return False
            raise not_found(self.instance_id)
        if not item.record.status.is_finished:
            raise unfinished(self.instance_id, item.record.status)
        self._grave = (item.record.request_id, now_us + round(tombstone_seconds * 1_000_000))
        return True

    def is_buried(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_buried`."""
        return self._grave_of(record, now_us) == []

    def refuse(self, record: InstanceRecord, until_us: int) -> None:
        """See `Slot.refuse`."""
        self._refusal = (record.request_id, until_us)

    def is_refused(self, record: InstanceRecord, now_us: int) -> bool:
        """See `Slot.is_refused`."""
        return self._grave_of(record, now_us) == [True]

    def _grave_of(self, record: InstanceRecord, now_us: int) -> list[bool] | None:
        """What the tombstone of this request says besides its time; None when none stands."""
        row = self.snapshot.row(grave_key(record.request_id))
        if row is None:
            return None
        until_us, *said = wire.unpack(row.data, "a tombstone")
        return said if until_us > now_us else None

    def writes(self, grace_us: int) -> list[Write]:
        """What has to be written."""
        head = self.snapshot.rows.get(HEAD)
        if self._grave is not None and head is not None:
            request_id, until_us = self._grave
            return [Write(HEAD, None, head.version), Write(grave_key(request_id), wire.pack((until_us,)))]
        if self._refusal is not None and head is not None:
            request_id, until_us = self._refusal
            check = Write(HEAD, None, head.version, is_check=True)  # it is for that one that it is refused
            return [check, Write(grave_key(request_id), wire.pack((until_us, True)))]
        return self._item.writes(grace_us) if self._item is not None else []


def _read_entry(
    rows: Incarnation, number: int, now_us: int, tasks: tuple[str, ...], has_sends: bool, made: int = 0, *_: Any
) -> Entry:
    return RowEntry(rows, number, now_us, tasks, made) if has_sends else Entry(number, (), now_us, tasks)


def _index_us(look_at_us: int | None) -> int | None:
    return None if look_at_us is None else look_at_us - look_at_us % LOOK_PERIOD_US
