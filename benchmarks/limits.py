"""The raw limits: what the disk, SQLite and the decoder do here and now, with nothing of ours in between."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgpack

from benchmarks.measures import Numbers

EVENT = [7, "0", "orders.py:31", "charge", b"\x93\x01\x02\x03" * 8, 1_700_000_000_000_000]
"""As large as the events of a history are, and of such parts."""

TURN = (
    "INSERT INTO batches VALUES (?1, ?2, zeroblob(400))",
    "UPDATE instances SET batch = ?2, record = zeroblob(300) WHERE id = ?1",
    "DELETE FROM tasks WHERE instance = ?1 AND id = ?2 - 1",
    "INSERT INTO tasks VALUES (?2, ?1, zeroblob(200))",
)
"""What a turn must write at least: its batch, its instance's record, the activity done, and the next one."""


def measure(folder: Path, seconds: float) -> Numbers:
    """All limits, per second, in this folder. Each is measured for so long."""
    return {
        "commits_of_one_row": _commits(
            seconds, folder / "one.db", ("INSERT INTO batches VALUES (?1, ?2, zeroblob(150))",)
        ),
        "commits_of_a_turn": _commits(seconds, folder / "turn.db", TURN),
        "fsyncs": _fsyncs(seconds, folder / "synced"),
        "decoded_events": _decoding(seconds),
    }


def _per_second(seconds: float, once: Callable[[], object]) -> float:
    count, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        once()
        count += 1
    return count / elapsed


def _commits(seconds: float, path: Path, statements: tuple[str, ...]) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        tables = ("batches (id, number, data, PRIMARY KEY (id, number)) WITHOUT ROWID", "instances (id, batch, record)")
        for table in (*tables, "tasks (id INTEGER PRIMARY KEY, instance, body)"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        connection.execute("INSERT INTO instances VALUES (0, 0, zeroblob(300))")
        number = connection.execute("SELECT coalesce(max(number), 0) FROM batches").fetchone()[0]

        def commit() -> None:
            nonlocal number
            number += 1
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement, (0, number))
            connection.execute("COMMIT")

        return _per_second(seconds, commit)


def _fsyncs(seconds: float, path: Path) -> float:
    block = b"x" * 4096
    with path.open("wb", buffering=0) as file:

        def append() -> None:
            file.write(block)
            os.fdatasync(file.fileno())

        return _per_second(seconds, append)


def _decoding(seconds: float) -> float:
    packed = msgpack.packb([EVENT] * 1_000)
    return _per_second(seconds, lambda: msgpack.unpackb(packed)) * 1_000
