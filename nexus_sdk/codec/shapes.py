"""Dataclasses as arrays: the tables behind the wire form, made once from the classes' own fields.

The one rule: **an array only grows at its end.** A reader ignores trailing entries that it does not know, and gives a
missing trailing field the default of its dataclass. So a field is never removed, reordered or retyped; a new one comes
last and has a default; the default of a field is never changed.

A payload is written as its metadata, and its bytes go to a list beside (the *bodies*), so that a hash over the arrays
covers digests and not bytes. An event is written with its kind in front. Whatever has its default at the end of an
array is left away.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from nexus_sdk.core.events import IGNORABLE_FROM, KINDS, Event
from nexus_sdk.core.frozen import blank_of
from nexus_sdk.core.payload import APART, Payload
from nexus_sdk.errors import HistoryCorruptedError

T = TypeVar("T")
Row = Sequence[Any]
Bodies = Sequence[bytes | tuple[bytes] | None]
Write = Callable[[Any, list[Payload]], Any]
Read = Callable[[Any, Bodies], Any]
Find = Callable[[Any, list[Payload]], None]

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
        find: appends the payloads of a value to the list it is given, in the order in which `write` does.
    """

    __slots__ = ("find", "read", "write")

    write: Callable[[T, list[Payload]], list[Any]]
    read: Callable[[Row, Bodies], T]
    find: Callable[[T, list[Payload]], None]

    def __init__(self, kind: type[T], given: Mapping[str, Any] = MappingProxyType({})) -> None:
        # Replay is bounded by decoding, so these are generated, as dataclasses generate `__init__`: one expression per
        # field.
        hints = get_type_hints(kind)
        tag = kind.kind if issubclass(kind, Event) else None
        kept = [field for field in _fields(kind) if field.name not in given]
        steps = [(field, _form_of(hints[field.name])) for field in kept]
        self.write = _writer(kind, tag, steps)
        self.read = _reader(kind, tag, steps, given)
        self.find = _finder(kind, steps)


def _writer(kind: type, tag: int | None, steps: _Steps) -> Any:
    names: dict[str, Any] = {}
    parts = [] if tag is None else [str(tag)]
    for index, (field, form) in enumerate(steps):
        names[f"write{index}"] = form.write
        parts.append(f"value.{field.name}" if form.write is None else f"write{index}(value.{field.name}, payloads)")
    lines = ["def write(value, payloads):", f"    row = [{', '.join(parts)}]"]
    # What has its default at the end is left away: compared as it is written, from the last field on.
    for depth, (index, (field, form)) in enumerate(reversed(list(enumerate(steps)))):
        if not _has_default(field):
            break
        names[f"default{index}"] = _default(field) if form.write is None else form.write(_default(field), [])
        lines.append(f"{' ' * 4 * (depth + 1)}if row[-1] == default{index}:")
        lines.append(f"{' ' * 4 * (depth + 2)}del row[-1]")
    return _compiled("write", [*lines, "    return row"], names, kind)


def _reader(kind: type, tag: int | None, steps: _Steps, given: Mapping[str, Any]) -> Any:
    start = 0 if tag is None else 1
    least = next((i for i in range(len(steps)) if all(_has_default(field) for field, _ in steps[i:])), len(steps))
    names: dict[str, Any] = {"blank": blank_of(kind), "kind": kind, "refuse": _refuse_short, "least": least}
    lines = ["def read(row, bodies):", f"    size = len(row) - {start}"]
    lines += ["    if size < least:", "        refuse(kind, size, least)", "    made = blank()"]
    for index, (field, form) in enumerate(steps):
        names[f"read{index}"] = form.read
        part = f"row[{index + start}]" if form.read is None else f"read{index}(row[{index + start}], bodies)"
        if index >= least:
            is_plain = field.default is not MISSING
            names[f"default{index}"] = field.default if is_plain else field.default_factory
            part += f" if size > {index} else default{index}{'' if is_plain else '()'}"
        lines.append(f"    made.{field.name} = {part}")
    for index, (name, value) in enumerate(given.items()):
        names[f"given{index}"] = value
        lines.append(f"    made.{name} = given{index}")
    return _compiled("read", [*lines, "    made.__class__ = kind", "    return made"], names, kind)


def _finder(kind: type, steps: _Steps) -> Any:
    names: dict[str, Any] = {}
    lines = ["def find(value, payloads):", "    return"]
    for index, (field, form) in enumerate(steps):
        if form.find is _find_payload:
            lines[-1:-1] = [f"    if value.{field.name}.encoding:", f"        payloads.append(value.{field.name})"]
        elif form.find is not None:
            names[f"find{index}"] = form.find
            lines[-1:-1] = [f"    if value.{field.name}:", f"        find{index}(value.{field.name}, payloads)"]
    return _compiled("find", lines, names, kind)


def _compiled(name: str, lines: Sequence[str], names: dict[str, Any], kind: type) -> Any:
    exec(compile("\n".join(lines), f"<{name} {kind.__name__}>", "exec"), names)
    return names[name]


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    if not (kind.__dataclass_params__.frozen and "__slots__" in kind.__dict__) or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a frozen dataclass with slots and without __post_init__")
    return fields(kind)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


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


_REMEMBERED = 1024


class _Form(NamedTuple):
    """How fields of one type are written, read, and searched for payloads.

    Attributes:
        write, read: None where the value is taken as it is.
        find: None where there can be no payload.
    """

    write: Write | None = None
    read: Read | None = None
    find: Find | None = None


