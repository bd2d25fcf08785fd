"""One job's view of the database: the instances it touches, read once, changed in memory, written once at its end.

The one rule: an instance's derived columns (`due_us`, `age_us`, `pending`) are computed here and nowhere else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from nexus_sdk.core.status import Status
from nexus_sdk.store.item import lost
from nexus_sdk.store.port import (
    TURNS,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Loaded,
    NewInstance,
    StoredBatch,
    TaskDelivery,
)
from nexus_sdk.store.records import attribute_text, pack, pack_attributes, unpack
from nexus_sdk.store.refusals import not_found
from nexus_sdk.store.sqlite.writer import Effects

_SELECT = """SELECT seq, id, run_id, status, last_batch, request_id, wake_at_us, held_through, pending, last_number,
    accepted_us, oldest_us, token, until_us, peer, attributes, record FROM instances WHERE id = ?"""

_QUEUE_COLUMNS = """pending = ?, last_number = ?, accepted_us = ?, oldest_us = ?, token = ?, until_us = ?, peer = ?,
    due_us = ?, age_us = ?"""
_UPDATE = f"UPDATE instances SET {_QUEUE_COLUMNS} WHERE seq = ?"
_UPDATE_RECORD = f"""UPDATE instances SET {_QUEUE_COLUMNS}, run_id = ?, last_batch = ?, wake_at_us = ?,
    held_through = ?, record = ? WHERE seq = ?"""
_INSERT = """INSERT INTO instances (id, run_id, status, workflow, created_us, last_batch, request_id, wake_at_us,
    held_through, pending, last_number, accepted_us, oldest_us, due_us, age_us, attributes, record)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"""
_UPDATE_STATUS = _UPDATE_RECORD.replace(" WHERE seq", ", status = ? WHERE seq")
# Apart from the others, because naming a column rewrites its indexes even when its value stays the same.

_FIRST_BATCH = "SELECT run_id, number, turn_id, data FROM batches WHERE instance_id = ? AND run_id = ?"
_INSERT_BATCH = "INSERT INTO batches (instance_id, run_id, number, turn_id, data) VALUES (?,?,?,?,?)"
_CONSUME = "DELETE FROM inbox WHERE instance_id = ? AND number BETWEEN ? AND ?"
_SETTLE_TASK = "DELETE FROM tasks WHERE instance_id = ? AND id = ? AND (token = ? OR token IS NULL)"

_FINISHED = frozenset(status.value for status in Status if status.is_finished)
_UNDER_WAY = frozenset(status.value for status in Status if status.is_under_way)


@dataclass(slots=True)
class Row:
    """An instance's columns."""

    seq: int
    id: str
    run_id: str
    status: str
    last_batch: int
    request_id: str
    wake_at_us: int | None
    held_through: int | None
    pending: int
    last_number: int
    accepted_us: int
    oldest_us: int | None
    token: str | None
    until_us: int | None
    peer: str | None
    attributes: bytes | None
    data: bytes
    record: InstanceRecord | None = None
    is_dirty: bool = False
    has_new_status: bool = False

    @property
    def is_finished(self) -> bool:
        """Takes no more messages."""
        return self.status in _FINISHED

    def present_record(self) -> InstanceRecord:
        """The record as it stands."""
        return self.record if self.record is not None else unpack(self.data)

    def accept(self, now_us: int) -> None:
        """One more message."""
        self.last_number += 1
        self.accepted_us = max(now_us, self.accepted_us)
        if self.pending == 0:
            self.oldest_us = self.accepted_us
        self.pending += 1
        self.is_dirty = True

    def free(self, until_us: int | None = None) -> None:
        """The turn is nobody's, and not given out before `until_us`."""
        self.token, self.until_us, self.peer, self.is_dirty = None, until_us, None, True

    def due_us(self, newest: int) -> int | None:
        """When the turn may be delivered, when `newest` is the number of the youngest pending message."""
        if self.is_finished:
            return None
        wanted = 0 if self.pending and newest > (self.held_through or 0) else self.wake_at_us
        return None if wanted is None else max(wanted, self.until_us or 0)


