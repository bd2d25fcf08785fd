"""Dataclasses as arrays: the tables behind the wire form, made once from the classes' own fields.

The one rule: **an array only grows at its end.** A reader ignores trailing entries that it does not know, and gives a
missing trailing field the default of its dataclass. So a field is never removed, reordered or retyped; a new one comes
last and has a default; the default of a field is never changed, unless it is None.

A payload is written as its metadata, and its bytes go to a list beside (the *bodies*), so that a hash over the arrays
covers digests and not bytes. An event is written with its kind in front. None at the end of an array is left away
where it is the default.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from nexus_sdk.core.events import IGNORABLE_FROM, KINDS, Event
from nexus_sdk.core.payload import APART, Payload
from nexus_sdk.errors import HistoryCorruptedError

T = TypeVar("T")
Row = Sequence[Any]
Bodies = Sequence[bytes | tuple[bytes] | None]
Write = Callable[[Any, list[Payload]], Any]
Read = Callable[[Any, Bodies], Any]

UPGRADE = "A newer version of nexus-sdk wrote this. Upgrade this worker to it; the instance goes on by itself."
_AS_THEY_ARE = (str, int, float, bool, bytes)


class Shape(Generic[T]):
    """How one dataclass is written and read.

    Args:
        kind: the dataclass.
        given: fields that are not written, with the values that `read` gives them instead.

    Attributes:
        write: the array of a value; its payloads are appended to the list it is given.
        read: the value of an array, its payloads with their bytes from the bodies.
    """

    __slots__ = ("read", "write")

    write: Callable[[T, list[Payload]], list[Any]]
    read: Callable[[Row, Bodies], T]

    def __init__(self, kind: type[T], given: Mapping[str, Any] = MappingProxyType({})) -> None:
        # Replay is bounded by decoding, so both are generated, as dataclasses generate `__init__`: one expression per
        # field, and the slots set directly (a frozen dataclass's own `__init__` takes twice as long).
        hints = get_type_hints(kind)
        tag = kind.kind if issubclass(kind, Event) else None
        kept = [field for field in _fields(kind) if field.name not in given]
        steps = [(field, *_converters(hints[field.name])) for field in kept]
        self.write = _writer(kind, tag, steps)
        self.read = _reader(kind, tag, steps, given)


_Steps = Sequence[tuple[Field[Any], Write | None, Read | None]]


def _writer(kind: type, tag: int | None, steps: _Steps) -> Any:
    names: dict[str, Any] = {}
    parts = [] if tag is None else [str(tag)]
    for index, (field, write, _) in enumerate(steps):
        names[f"write{index}"] = write
        parts.append(f"value.{field.name}" if write is None else f"write{index}(value.{field.name}, payloads)")
    lines = ["def write(value, payloads):", f"    row = [{', '.join(parts)}]"]
    # None at the end is left away where it is the default: as many as there are such fields in a row at the end.
    for depth, (field, _, _) in enumerate(reversed(steps)):
        if field.default is not None:
            break
        lines.append(f"{' ' * 4 * (depth + 1)}if row[-1] is None:")
        lines.append(f"{' ' * 4 * (depth + 2)}row.pop()")
    return _compiled("write", [*lines, "    return row"], names, kind)


def _reader(kind: type, tag: int | None, steps: _Steps, given: Mapping[str, Any]) -> Any:
    start = 0 if tag is None else 1
    least = next((i for i in range(len(steps)) if all(_has_default(field) for field, *_ in steps[i:])), len(steps))
    names: dict[str, Any] = {"new": object.__new__, "kind": kind, "refuse": _refuse_short, "least": least}
    lines = ["def read(row, bodies):", f"    size = len(row) - {start}"]
    lines += ["    if size < least:", "        refuse(kind, size, least)", "    made = new(kind)"]
    for index, (field, _, read) in enumerate(steps):
        names |= {f"set{index}": getattr(kind, field.name).__set__, f"read{index}": read}
        part = f"row[{index + start}]" if read is None else f"read{index}(row[{index + start}], bodies)"
        if index >= least:
            is_plain = field.default is not MISSING
            names[f"default{index}"] = field.default if is_plain else field.default_factory
            part += f" if size > {index} else default{index}{'' if is_plain else '()'}"
        lines.append(f"    set{index}(made, {part})")
    for index, (name, value) in enumerate(given.items()):
        names |= {f"set_given{index}": getattr(kind, name).__set__, f"given{index}": value}
        lines.append(f"    set_given{index}(made, given{index})")
    return _compiled("read", [*lines, "    return made"], names, kind)


def _compiled(name: str, lines: Sequence[str], names: dict[str, Any], kind: type) -> Any:
    exec(compile("\n".join(lines), f"<{name} {kind.__name__}>", "exec"), names)
    return names[name]


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    if not (kind.__dataclass_params__.frozen and "__slots__" in kind.__dict__) or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a frozen dataclass with slots and without __post_init__")
    return fields(kind)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _refuse_short(kind: type, size: int, least: int) -> None:
    raise HistoryCorruptedError(f"a {kind.__name__} has {size} fields, {least} are the least.")


_SHAPES: dict[type, Shape[Any]] = {}


def shape_of(kind: type[T]) -> Shape[T]:
    """The shape of a dataclass, with all its fields."""
    shape = _SHAPES.get(kind)
    if shape is None:
        shape = _SHAPES[kind] = Shape(kind)
    return shape


# --- fields -----------------------------------------------------------------------------------------------------------


def _converters(hint: Any) -> tuple[Write | None, Read | None]:
    """How a field of this type is written and read; None where it is taken as it is."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _AS_THEY_ARE:
        return None, None
    if origin in (Union, types.UnionType) and len(args) == 2 and type(None) in args:
        return _optional(*_converters(args[0] if args[1] is type(None) else args[1]))
    if origin is tuple and args[1:] == (Ellipsis,):
        return _each(*_converters(args[0]), may_skip=args[0] is Event)
    if origin is Mapping and all(_converters(arg) == (None, None) for arg in args):
        return (lambda value, _: dict(value)), None
    if hint is Payload:
        return write_payload, read_payload
    if hint is Event:
        return write_event, read_event
    if is_dataclass(hint) and isinstance(hint, type):
        return _nested(hint)
    raise TypeError(f"a field of type {hint!r} has no place in the wire form yet")


