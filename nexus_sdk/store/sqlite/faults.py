"""From SQLite's errors to ours. The one rule: no `sqlite3` exception leaves the store."""

from __future__ import annotations

import os
import sqlite3

from nexus_sdk.errors import SchemaOutdated, StoreError, StoreUnavailable
from nexus_sdk.store.sqlite.schema import VERSION

BUSY = 5
"""SQLITE_BUSY, the primary code."""

_LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 6, 8, 10, 11, 13, 14, 26


def code_of(error: sqlite3.Error) -> int:
    """The primary result code, 0 when there is none."""
    code: int = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF


def is_fatal(error: BaseException) -> bool:
    """Whether an error inside a transaction concerns all of it, and not the one statement."""
    return isinstance(error, sqlite3.OperationalError) or (
        isinstance(error, sqlite3.DatabaseError) and code_of(error) in (_CORRUPT, _NOTADB)
    )


def translate(error: sqlite3.Error, path: str) -> StoreError:
    """Our error for SQLite's: what happened, to which file, and whether trying again may help."""
    code = code_of(error)
    if code in (BUSY, _LOCKED):
        return StoreUnavailable(
            f"{path}: locked by another process for longer than the busy timeout.",
            hint="Nothing was written; try again. See which process keeps a transaction open.",
        )
    if code == _FULL:
        return StoreUnavailable(f"{path}: the disk is full.", hint="Nothing was written: free space, then try again.")
    if code == _IOERR:
        return StoreUnavailable(f"{path}: reading or writing failed ({error}).", hint="Check the disk, then try again.")
    if code in (_NOTADB, _CORRUPT):
        what = "is not an SQLite database" if code == _NOTADB else f"is damaged ({error})"
        return StoreError(f"{path} {what}.", hint="Check the path of the store URL, or restore the file from a backup.")
    if code == _READONLY:
        return _read_only(path)
    if code == _CANTOPEN:
        return _cannot_open(path, error)
    return StoreError(f"{path}: {error}.", hint="This should not happen; please report it with this message.")


def _read_only(path: str) -> StoreError:
    return StoreError(
        f"{path}: the file or its directory is read-only.",
        hint="Make both writable for this process: SQLite keeps its -wal and -shm files beside the database.",
    )


def _cannot_open(path: str, error: sqlite3.Error) -> StoreError:
    parent = os.path.dirname(path) or "."
    if not os.path.isdir(parent):
        return StoreError(
            f"{path}: the directory {parent} does not exist.",
            hint="Create it, or correct the path: sqlite:///relative.db, sqlite:////absolute/path.db.",
        )
    if os.path.isdir(path):
        return StoreError(f"{path} is a directory.", hint="Name the database file in the store URL.")
    if not _may_write(parent) or (os.path.exists(path) and not _may_write(path)):
        return _read_only(path)
    return StoreError(f"{path}: cannot be opened ({error}).", hint="Check the path and its permissions.")


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def newer(path: str, found: int) -> SchemaOutdated:
    """The file was written by a later version of this package."""
    return SchemaOutdated(
        f"{path}: the schema has version {found}, this release knows versions up to {VERSION}.",
        hint="Upgrade nexus-sdk on this machine.",
    )


def foreign(path: str) -> StoreError:
    """An SQLite file, but not one of ours."""
    return StoreError(
        f"{path}: an SQLite database of another application.",
        hint="Name a file of its own for the store; it is created when it does not exist.",
    )
