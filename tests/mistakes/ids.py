"""Ids, names and other short texts."""

from __future__ import annotations

from typing import Any

from tests.mistakes import orders
from tests.mistakes.bench import LONG, Python, Row, Typed

_FRESH = ("--store", "sqlite:///fresh.db")

_ID = (
    Python("start", lambda bench, id: bench.fresh.start(orders.keep, id=id)),
    Python("get", lambda bench, id: bench.client.get(id)),
    Python("run", lambda bench, id: bench.app.run_async(orders.keep, id=id)),
    Python("exists", lambda bench, id: bench.client.exists(id)),
    Python("child", lambda bench, id: orders.keep.options(id=id)),
)
_TYPED_ID = (
    Typed("run", lambda bench, id: ("run", "orders:keep", *_FRESH, "--id", id)),
    Typed("start", lambda bench, id: ("start", "orders:keep", *_FRESH, "--id", id)),
    Typed("show", lambda bench, id: ("show", "--", id)),
    Typed("event", lambda bench, id: ("event", "--", id, "approved")),
    Typed("cancel", lambda bench, id: ("cancel", "--", id)),
)
_EVENT = (
    Python("event", lambda bench, name: bench.client.get("waiting").send_event(name)),
    Python("event id", lambda bench, name: bench.client.get("waiting").send_event("approved", event_id=name)),
    Python("request id", lambda bench, name: bench.fresh.start(orders.keep, request_id=name)),
    Python("query", lambda bench, name: bench.client.get("waiting").query(name)),
    Python("workflow to list", lambda bench, name: bench.client.list(workflow=name)),
)
_TYPED_EVENT = (
    Typed("event", lambda bench, name: ("event", "waiting", "--", name)),
    Typed("event id", lambda bench, name: ("event", "waiting", "approved", "true", "--event-id", name)),
    Typed("query", lambda bench, name: ("query", "waiting", "--app", "orders", "--", name)),
)
_ATTRIBUTES = (
    Python("start", lambda bench, given: bench.fresh.start(orders.keep, attributes=given)),
    Python("list", lambda bench, given: bench.client.list(attributes=given)),
    Python("count", lambda bench, given: bench.client.count(attributes=given)),
)
_REASON = tuple(
    Python(verb, lambda bench, reason, verb=verb: getattr(bench.client.get("waiting"), verb)(reason))
    for verb in ("cancel", "terminate", "suspend")
)
_TYPED_REASON = tuple(
    Typed(verb, lambda bench, reason, verb=verb: (verb, "waiting", "--reason", reason))
    for verb in ("cancel", "terminate", "suspend")
)


def _row(name: str, thing: Any, *words: str, faces: Any = (*_ID, *_TYPED_ID), code: str = "NX321") -> Row:
    return Row(name, thing, code, words, faces)


_NAME = (*_EVENT, *_TYPED_EVENT)

ROWS = [
    _row("an empty id", "", "1 to 256 characters, got 0"),
    _row("a blank id", " ", "no blanks at either end"),
    _row("an id with a blank in front", " a", "no blanks at either end", "' a'"),
    _row("an id with a blank behind", "a ", "no blanks at either end"),
    _row("an id of 257 characters", "x" * 257, "1 to 256 characters, got 257"),
    _row("a huge id", LONG, "1 to 256 characters", faces=_ID),
    _row("an id with a NUL", "a\0b", "printable characters", r"a\x00b"),
    _row("an id with a lone surrogate", "a\ud800", "printable characters", r"\ud800"),
    _row("an id with a line break", "a\nb", "printable characters"),
    _row("an id with an escape sequence", "\x1b[31mred", "printable characters", r"\x1b"),
    _row("an id that changes the direction of text", "\u202eabc", "printable characters"),
    _row("a reserved id", "nexus:timer", "'nexus:' are reserved"),
    _row("an id that is a number", 5, "a text, got 5", faces=_ID),
    _row("an id of bytes", b"a", "a text, got b'a'", faces=_ID),
    _row("an empty name", "", "1 to 256 characters, got 0", faces=_NAME),
    _row("a name of 257 characters", "x" * 257, "1 to 256 characters, got 257", faces=_NAME),
    _row("a name with a NUL", "a\0", "printable characters", faces=_NAME),
    _row("a name with a lone surrogate", "\ud800", "printable characters", faces=_NAME),
    _row("a huge name", LONG, "1 to 256 characters", faces=_EVENT),
    _row("a name that is a number", 5, "a text, got 5", faces=_EVENT),
    _row("attributes that are a list", ["a"], "values by name, got a list of 1", faces=_ATTRIBUTES),
    _row("attributes that are a number", 5, "values by name, got 5", faces=_ATTRIBUTES),
    _row("an attribute that is a dict", {"a": {"b": LONG}}, "'a' is a dict of 1", faces=_ATTRIBUTES),
    _row("an attribute that is None", {"a": None}, "'a' is None", faces=_ATTRIBUTES),
    _row("an attribute that is too long", {"a": LONG}, "'a' has at most 1,000 characters", faces=_ATTRIBUTES),
    _row("an attribute that is NaN", {"a": float("nan")}, "'a' is nan", faces=_ATTRIBUTES),
    _row("an attribute beyond 64 bits", {"a": 10**400}, "out of range", faces=_ATTRIBUTES),
    _row("an attribute with a lone surrogate", {"a": "\ud800"}, "lone surrogate", faces=_ATTRIBUTES),
    _row("an attribute without a name", {"": 1}, "1 to 256 characters", faces=_ATTRIBUTES),
    _row("too many attributes", {f"a{n}": n for n in range(101)}, "at most 100", faces=_ATTRIBUTES),
    _row("a reason that is no text", 5, "a reason is a text, got 5", faces=_REASON),
    _row("a reason that is too long", LONG, "at most 8,000 characters", faces=(*_REASON, *_TYPED_REASON)),
    _row("a reason with a lone surrogate", "\ud800", "lone surrogate", faces=(*_REASON, *_TYPED_REASON)),
]

HARMLESS = [
    "../../x",
    "/etc/passwd",
    "x'; DROP TABLE instances;--",
    '"; --',
    "%s%n",
    "a/b\\c",
    "ü 漢字 👍",
    "--help",
    "x" * 256,
]
"""Odd ids that are ids like any other."""
