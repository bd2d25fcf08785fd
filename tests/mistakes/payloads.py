"""Values that cannot be recorded, and arguments that do not fit."""

from __future__ import annotations

import json
import math
import sys
import threading
from decimal import Decimal
from typing import Any

from tests.mistakes import orders
from tests.mistakes.bench import HUGE, SECRET, TOO_LARGE, Bench, Python, Row, Typed

_FRESH = ("--store", "sqlite:///fresh.db")

EVEN_SO: list[Any] = [
    math.inf,
    -math.inf,
    10**4_000,
    -(2**70),
    {1: "a", (2, 3): "b", None: "c"},
    {frozenset({1}), (1,), "a"},
    [],
    "",
    b"\0",
    "nexus:x\0\x1b",
    {"": {"": None}},
]
"""Odd values that are recorded like any other."""


class Live:
    """An object that no codec can know, whose text gives everything away."""

    def __repr__(self) -> str:
        return SECRET * 1000


class Silent:
    """An object whose own code fails."""

    def __repr__(self) -> str:
        raise RuntimeError(SECRET)


def _cycle() -> Any:
    items: list[Any] = [SECRET]
    items.append({"again": items})
    return items


def _deep(levels: int) -> Any:
    value: Any = SECRET
    for _ in range(levels):
        value = [value]
    return value


_VALUE = (
    Python("an argument", lambda bench, make: bench.fresh.start(orders.keep, make())),
    Python("a named argument", lambda bench, make: bench.fresh.start(orders.keep(value=make()))),
    Python("run", lambda bench, make: bench.app_on("sqlite:///fresh.db").run_async(orders.keep, make())),
    Python("an event", lambda bench, make: bench.client.get("waiting").send_event("approved", make())),
)


def _file(bench: Bench, text: str | bytes) -> str:
    path = bench.folder / "input.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"@{path.name}"


def _row(name: str, make: Any, *words: str, code: str = "NX501", faces: Any = _VALUE) -> Row:
    return Row(name, make, code, words, faces)


_TYPED_VALUE = (
    Typed("--input", lambda bench, text: ("run", "orders:keep", *_FRESH, "--input", text)),
    Typed("start --input", lambda bench, text: ("start", "orders:keep", *_FRESH, "--input", text)),
    Typed("an event", lambda bench, text: ("event", "waiting", "approved", "--", text)),
)
_TYPED_FILE = (
    Typed("--input @file", lambda bench, text: ("run", "orders:keep", *_FRESH, "--input", _file(bench, text))),
    Typed("event @file", lambda bench, text: ("event", "waiting", "approved", _file(bench, text))),
)

VALUES = [
    _row("a generator", lambda: (n for n in range(3)), "generator cannot be encoded", "Pass plain data"),
    _row("a lambda", lambda: lambda: SECRET, "function", "cannot be encoded"),
    _row("a class", lambda: int, "type cannot be encoded"),
    _row("a module", lambda: sys, "module cannot be encoded"),
    _row("a lock", lambda: {"items": [threading.Lock()]}, ".items[0]", "lock cannot be encoded"),
    _row("an exception", lambda: ValueError(SECRET), "ValueError cannot be encoded"),
    _row("an object nobody knows", lambda: {"a": [{"owner": Live()}]}, ".a[0].owner", "Live cannot be encoded"),
    _row("an object whose repr fails", lambda: Silent(), "Silent cannot be encoded"),
    _row("an object as a key", lambda: {Silent(): 1}, "cannot be encoded"),
    _row("a value that contains itself", _cycle, "contains itself"),
    _row("a value nested too deeply", lambda: _deep(5_000), "nested more than 100 levels"),
    _row("tuples nested too deeply", lambda: [_deep(1), *[()] * 3, _nested_tuple(200)], "nested more than 100 levels"),
    _row("a text with a lone surrogate", lambda: {"text": "\ud800"}, ".text", "lone surrogate"),
    _row("an integer of 5,000 digits", lambda: {"items": [10**5_000]}, ".items[0]", "4,300 digits"),
    _row("a decimal with an immense exponent", lambda: {"price": Decimal("1e999999")}, ".price"),
    _row("a value too large", lambda: {"text": HUGE}, TOO_LARGE, "reference", code="NX502"),
    _row("bytes too many", lambda: b"x" * 9_000_000, TOO_LARGE, code="NX502"),
]


def _nested_tuple(levels: int) -> Any:
    value: Any = ()
    for _ in range(levels):
        value = (value,)
    return value


