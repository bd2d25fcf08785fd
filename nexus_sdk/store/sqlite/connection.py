"""The file: one connection to write and one to read, opened at the first use and again in a forked process.

The one rule: nothing touches the disk before the first verb, and no connection crosses a fork.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nexus_sdk.errors import StoreError
from nexus_sdk.store.sqlite import faults
from nexus_sdk.store.sqlite.schema import MIGRATIONS, VERSION

PAGE_BYTES = 1024
"""Of new files. A step changes a few bytes on each of some pages, and each is written whole: small ones cost less."""

CHECKPOINT_PAGES = 4_000
"""So many pages may lie in the log before they are copied into the file."""


class Database:
    """The connections of one process to one file. Use each under its lock."""

    def __init__(self, path: str, *, synchronous: str = "FULL", busy_seconds: float = 5.0) -> None:
        self.path = os.path.abspath(path)
        self.synchronous = synchronous
        self.busy_seconds = busy_seconds
        self._pid = os.getpid()
        self._reset()

    def _reset(self) -> None:
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writer_waits = False
        self._left_behind: list[object] = []
        self.write_lock = threading.Lock()  # may be taken on one thread and given back on another
        self.read_lock = threading.RLock()

    def is_forked(self) -> bool:
        """Whether this is another process than the one that opened it; then all is closed here, and opened anew."""
        if self._pid == os.getpid():
            return False
        kept = (self._writer, self._reader)
        self._pid = os.getpid()
        self._reset()
        # Closing a connection that was carried over a fork would release the parent's locks: let it be.
        self._left_behind.append(kept)
        return True

    def writer(self, *, waits: bool) -> sqlite3.Connection:
        """The connection to write with; `waits` for other processes' locks, or fails at once."""
        if self._writer is None:
            self._writer = self._open()
            self._writer_waits = True
        if self._writer_waits != waits:
            self._writer.execute(f"PRAGMA busy_timeout = {round(self.busy_seconds * 1000) if waits else 0}")
            self._writer_waits = waits
        return self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection to read with, with SQLite's errors made ours."""
        with self.read_lock:
            try:
                if self._reader is None:
                    with self.write_lock:
                        self.writer(waits=True)  # makes the file when it is new
                    self._reader = self._connect()
                yield self._reader
            except sqlite3.Error as error:
                if self._reader is not None and self._reader.in_transaction:
                    self._reader.rollback()
                raise faults.translate(error, self.path) from error

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one moment."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def migrate(self) -> int:
        """Bring the schema up to date."""
        try:
            with self.write_lock:
                if self._writer is None:
                    self._writer = self._open()
                    self._writer_waits = True
                else:
                    self._prepare(self._writer)
        except sqlite3.Error as error:
            raise faults.translate(error, self.path) from error
        return VERSION

    def close(self) -> None:
        """Release the file."""
        with self.read_lock:
            reader, self._reader = self._reader, None
        with self.write_lock:
            writer, self._writer = self._writer, None
        for connection in (reader, writer):
            if connection is not None:
                connection.close()

    # --- opening --------------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self.busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            raise faults.translate(error, self.path) from error
        try:
            self._version(connection)  # a file that is not ours is refused before anything in it is changed
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise faults.translate(error, self.path) from error
        except StoreError:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables, or bring an older file forward, whoever opens it first."""
        if self._version(connection) == VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = self._version(connection)  # another process may have been faster
            for statements in MIGRATIONS[found:]:
                for statement in statements:
                    connection.execute(statement)
            if found < VERSION:
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (VERSION,))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of the schema in the file, 0 when there is none yet; one that cannot be worked with is raised."""
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return 0
        if not {"meta", "instances"} <= tables:
            raise faults.foreign(self.path)
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        if row is None or not isinstance(row[0], int) or row[0] < 1:
            raise faults.foreign(self.path)
        if row[0] > VERSION:
            raise faults.newer(self.path, row[0])
        return row[0]