def _nested(kind: type) -> tuple[Write, Read]:
    # The shape is looked up when it is needed: a Failure holds Failures.
    def write(value: Any, payloads: list[Payload]) -> Any:
        return shape_of(kind).write(value, payloads)

    def read(row: Row, bodies: Bodies) -> Any:
        return shape_of(kind).read(row, bodies)

    return write, read if _holds_payloads(kind, ()) else _remembered(kind)


def _remembered(kind: type) -> Read:
    """A history repeats the same options for each activity: equal arrays give the same (frozen) value."""

    @lru_cache(maxsize=1024)
    def made(row: Row) -> Any:
        return shape_of(kind).read(row, ())

    return lambda row, bodies: made(row)


def _holds_payloads(hint: Any, above: tuple[Any, ...]) -> bool:
    """Whether a value of this type may hold a payload somewhere."""
    if hint is Payload or hint is Event:
        return True
    inner = get_type_hints(hint).values() if is_dataclass(hint) and hint not in above else get_args(hint)
    return any(_holds_payloads(item, (*above, hint)) for item in inner)


def _optional(write: Write | None, read: Read | None) -> tuple[Write | None, Read | None]:
    return (
        write and (lambda value, payloads: None if value is None else write(value, payloads)),
        read and (lambda row, bodies: None if row is None else read(row, bodies)),
    )


def _each(write: Write | None, read: Read | None, *, may_skip: bool) -> tuple[Write | None, Read | None]:
    if write is None or read is None:
        return None, None
    if may_skip:
        return (lambda values, payloads: [write(value, payloads) for value in values]), read_events
    return (
        (lambda values, payloads: [write(value, payloads) for value in values]),
        (lambda rows, bodies: tuple([read(row, bodies) for row in rows]) if rows else ()),
    )


# --- payloads ---------------------------------------------------------------------------------------------------------

_EMPTY = Payload(encoding="", data=b"", digest=sha256(b"").digest(), size=0)


def write_payload(payload: Payload, payloads: list[Payload]) -> list[Any]:
    """The array of a payload, with its number among the bodies in front; empty for None."""
    if not payload.encoding and payload == _EMPTY:
        return []
    row = [len(payloads), payload.encoding, payload.digest, payload.size]
    payloads.append(payload)
    if payload.schema is not None or payload.key_id is not None:
        row += [payload.schema, payload.key_id]
    return row


def write_body(payload: Payload) -> bytes | list[bytes] | None:
    """What stands for a payload's bytes among the bodies: they themselves; their digest when they lie apart; nil when
    they were erased."""
    return payload.data if payload.reference is None else [payload.digest]


_NEW: Any = object.__new__
_SET_ENCODING, _SET_DATA, _SET_DIGEST, _SET_SIZE, _SET_SCHEMA, _SET_KEY_ID, _SET_REFERENCE = (
    getattr(Payload, field.name).__set__ for field in fields(Payload)
)


def read_payload(row: Row, bodies: Bodies) -> Payload:
    """The payload of an array."""
    if not row:
        return _EMPTY
    payload: Payload = _NEW(Payload)
    _SET_ENCODING(payload, row[1])
    body = bodies[row[0]]
    is_apart = type(body) is tuple
    _SET_DATA(payload, None if is_apart else body)
    _SET_REFERENCE(payload, APART if is_apart else None)
    _SET_DIGEST(payload, row[2])
    _SET_SIZE(payload, row[3])
    schema, key_id = row[4:6] if len(row) > 5 else (None, None)
    _SET_SCHEMA(payload, schema)
    _SET_KEY_ID(payload, key_id)
    return payload


# --- events -----------------------------------------------------------------------------------------------------------

_EVENT_READERS: dict[int, Read] = {}


def write_event(event: Event, payloads: list[Payload]) -> list[Any]:
    """The array of an event, its kind in front."""
    return shape_of(type(event)).write(event, payloads)


def read_events(rows: Sequence[Row], bodies: Bodies) -> tuple[Event, ...]:
    """The events of their arrays, without those that are not known here and may be passed over.

    Raises:
        HistoryCorruptedError: one of a kind that is not known here and may not be passed over.
    """
    events = [(_EVENT_READERS.get(row[0]) or _event_reader(row[0]))(row, bodies) for row in rows]
    return tuple([event for event in events if event is not None])


def read_event(row: Row, bodies: Bodies) -> Event:
    """The event of an array.

    Raises:
        HistoryCorruptedError: its kind is not known here.
    """
    event: Event | None = _event_reader(row[0])(row, bodies)
    if event is None:
        raise _unknown(row[0])
    return event


def _event_reader(number: int) -> Read:
    kind = KINDS.get(number)
    if kind is not None:
        return _EVENT_READERS.setdefault(number, shape_of(kind).read)
    if number >= IGNORABLE_FROM:
        return lambda row, bodies: None
    raise _unknown(number)


def _unknown(number: int) -> HistoryCorruptedError:
    return HistoryCorruptedError(f"an event of kind {number} is not known to this version.", hint=UPGRADE)