_START = (
    Python("start", lambda bench, make: bench.fresh.start(*make())),
    Python("run", lambda bench, make: bench.app_on("sqlite:///fresh.db").run_async(*make())),
)

_FULFIL = (Typed("run", lambda bench, text: ("run", "orders:fulfil", *_FRESH, "--input", text), code="NX801"),)

ARGUMENTS = [
    _row(
        "an argument missing",
        lambda: (orders.fulfil,),
        "fulfil(): missing",
        "'order'",
        "(order, note=…)",
        code="NX102",
        faces=_START,
    ),
    _row("an argument too many", lambda: (orders.fulfil, 1, "", 3), "too many positional", code="NX102", faces=_START),
    _row(
        "a named argument by position",
        lambda: (orders.named, 5.0),
        "too many positional",
        "(*, amount)",
        code="NX102",
        faces=_START,
    ),
    _row("an argument missing in a call", lambda: (orders.fulfil(note="x"),), "missing", code="NX102", faces=_START),
    _row(
        "an argument of no parameter",
        lambda: (orders.fulfil(order=1, nota=SECRET),),
        "'nota'",
        code="NX102",
        faces=_START,
    ),
    _row(
        "an argument of the wrong type",
        lambda: (orders.named(amount=HUGE),),
        "'amount'",
        "expected a float, found str",
        code="NX501",
        faces=_START,
    ),
    _row(
        "an attribute of the wrong type",
        lambda: (orders.fulfil({"id": 5, "amount": 1.0, "token": SECRET}),),
        "'order'",
        "$.id",
        code="NX501",
        faces=_START,
    ),
    _row(
        "an attribute missing",
        lambda: (orders.fulfil({"id": "a", "token": SECRET}),),
        "'order'",
        "amount",
        code="NX501",
        faces=_START,
    ),
    _row(
        "arguments beside a bound call",
        lambda: (orders.keep(1), 2),
        "has its arguments already",
        code="NX101",
        faces=_START,
    ),
    Row(
        "a workflow's argument as an option",
        {"order": SECRET},
        "NX102",
        ("no option 'order'", "fulfil(order=order)"),
        (
            Python("start", lambda bench, given: bench.fresh.start(orders.fulfil, **given)),
            Python("run", lambda bench, given: bench.app_on("sqlite:///fresh.db").run_async(orders.fulfil, **given)),
        ),
    ),
    Row(
        "input that misses an argument",
        '{"note": "x"}',
        "NX102",
        ("missing a required argument: 'order'", "order"),
        (Typed("run", _FULFIL[0].words),),
    ),
    Row(
        "input of no parameter",
        json.dumps({"oder": SECRET}),
        "NX801",
        ("no parameter 'oder'", "Did you mean 'order'?"),
        _FULFIL,
    ),
    Row(
        "input of the wrong type",
        json.dumps({"order": {"id": 5, "amount": 1, "token": SECRET}}),
        "NX501",
        ("'order'", "$.id"),
        (Typed("run", _FULFIL[0].words),),
    ),
    Row("input that is one value for two parameters", "5", "NX801", ("2 parameters", "order"), _FULFIL),
]

TYPED = [
    Row("input that is no JSON", "{'a': 1}", "NX801", ("is not JSON",), _TYPED_VALUE),
    Row("input that is a bare word", "bob", "NX801", ("is not JSON", "with its quotes"), _TYPED_VALUE),
    Row("empty input", "", "NX801", ("is not JSON",), _TYPED_VALUE),
    Row("input of a file that is not there", "@nothing.json", "NX801", ("nothing.json cannot be read",), _TYPED_VALUE),
    Row("input of a directory", "@.", "NX801", ("cannot be read", "directory"), _TYPED_VALUE),
    Row("input of a file that is not UTF-8", b"\xff\xfe\x00\x01", "NX801", ("not UTF-8",), _TYPED_FILE),
    Row("a long file that is no JSON", "[1, 2, " + HUGE, "NX801", ("is not JSON",), _TYPED_FILE),
    Row("JSON nested too deeply", "[" * 100_000, "NX801", ("nested too deeply",), _TYPED_FILE),
    Row(
        "JSON with a lone surrogate", '{"text": "\\ud800"}', "NX501", ("lone surrogate",), (*_TYPED_VALUE, *_TYPED_FILE)
    ),
    Row("JSON that is too large", json.dumps({"text": HUGE}), "NX502", (TOO_LARGE,), _TYPED_FILE),
]

ROWS = [*VALUES, *ARGUMENTS, *TYPED]
