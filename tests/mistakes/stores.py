"""Stores that cannot be used: odd URLs, and files that are read-only, full, damaged, newer or none of ours.

A row's thing spoils the folder and gives the URL of what is left.
"""

from __future__ import annotations

import ctypes
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nexus_sdk import Nexus
from nexus_sdk.store.sqlite.connection import Database
from nexus_sdk.store.sqlite.schema import VERSION
from tests.mistakes import orders
from tests.mistakes.bench import SECRET, Bench, Python, Row, Typed

Spoil = Callable[[Bench], str]


# --- what spoils a store ----------------------------------------------------------------------------------------------


def _stored(bench: Bench) -> Path:
    return bench.folder / "nexus.db"


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _changed(change: Callable[[Path], object]) -> Spoil:
    """The prepared store, changed."""

    def spoil(bench: Bench) -> str:
        change(_stored(bench))
        return _url(_stored(bench))

    return spoil


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 100])


def _scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:-1] = random.Random(1).randbytes(len(data) - 4097)
    path.write_bytes(bytes(data))


def _make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (VERSION + 1,))


def _make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE customers (name TEXT)")
        other.execute("INSERT INTO customers VALUES (?)", (SECRET,))


def _lock(bench: Bench) -> str:
    other = sqlite3.connect(_stored(bench), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    bench.stack.callback(other.close)
    return _url(_stored(bench)) + "?busy_seconds=0.01"


def _fill_up(bench: Bench) -> str:
    """No page more than there are: SQLite itself says that the disk is full."""
    connect = Database._connect

    def connect_full(database: Database) -> sqlite3.Connection:
        connection = connect(database)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with closing(sqlite3.connect(_stored(bench))) as other:  # room inside of pages is taken too
        other.execute("PRAGMA auto_vacuum = NONE")
        other.execute("VACUUM")
    bench.stack.enter_context(patch.object(Database, "_connect", connect_full))
    return _url(_stored(bench))


def _protect_file(bench: Bench) -> str:
    _stored(bench).chmod(0o444)
    return _protect_folder(bench)


def _protect_folder(bench: Bench) -> str:
    bench.folder.chmod(0o555)
    bench.stack.callback(bench.folder.chmod, 0o755)
    bench.stack.enter_context(unprivileged())
    return _url(_stored(bench))


def _new_in_protected_folder(bench: Bench) -> str:
    _protect_folder(bench)
    return "sqlite:///new.db"


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


@contextmanager
def unprivileged() -> Iterator[None]:
    """For this thread, and those that it starts, the modes of files count: root may otherwise write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(0x20080522, 0), (_Capabilities * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    before, overrides = sets[0].effective, 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    sets[0].effective = before & ~overrides
    assert libc.capset(ctypes.byref(header), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(header), sets) == 0


# --- faces ------------------------------------------------------------------------------------------------------------


async def _start(bench: Bench, spoil: Spoil) -> Any:
    url = spoil(bench)
    return await bench.app_on(url).client().start(orders.keep, "x" * 20_000)


async def _list(bench: Bench, spoil: Spoil) -> Any:
    return await bench.app_on(spoil(bench)).client().list()


async def _run(bench: Bench, spoil: Spoil) -> Any:
    return await bench.app_on(spoil(bench)).run_async(orders.keep, "x" * 20_000)


async def _tell(bench: Bench, spoil: Spoil) -> Any:
    return await bench.app_on(spoil(bench)).client().get("waiting").send_event("approved", "x" * 20_000)


def _typed(exit_code: int, *, reads: bool, code: str = "") -> tuple[Typed, ...]:
    text = '"' + "x" * 20_000 + '"'
    found = [
        Typed("start", lambda bench, url: ("start", "orders:keep", "--input", text, "--store", url), exit_code, code),
        Typed("run", lambda bench, url: ("run", "orders:keep", "--input", text, "--store", url), exit_code, code),
    ]
    if reads:
        found.append(Typed("list", lambda bench, url: ("list", "--store", url), exit_code, code))
        found.append(Typed("show", lambda bench, url: ("show", "waiting", "--store", url), exit_code, code))
    return tuple(found)


_READS = (Python("list", _list),)
_WRITES = (Python("start", _start), Python("run", _run))
_TELLS = (Python("event", _tell),)


def _file(name: str, spoil: Spoil, *words: str, code: str = "NX401", reads: bool = True, exit_code: int = 1) -> Row:
    faces = (*_WRITES, *(_READS if reads else _TELLS), *_typed(exit_code, reads=reads))
    return Row(name, spoil, code, words, faces)


def _address(name: str, url: str, *words: str, code: str = "NX401") -> Row:
    typed = _typed(2, reads=True)
    return Row(name, lambda bench: url, code, words, (*_WRITES, *_READS, *typed))


async def _none(bench: Bench) -> None:
    Nexus("memory://")


ROWS = [
    _file(
        "a file of random bytes",
        _changed(lambda path: path.write_bytes(random.Random(1).randbytes(9_000))),
        "is not an SQLite database",
        "restore",
    ),
    _file("a file of text", _changed(lambda path: path.write_text(SECRET * 1_000)), "is not an SQLite database"),
    _file("a file that was cut in half", _changed(_truncate), "is damaged", "restore the file"),
    _file("a file that was written over", _changed(_scribble), "is damaged", "restore the file"),
    _file(
        "a store of a newer release",
        _changed(_make_newer),
        f"has version {VERSION + 1}",
        "Upgrade nexus-sdk",
        code="NX404",
    ),
    _file("a database of another application", _changed(_make_foreign), "of another application", "a file of its own"),
    _file(
        "a directory in place of the file", lambda bench: _url(bench.folder), "is a directory", "Name the database file"
    ),
    _file(
        "a store in a directory that is not there",
        lambda bench: "sqlite:///nowhere/x.db",
        "nowhere does not exist",
        "Create it",
        reads=False,
    ),
    _file(
        "a store in a file instead of a directory",
        lambda bench: "sqlite:///orders.py/x.db",
        "orders.py does not exist",
        reads=False,
    ),
    _file("a read-only file", _protect_file, "read-only", "Make both writable"),
    _file("a directory that cannot be written", _protect_folder, "read-only", "Make both writable"),
    _file(
        "a new file in a directory that cannot be written",
        _new_in_protected_folder,
        "read-only",
        "Make both writable",
        reads=False,
    ),
    _file("a full disk", _fill_up, "the disk is full", "free space", code="NX403", reads=False),
    _file(
        "a store that another process has locked",
        _lock,
        "locked by another process",
        "try again",
        code="NX403",
        reads=False,
    ),
    _address("a URL without a scheme", "nexus.db", "'nexus.db' makes no sense", "sqlite:///orders.db"),
    _address("a URL with two slashes", "sqlite://nexus.db", "three slashes", "sqlite:///orders.db"),
    _address("a URL without a path", "sqlite:///", "three slashes"),
    _address(
        "a URL with an option nobody knows",
        f"sqlite:///a.db?speed=1&token={SECRET}",
        "unknown option 'speed'",
        "known: busy_seconds",
    ),
    _address("a URL with an option in words", "sqlite:///a.db?busy_seconds=soon", "not a number of seconds"),
    _address("a URL with a NUL", "sqlite:///a%00.db", "no NUL character"),
    _address("a private database of SQLite's", "sqlite:///:memory:", "memory://"),
    _address("a URL with a password", f"sqlite://anna:{SECRET}@host/db", "anna:***@host", "makes no sense"),
    _address(
        "a URL of a kind nobody serves",
        f"mysql://anna:{SECRET}@host/db",
        "mysql://",
        "no installed provider",
        "Served here",
        code="NX405",
    ),
    _address(
        "a URL of a kind that is planned",
        f"firestore://project?token={SECRET}",
        "firestore://",
        "A later release",
        code="NX405",
    ),
]