_AS_IT_IS = _Form()
_Steps = Sequence[tuple[Field[Any], _Form]]


def _form_of(hint: Any) -> _Form:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _AS_THEY_ARE:
        return _AS_IT_IS
    if origin in (Union, types.UnionType) and len(args) == 2 and type(None) in args:
        return _optional(_form_of(args[0] if args[1] is type(None) else args[1]))
    if origin is tuple and args[1:] == (Ellipsis,):
        return _each(_form_of(args[0]), may_skip=args[0] is Event)
    if origin is Mapping and all(_form_of(arg) == _AS_IT_IS for arg in args):
        return _Form(lambda value, _: dict(value))
    if hint is Payload:
        return _Form(write_payload, read_payload, _find_payload)
    if hint is Event:
        return _Form(write_event, read_event, find_payloads)
    if is_dataclass(hint) and isinstance(hint, type):
        return _nested(hint)
    raise TypeError(f"a field of type {hint!r} has no place in the wire form yet")


def _nested(kind: type) -> _Form:
    # The shape is looked up when it is needed: a Failure holds Failures.
    def write(value: Any, payloads: list[Payload]) -> Any:
        return shape_of(kind).write(value, payloads)

    def read(row: Row, bodies: Bodies) -> Any:
        return shape_of(kind).read(row, bodies)

    def find(value: Any, payloads: list[Payload]) -> None:
        shape_of(kind).find(value, payloads)

    return _Form(write, read, find) if _holds_payloads(kind, ()) else _Form(_remembering(kind), _remembered(kind))


def _remembering(kind: type) -> Write:
    """Each step of a workflow is asked for with the options of its definition: the same value, the same array."""
    rows: dict[int, tuple[Any, list[Any]]] = {}

    def write(value: Any, payloads: list[Payload]) -> list[Any]:
        known = rows.get(id(value))
        if known is None:
            if len(rows) >= _REMEMBERED:
                rows.clear()
            known = rows[id(value)] = value, shape_of(kind).write(value, payloads)  # kept, so that its id stays its own
        return known[1]

    return write


def _remembered(kind: type) -> Read:
    """A history repeats the same options for each activity: equal arrays give the same (frozen) value."""

    @lru_cache(maxsize=_REMEMBERED)
    def made(row: Row) -> Any:
        return shape_of(kind).read(row, ())

    return lambda row, bodies: made(row)


def _holds_payloads(hint: Any, above: tuple[Any, ...]) -> bool:
    """Whether a value of this type may hold a payload somewhere."""
    if hint is Payload or hint is Event:
        return True
    inner = get_type_hints(hint).values() if is_dataclass(hint) and hint not in above else get_args(hint)
    return any(_holds_payloads(item, (*above, hint)) for item in inner)


def _optional(form: _Form) -> _Form:
    write, read, find = form
    return _Form(
        write and (lambda value, payloads: None if value is None else write(value, payloads)),
        read and (lambda row, bodies: None if row is None else read(row, bodies)),
        find and (lambda value, payloads: None if value is None else find(value, payloads)),
    )


def _each(form: _Form, *, may_skip: bool) -> _Form:
    write, read, find = form
    if write is None or read is None:
        return _AS_IT_IS

    def find_each(values: Any, payloads: list[Payload]) -> None:
        for value in values:
            find(value, payloads)  # type: ignore[misc]  # called only where there is one

    return _Form(
        lambda values, payloads: [write(value, payloads) for value in values],
        read_events if may_skip else (lambda rows, bodies: tuple([read(row, bodies) for row in rows]) if rows else ()),
        find and find_each,
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


_BLANK_PAYLOAD: Any = blank_of(Payload)
_NEITHER = (None, None)


def read_payload(row: Row, bodies: Bodies) -> Payload:
    """The payload of an array."""
    if not row:
        return _EMPTY
    made = _BLANK_PAYLOAD()
    body = bodies[row[0]]
    made.encoding = row[1]
    made.digest = row[2]
    made.size = row[3]
    if type(body) is tuple:
        made.data, made.reference = None, APART
    else:
        made.data, made.reference = body, None
    made.schema, made.key_id = row[4:6] if len(row) > 5 else _NEITHER
    made.__class__ = Payload
    payload: Payload = made
    return payload


def _find_payload(payload: Payload, payloads: list[Payload]) -> None:
    if payload.encoding:
        payloads.append(payload)


# --- events -----------------------------------------------------------------------------------------------------------

_EVENT_READERS: dict[int, Read] = {}


def write_event(event: Event, payloads: list[Payload]) -> list[Any]:
    """The array of an event, its kind in front."""
    return shape_of(type(event)).write(event, payloads)


def find_payloads(event: Event, payloads: list[Payload]) -> None:
    """Append the payloads of an event to the list."""
    (_SHAPES.get(type(event)) or shape_of(type(event))).find(event, payloads)


def read_events(rows: Sequence[Row], bodies: Bodies) -> tuple[Event, ...]:
    """The events of their arrays, without those that are not known here and may be passed over.

    Raises:
        HistoryCorruptedError: one of a kind that is not known here and may not be passed over.
    """
    events: list[Event] = []
    for row in rows:
        event = (_EVENT_READERS.get(row[0]) or _event_reader(row[0]))(row, bodies)
        if event is not None:
            events.append(event)
    return tuple(events)


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