class Work:
    """The reads and writes of one job. `flush` writes the instances that were changed."""

    def __init__(self, connection: sqlite3.Connection, effects: Effects, now_us: int) -> None:
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.effects = effects
        self.now_us = now_us
        self._rows: dict[str, Row | None] = {}

    def find(self, instance_id: str) -> Row | None:
        """The instance's columns, or None."""
        if instance_id not in self._rows:
            found = self.execute(_SELECT, (instance_id,)).fetchone()
            self._rows[instance_id] = Row(*found) if found is not None else None
        return self._rows[instance_id]

    def get(self, instance_id: str) -> Row:
        """The instance's columns.

        Raises:
            InstanceNotFound: there is none.
        """
        row = self.find(instance_id)
        if row is None:
            raise not_found(instance_id)
        return row

    # --- instances ------------------------------------------------------------------------------------------------

    def insert(self, new: NewInstance) -> bool:
        """A new instance with its first batch and message; False when there is one of this id."""
        record = new.record
        data, attributes = pack(record), pack_attributes(record)
        row = Row(
            seq=0,
            id=record.id,
            run_id=record.run_id,
            status=record.status.value,
            last_batch=record.last_batch,
            request_id=record.request_id,
            wake_at_us=record.wake_at_us,
            held_through=record.held_through,
            pending=0,
            last_number=0,
            accepted_us=0,
            oldest_us=None,
            token=None,
            until_us=None,
            peer=None,
            attributes=attributes,
            data=data,
            record=record,
        )
        if new.message is not None:
            row.accept(self.now_us)
        due_us, age_us = self._order(row)
        values = (
            record.id,
            record.run_id,
            record.status.value,
            record.workflow,
            record.created_us,
            record.last_batch,
            record.request_id,
            record.wake_at_us,
            record.held_through,
            row.pending,
            row.last_number,
            row.accepted_us,
            row.oldest_us,
            due_us,
            age_us,
            attributes,
            data,
        )
        inserted = self.execute(_INSERT, values)
        if inserted.rowcount == 0:
            return False
        row.seq = inserted.lastrowid or 0
        row.is_dirty = False
        self._rows[record.id] = row
        self.append(record.id, new.batch)
        if new.message is not None:
            self._put(row, new.message)
        self._insert_attributes(record)
        if due_us is not None:
            self.note_due(TURNS, due_us, is_free=True)
        self.effects.changed.append(record.id)
        return True

    def append(self, instance_id: str, batch: StoredBatch) -> None:
        """One more batch."""
        values = (instance_id, batch.run_id, batch.number, batch.turn_id, batch.data)
        self.execute(_INSERT_BATCH, values)

    def has(self, instance_id: str, batch: StoredBatch) -> bool:
        """Whether this batch is there, written by this turn."""
        key = (instance_id, batch.run_id, batch.number, batch.turn_id)
        query = "SELECT 1 FROM batches WHERE instance_id = ? AND run_id = ? AND number = ? AND turn_id = ?"
        return self.execute(query, key).fetchone() is not None

    def replace(self, row: Row, record: InstanceRecord) -> None:
        """The record after a turn."""
        attributes = pack_attributes(record)
        if attributes != row.attributes:
            self.execute("UPDATE instances SET attributes = ? WHERE seq = ?", (attributes, row.seq))
            self.execute("DELETE FROM attributes WHERE instance_id = ?", (row.id,))
            self._insert_attributes(record)
        if row.status != record.status.value:
            row.has_new_status = True
            if row.status not in _UNDER_WAY or not record.status.is_under_way:
                self.effects.changed.append(row.id)  # as `Status.is_news_after` has it, whatever stands there
        row.record, row.status, row.run_id = record, record.status.value, record.run_id
        row.last_batch, row.wake_at_us, row.held_through = record.last_batch, record.wake_at_us, record.held_through
        row.is_dirty = True
        self.effects.moved.append(row.id)

    def is_buried(self, record: InstanceRecord) -> bool:
        """Whether the same request's instance was purged, not long ago."""
        found = self.execute(
            "SELECT 1 FROM tombstones WHERE instance_id = ? AND request_id = ? AND until_us > ?",
            (record.id, record.request_id, self.now_us),
        )
        return found.fetchone() is not None

    def _insert_attributes(self, record: InstanceRecord) -> None:
        for name, value in record.attributes.items():
            self.execute("INSERT INTO attributes VALUES (?,?,?)", (name, attribute_text(value), record.id))

    # --- messages -------------------------------------------------------------------------------------------------

    def knows(self, message: InboxMessage) -> bool:
        """Whether this message was accepted before, as far as remembered."""
        key = (message.instance_id, message.id)
        return (
            self.execute("SELECT 1 FROM inbox WHERE instance_id = ? AND message_id = ?", key).fetchone() is not None
            or self.execute("SELECT 1 FROM remembered WHERE instance_id = ? AND message_id = ?", key).fetchone()
            is not None
        )

    def offer(self, message: InboxMessage) -> InboxMessage | None:
        """Accept a message, unless its instance is unknown or has finished; the reply that says which.

        A repetition is accepted too.
        """
        row = self.find(message.instance_id)
        if row is None:
            return message.if_refused
        if self.knows(message):
            return message.if_accepted
        if row.is_finished:
            return message.if_finished or message.if_refused
        row.accept(self.now_us)
        self._put(row, message)
        return message.if_accepted

    def _put(self, row: Row, message: InboxMessage) -> None:
        values = (row.id, message.id, row.last_number, row.accepted_us, message.is_remembered, message.body)
        self.execute("INSERT INTO inbox VALUES (?,?,?,?,?,?)", values)
        if message.is_remembered:
            self.execute("INSERT INTO remembered VALUES (?,?)", (row.id, message.id))

    def consume(self, row: Row, numbers: Collection[int]) -> None:
        """Remove these messages from the inbox."""
        if not numbers:
            return
        first, last = min(numbers), max(numbers)
        if last - first + 1 == len(numbers):
            used = self.execute(_CONSUME, (row.id, first, last)).rowcount
        else:
            used = self.executemany(_CONSUME, [(row.id, number, number) for number in numbers]).rowcount
        row.pending -= used
        row.oldest_us, row.is_dirty = None, True
        if row.pending:
            oldest = self.execute("SELECT min(accepted_us) FROM inbox WHERE instance_id = ?", (row.id,))
            row.oldest_us = oldest.fetchone()[0]

    def messages(self, instance_id: str) -> tuple[InboxMessage, ...]:
        """The pending messages in the order of acceptance."""
        return read_messages(self.execute("SELECT * FROM inbox WHERE instance_id = ?", (instance_id,)))

    def loaded(self, row: Row, messages: tuple[InboxMessage, ...]) -> Loaded:
        """An instance that never had a turn, as `load` returns it."""
        batches = self.execute(_FIRST_BATCH, (row.id, row.run_id))
        return Loaded(row.present_record(), tuple([StoredBatch(*batch) for batch in batches]), messages)

    # --- settling -------------------------------------------------------------------------------------------------

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """They are done with.

        Raises:
            ConflictError: another holder has taken one, or it was settled already; the job is undone by its caller.
        """
        tasks: list[TaskDelivery] = []
        for delivery in deliveries:
            if isinstance(delivery, TaskDelivery):
                tasks.append(delivery)
                continue
            row = self.find(delivery.instance_id)
            if row is None or row.token not in (None, delivery.token):
                raise lost(delivery)
            row.free()
        if not tasks:
            return
        keys = [(delivery.task.instance_id, delivery.task.id, delivery.token) for delivery in tasks]
        if self.executemany(_SETTLE_TASK, keys).rowcount < len(tasks):
            raise lost(*tasks)

    # --- the end --------------------------------------------------------------------------------------------------

    def due_us(self, row: Row) -> int | None:
        """When the turn may be delivered."""
        newest = row.last_number
        if row.pending and row.held_through is not None:
            query = "SELECT max(number) FROM inbox WHERE instance_id = ?"
            newest = self.execute(query, (row.id,)).fetchone()[0] or 0
        return row.due_us(newest)

    def flush(self) -> None:
        """Write the instances that were changed."""
        for row in self._rows.values():
            if row is not None and row.is_dirty:
                self._write(row)

    def _order(self, row: Row) -> tuple[int | None, int]:
        """When its turn may be delivered, and since when it waits."""
        age_us = row.oldest_us if row.pending else row.wake_at_us
        return self.due_us(row), age_us if age_us is not None else 0

    def _write(self, row: Row) -> None:
        due_us, age_us = self._order(row)
        queue_columns = (
            row.pending,
            row.last_number,
            row.accepted_us,
            row.oldest_us,
            row.token,
            row.until_us,
            row.peer,
            due_us,
            age_us,
        )
        if row.record is None:
            self.execute(_UPDATE, (*queue_columns, row.seq))
        else:
            record = (row.run_id, row.last_batch, row.wake_at_us, row.held_through, pack(row.record))
            if row.has_new_status:
                self.execute(_UPDATE_STATUS, (*queue_columns, *record, row.status, row.seq))
            else:
                self.execute(_UPDATE_RECORD, (*queue_columns, *record, row.seq))
        row.is_dirty = row.has_new_status = False
        if due_us is not None:
            self.note_due(TURNS, due_us, is_free=row.token is None)

    def note_due(self, queue: str, due_us: int, *, is_free: bool) -> None:
        """Something falls due on a queue: now, or later."""
        if is_free and due_us <= self.now_us:
            self.effects.has_ready = True
        else:
            dues_us = self.effects.dues_us
            dues_us[queue] = min(due_us, dues_us.get(queue, due_us))


def read_messages(rows: Iterable[tuple[str, str, int, int, int, bytes]]) -> tuple[InboxMessage, ...]:
    """Inbox rows as messages, in the order of acceptance."""
    ordered = sorted(rows, key=lambda row: row[2])
    return tuple(
        InboxMessage(
            message_id,
            instance_id,
            body,
            is_remembered=bool(is_remembered),
            accepted_at_us=accepted_us,
            number=number,
        )
        for instance_id, message_id, number, accepted_us, is_remembered, body in ordered
    )
