"""Exceptions of every odd shape, by name: how each is raised, and the type and message that arrive.

None for a message: that it is text is all that is promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import errno
import io
import json
import socket
import sqlite3
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from typing import Any, NoReturn

import attrs
import pydantic

from nexus_sdk import ApplicationError, NexusError, PayloadError, Secret

Odd = tuple[Callable[[], Any], str, str | None]


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__


class StrIsNone(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]


class OddText(str):
    def encode(self, *args: Any) -> NoReturn:
        raise RuntimeError("no bytes")


class StrIsOdd(Exception):
    def __str__(self) -> str:
        return OddText("odd")


class StrRecurses(Exception):
    def __str__(self) -> str:
        return f"{self}!"


class OddArguments:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class LiesOfItsClass(Exception):
    @property
    def __class__(self) -> Any:
        return KeyError


class HidesAll(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name in ("args", "__notes__", "__cause__", "__context__", "__suppress_context__", "__dict__"):
            raise RuntimeError(f"no {name}")
        return super().__getattribute__(name)


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__", "__mro__"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


class OfNamelessKind(Exception, metaclass=Nameless):
    pass


class Misnamed(type):
    @property
    def __name__(cls) -> Any:
        return 5


class OfMisnamedKind(Exception, metaclass=Misnamed):
    pass


class Slotted(Exception):
    __slots__ = ("extra",)


class NotesRaise(Exception):
    @property
    def __notes__(self) -> Any:
        raise RuntimeError("no notes")


class CauseRaises(Exception):
    @property
    def __cause__(self) -> Any:
        raise RuntimeError("no cause")

    @__cause__.setter
    def __cause__(self, cause: Any) -> None: ...


class NeedsArguments(Exception):
    def __init__(self, first: int, *, second: str) -> None:
        self.first = first


class OddGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("no members")


class UnequalToAll(Exception):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")


class NeitherTrueNorFalse(Exception):
    def __bool__(self) -> bool:
        raise RuntimeError("neither")


class WithoutInit(ApplicationError):
    def __init__(self) -> None: ...


class OursWithoutInit(NexusError):
    def __init__(self) -> None: ...


@attrs.define(auto_exc=True)
class AttrsError(Exception):
    reason: str
    lines: list[int] = attrs.field(factory=list)


class Account(pydantic.BaseModel):
    name: int
    password: pydantic.SecretStr


def raising(error: BaseException) -> Callable[[], Any]:
    def go() -> None:
        raise error

    return go


def made(kind: type[BaseException], *args: Any, **attributes: Any) -> Callable[[], Any]:
    """Raises an exception whose attributes were set from outside."""
    error = kind(*args)
    for name, value in attributes.items():
        setattr(error, name, value)
    return raising(error)


def noted(notes: Any) -> Callable[[], Any]:
    return made(ValueError, "n", __notes__=notes)


def own_cause() -> None:
    error = ValueError("itself")
    error.__cause__ = error
    raise error


def deep_group() -> None:
    error: Exception = ValueError("inside")
    for _ in range(300):
        error = ExceptionGroup("g", [error])
    raise error


def wide_groups() -> None:
    error: Exception = ValueError("inside")
    for _ in range(15):
        error = ExceptionGroup("g", [error] * 50)
    raise error


def dive() -> Any:
    return dive() + 1


def changed_arguments() -> None:
    error = ValueError("before")
    error.args = ("after", [1])
    raise error


def without_traceback() -> None:
    raise ValueError("no traceback").with_traceback(None)


def cut_short() -> None:
    try:
        raise KeyError("hidden")
    except KeyError:
        raise ValueError("shown") from None


def in_finally() -> None:
    try:
        raise KeyError("first")
    finally:
        raise ValueError("second")


def reraised() -> None:
    try:
        raise ValueError("again")
    except ValueError as error:
        raise error from error


def dynamic() -> None:
    raise type("Made<up>", (LookupError,), {"__module__": None})("dynamic")


def recoded() -> None:
    error = ApplicationError("recoded", details={"password": Secret("hunter2")})
    error.code = 5  # type: ignore[assignment]
    raise error


def bad_sql() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("no")


MORE: dict[str, Odd] = {
    "str exits": (raising(StrExits("x")), "StrExits", "<its __str__ raises SystemExit; its arguments are ('x',)>"),
    "str and repr fail": (raising(StrExits(StrExits())), "StrExits", "<its __str__ raises SystemExit>"),
    "str is none": (raising(StrIsNone()), "StrIsNone", "<its __str__ raises TypeError; its arguments are ()>"),
    "str is of a subclass": (raising(StrIsOdd()), "StrIsOdd", "odd"),
    "str recurses": (
        raising(StrRecurses()),
        "StrRecurses",
        "<its __str__ raises RecursionError; its arguments are ()>",
    ),
    "arguments without repr": (
        raising(ValueError(OddArguments(), 1)),
        "ValueError",
        "<its __str__ raises RuntimeError>",
    ),
    "lies of its class": (raising(LiesOfItsClass("k")), "LiesOfItsClass", "k"),
    "hides all": (raising(HidesAll("h")), "HidesAll", "h"),
    "nameless": (raising(OfNamelessKind("n")), "OfNamelessKind", "n"),
    "misnamed": (raising(OfMisnamedKind("n")), "OfMisnamedKind", "n"),
    "slotted": (raising(Slotted("s")), "Slotted", "s"),
    "notes raise": (raising(NotesRaise("n")), "NotesRaise", "n"),
    "notes are text": (noted("text"), "ValueError", "n"),
    "notes are a number": (noted(5), "ValueError", "n"),
    "notes are a dict": (noted({"a": 1}), "ValueError", "n"),
    "notes without text": (noted([StrExits(), "\udcff"]), "ValueError", "n"),
    "a million notes": (noted(["note"] * 1_000_000), "ValueError", "n"),
    "cause raises": (raising(CauseRaises("c")), "CauseRaises", "c"),
    "is its own cause": (own_cause, "ValueError", "itself"),
    "cause is suppressed": (cut_short, "ValueError", "shown"),
    "raised in finally": (in_finally, "ValueError", "second"),
    "raised from itself": (reraised, "ValueError", "again"),
    "needs arguments": (raising(NeedsArguments(1, second="2")), "NeedsArguments", "1"),
    "changed arguments": (changed_arguments, "ValueError", "('after', [1])"),
    "no traceback": (without_traceback, "ValueError", "no traceback"),
    "not equal to anything": (raising(UnequalToAll("u")), "UnequalToAll", "u"),
    "neither true nor false": (raising(NeitherTrueNorFalse("b")), "NeitherTrueNorFalse", "b"),
    "odd group": (raising(OddGroup("g", [ValueError()])), "OddGroup", "g (1 sub-exception)"),
    "deep group": (deep_group, "ExceptionGroup", "g (1 sub-exception)"),
    "wide groups": (wide_groups, "ExceptionGroup", "g (50 sub-exceptions)"),
    "group of 10,000": (
        raising(ExceptionGroup("g", [ValueError(number) for number in range(10_000)])),
        "ExceptionGroup",
        "g (10000 sub-exceptions)",
    ),
    "base group": (
        raising(BaseExceptionGroup("g", [SystemExit(1)])),
        "BaseExceptionGroup",
        "g (1 sub-exception)",
    ),
    "recursion": (dive, "RecursionError", None),
    "memory": (raising(MemoryError()), "MemoryError", ""),
    "huge message": (raising(ValueError("x" * 1_000_000)), "ValueError", None),
    "huge name": (raising(type("N" * 100_000, (Exception,), {})("h")), "N" * 199 + "…", "h"),
    "dynamic class": (dynamic, "Made<up>", "dynamic"),
    "warning": (raising(DeprecationWarning("old")), "DeprecationWarning", "old"),
    "warning as error": (lambda: warnings.warn("loud", UserWarning, stacklevel=1), "UserWarning", "loud"),
    "key error": (lambda: {}["missing"], "KeyError", "'missing'"),
    "unicode": (lambda: b"\xff".decode(), "UnicodeDecodeError", None),
    "operating system": (
        raising(OSError(errno.ENOENT, "gone", "a\udcff")),
        "FileNotFoundError",
        "[Errno 2] gone: 'a\\udcff'",
    ),
    "bare os error": (raising(PermissionError()), "PermissionError", ""),
    "blocking": (raising(BlockingIOError(11, "busy", 3)), "BlockingIOError", "[Errno 11] busy"),
    "syntax": (lambda: compile("a b\n", "file.py", "exec"), "SyntaxError", "invalid syntax (file.py, line 1)"),
    "odd syntax": (raising(SyntaxError("s", ("f", 1, 2, None))), "SyntaxError", "s (f, line 1)"),
    "import": (raising(ImportError("i", name="n", path="p")), "ImportError", "i"),
    "no attribute": (lambda: object().nothing, "AttributeError", "'object' object has no attribute 'nothing'"),  # type: ignore[attr-defined]
    "from C": (lambda: zlib.decompress(b"no"), "error", None),
    "from struct": (lambda: struct.unpack("i", b""), "error", "unpack requires a buffer of 4 bytes"),
    "from sqlite": (bad_sql, "OperationalError", 'near "no": syntax error'),
    "from decimal": (lambda: decimal.Decimal("x"), "InvalidOperation", None),
    "from json": (lambda: json.loads("{"), "JSONDecodeError", None),
    "from socket": (raising(socket.gaierror(8, "who")), "gaierror", "[Errno 8] who"),
    "from io": (lambda: io.BytesIO(b"").write("x"), "TypeError", None),  # type: ignore[arg-type]
    "from asyncio": (raising(asyncio.IncompleteReadError(b"a", 2)), "IncompleteReadError", None),
    "from subprocess": (
        raising(subprocess.CalledProcessError(3, ["a"], b"out")),
        "CalledProcessError",
        "Command '['a']' returned non-zero exit status 3.",
    ),
    "from attrs": (raising(AttrsError("why")), "AttrsError", None),
    "from pydantic": (
        lambda: Account.model_validate({"name": "ada@example.org", "password": 5}),
        "ValidationError",
        "2 validation error(s) for Account\n"
        "name: Input should be a valid integer, unable to parse string as an integer\n"
        "password: Input should be a valid string",
    ),
    "ours without init": (raising(OursWithoutInit()), "OursWithoutInit", None),
    "application error without init": (raising(WithoutInit()), "WithoutInit", None),
    "oddly typed": (raising(ApplicationError("t", type=5)), "5", "t"),  # type: ignore[arg-type]
    "oddly coded, with a secret": (recoded, "ApplicationError", "recoded"),
    "one of ours": (raising(PayloadError("p", hint="h")), "PayloadError", "p\nh"),
    "not an exception": (lambda: exec("raise 5"), "TypeError", "exceptions must derive from BaseException"),
    "assertion": (raising(AssertionError({"a": object})), "AssertionError", "{'a': <class 'object'>}"),
}
