"""Instances as a whole: create, read, list, purge. Each writing function is one job's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.store.listing import from_cursor, position_of, to_cursor
from nexus_sdk.store.port import InstanceRecord, Loaded, NewInstance, Query, RecordPage, StoredBatch
from nexus_sdk.store.records import attribute_text, unpack
from nexus_sdk.store.refusals import exists, not_found, purged, unfinished
from nexus_sdk.store.sqlite.work import Work, read_messages

FIND = "SELECT record FROM instances WHERE id = ?"
POSITION = "SELECT run_id, last_batch, status FROM instances WHERE id = ?"
LOAD_IDLE = """SELECT 0, record, pending, NULL, NULL FROM instances WHERE id = :id
    UNION ALL SELECT number, run_id, 0, turn_id, data FROM batches WHERE instance_id = :id AND number > :after
        AND run_id = coalesce(:run_id, (SELECT run_id FROM instances WHERE id = :id))"""
BATCHES = """SELECT run_id, number, turn_id, data FROM batches
    WHERE instance_id = ? AND run_id = ? AND number > ? ORDER BY number"""

BLOB = "SELECT data FROM blobs WHERE instance_id = ? AND digest = ?"


def create(work: Work, new: NewInstance) -> InstanceRecord:
    """Create an instance, or return the one that the same request has made."""
    if not work.insert(new):
        row = work.get(new.record.id)
        if row.request_id == new.record.request_id:
            return row.present_record()
        raise exists(row.id)
    if work.is_buried(new.record):
        raise purged(new.record.id)  # and what was written is undone
    return new.record


def load_idle(connection: sqlite3.Connection, instance_id: str, run_id: str | None, after: int) -> Loaded | None:
    """The same as `load`, for an instance without messages; None when it has some. One statement: one moment."""
    rows = connection.execute(LOAD_IDLE, {"id": instance_id, "run_id": run_id, "after": after}).fetchall()
    rows.sort(key=itemgetter(0))
    if not rows or rows[0][0] != 0:
        raise not_found(instance_id)
    (_, record, pending, _, _), *batches = rows
    if pending:
        return None
    return Loaded(unpack(record), tuple([StoredBatch(run, number, *rest) for number, run, _, *rest in batches]), ())


def load(connection: sqlite3.Connection, instance_id: str, run_id: str | None, after: int) -> Loaded:
    """Record, batches and messages; inside one snapshot."""
    record = find(connection, instance_id)
    rows = connection.execute(BATCHES, (instance_id, run_id or record.run_id, after))
    batches = tuple(StoredBatch(*row) for row in rows)
    messages = connection.execute("SELECT * FROM inbox WHERE instance_id = ?", (instance_id,))
    return Loaded(record, batches, read_messages(messages))


def find(connection: sqlite3.Connection, instance_id: str) -> InstanceRecord:
    """The record alone."""
    row = connection.execute(FIND, (instance_id,)).fetchone()
    if row is None:
        raise not_found(instance_id)
    return unpack(row[0])


def restriction(query: Query) -> tuple[str, list[Any]]:
    """The query as conditions and their values."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.statuses:
        conditions.append(f"status IN ({','.join('?' * len(query.statuses))})")
        values += sorted(status.value for status in query.statuses)
    for condition, value in (
        ("workflow = ?", query.workflow),
        ("created_us >= ?", query.created_after_us),
        ("created_us < ?", query.created_before_us),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    for name, wanted in query.attributes.items():
        conditions.append("id IN (SELECT instance_id FROM attributes WHERE name = ? AND value = ?)")
        values += [name, attribute_text(wanted)]
    return " AND ".join(conditions) or "1", values


def page(connection: sqlite3.Connection, query: Query, limit: int, cursor: str | None) -> RecordPage:
    """A page of the instances that match, newest first."""
    conditions, values = restriction(query)
    if cursor is not None:
        conditions += " AND (created_us, id) < (?, ?)"
        values += from_cursor(cursor)
    statement = f"SELECT record FROM instances WHERE {conditions} ORDER BY created_us DESC, id DESC LIMIT ?"
    found = [unpack(row[0]) for row in connection.execute(statement, (*values, limit + 1))]
    records = tuple(found[:limit])
    return RecordPage(records, to_cursor(position_of(records[-1])) if len(found) > limit and records else None)


def count(connection: sqlite3.Connection, query: Query) -> int:
    """How many instances match."""
    conditions, values = restriction(query)
    row = connection.execute(f"SELECT count(*) FROM instances WHERE {conditions}", values).fetchone()
    return int(row[0])


def put_blobs(work: Work, instance_id: str, blobs: Mapping[bytes, bytes]) -> None:
    """Keep large payloads; those that are there stay as they are."""
    for digest, data in blobs.items():
        row = (instance_id, digest, work.now_us, data)
        work.execute("INSERT OR IGNORE INTO blobs (instance_id, digest, put_us, data) VALUES (?,?,?,?)", row)


def get_blobs(connection: sqlite3.Connection, instance_id: str, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Large payloads, as far as they are there."""
    found = {}
    for digest in digests:
        row = connection.execute(BLOB, (instance_id, digest)).fetchone()
        if row is not None:
            found[digest] = row[0]
    return found


def purge(work: Work, instance_id: str, tombstone_seconds: float) -> None:
    """Erase a finished instance, leaving a tombstone."""
    work.execute("DELETE FROM tombstones WHERE until_us <= ?", (work.now_us,))
    row = work.find(instance_id)
    if row is None:
        if work.execute("SELECT 1 FROM tombstones WHERE instance_id = ?", (instance_id,)).fetchone() is None:
            raise not_found(instance_id)
        return
    if not row.is_finished:
        raise unfinished(instance_id, Status(row.status))
    for table in ("batches", "inbox", "remembered", "tasks", "attributes", "blobs"):
        work.execute(f"DELETE FROM {table} WHERE instance_id = ?", (instance_id,))
    work.execute("DELETE FROM instances WHERE seq = ?", (row.seq,))
    until_us = work.now_us + round(tombstone_seconds * 1_000_000)
    work.execute("INSERT OR REPLACE INTO tombstones VALUES (?,?,?)", (instance_id, row.request_id, until_us))
    work.effects.moved.append(instance_id)
    work.effects.changed.append(instance_id)
