"""The bench on which bad inputs are tried: what a row of a table is, the faces it is shown to, what must hold after.

A row is one bad input and what is to be said of it. A face is one way to hand it in: a call in Python, or a command.
Whatever the face: the coded error, the words and a next step; nothing durable; nothing repeated at length.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Any

from nexus_sdk import Nexus
from nexus_sdk.client.client import Client
from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX
from nexus_sdk.errors import Codes, NexusError
from tests.mistakes import orders

SECRET = "s3cr3t-marker"
"""Planted in large and invalid values and in URLs; no message may hold it."""

LONG = "x" * 100 + SECRET * 10_000
"""A text that is too long for a name, a duration or anything else that is not a payload."""

HUGE = "x" * 100 + SECRET * (PAYLOAD_BYTES_MAX // len(SECRET))
"""A text that is too large for a payload."""

TOO_LARGE = f"{PAYLOAD_BYTES_MAX:,} are allowed"

MESSAGE_LENGTH_MAX = 700
OUTPUT_LENGTH_MAX = 1_500
"""What is shown in a terminal, with the command that goes on."""


@dataclass
class Bench:
    """A folder with a store that has three instances (`waiting`, `done`, `failed`), and clients of it.

    Attributes:
        client: of that store.
        fresh: of a store that does not exist yet.
        stack: what a spoiled store needs undone is entered here.
    """

    folder: Path
    stack: ExitStack

    @property
    def app(self) -> Nexus:
        return self.app_on(f"sqlite:///{self.folder}/nexus.db")

    @property
    def client(self) -> Client:
        return self.app.client()

    @property
    def fresh(self) -> Client:
        return self.app_on(f"sqlite:///{self.folder}/fresh.db").client()

    def app_on(self, url: str) -> Nexus:
        return self.kept(Nexus.from_module(orders, url))

    def kept(self, app: Nexus) -> Nexus:
        """The app, whose file is closed when the test ends."""
        self.stack.callback(self._close, app)
        return app

    @staticmethod
    def _close(app: Nexus) -> None:
        store: Any = app._store
        if hasattr(store, "_database"):
            store._writer.close()
            store._database.close()


@dataclass(frozen=True)
class Python:
    """A call: `act(bench, thing)`, awaited if it can be."""

    name: str
    act: Callable[[Bench, Any], Any | Awaitable[Any]]


@dataclass(frozen=True)
class Typed:
    """A command: `words(bench, thing)`, after ``nexus``. `code`: where the command line itself sees it first."""

    name: str
    words: Callable[[Bench, Any], Sequence[str]]
    exit_code: int = 2
    code: str = ""


@dataclass(frozen=True)
class Row:
    """One bad input.

    Args:
        name: what it is, as the name of a test.
        thing: the input itself; what the faces of its table make of it, they know.
        code: of the error that is due.
        words: what its message and hint must say.
        faces: the ways to hand it in.
        is_theirs: the error comes from the user's own module, whose own traceback is then shown.
    """

    name: str
    thing: Any
    code: str
    words: Sequence[str]
    faces: Sequence[Python | Typed]
    is_theirs: bool = False


async def try_python(bench: Bench, row: Row, face: Python) -> NexusError:
    """Hand the thing in and give back the error."""
    try:
        done = face.act(bench, row.thing)
        result = await done if isawaitable(done) else done
    except NexusError as error:
        return error
    raise AssertionError(f"{row.name} was accepted: {result!r:.80}")


def check_error(error: NexusError, row: Row) -> None:
    """The class of the code, the words, a next step; and nothing that should not be there."""
    assert (error.code, type(error)) == (row.code, Codes.all[row.code]), error
    for words in row.words:
        assert words in str(error)
    assert error.hint, f"no next step: {error}"
    said: BaseException | None = error
    while said is not None:  # and of those behind it, which Python prints when nobody catches it
        check_text(str(said), MESSAGE_LENGTH_MAX)
        said = said.__cause__ or (None if said.__suppress_context__ else said.__context__)


def check_output(output: str, row: Row, face: Typed) -> None:
    """The same of what a command says."""
    assert f"[{face.code or row.code}] " in output, output
    for words in row.words:
        assert words in output, output
    assert len(output.strip().splitlines()) > 1, f"no next step: {output}"
    assert row.is_theirs or "Traceback" not in output, output
    assert "nexus_sdk/" not in output, output
    check_text(output, OUTPUT_LENGTH_MAX)


def check_json(output: str, row: Row, face: Typed) -> None:
    """The same of what a command says to machines."""
    error = json.loads(output)["error"]
    assert error["code"] == (face.code or row.code), error
    assert error["hint"], error
    for words in row.words:
        assert any(words in str(value) for value in error.values()), error
    check_text(output, 2 * OUTPUT_LENGTH_MAX)


def check_text(text: str, length_max: int) -> None:
    """Not long, and without the secret."""
    assert len(text) <= length_max, f"{len(text)} characters: {text[:400]}…"
    assert SECRET not in text


def contents(folder: Path) -> dict[str, object]:
    """All that lasts in a folder: of a store every row, of any other file the bytes."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if _lasts(path)}


def _lasts(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(("-wal", "-shm", "-journal")) and path.parent.name != "__pycache__"


def _content(path: Path) -> object:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return [connection.execute("PRAGMA journal_mode").fetchone(), *connection.iterdump()]
    except sqlite3.DatabaseError:
        return path.read_bytes()
