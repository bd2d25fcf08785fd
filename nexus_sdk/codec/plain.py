"""Python values to msgpack bytes and back. The one rule: what msgpack would lose, an extension keeps.

Three tables say everything. `_EXTENSIONS`: types that msgpack does not know and that come back exactly, even where
nobody says which type is expected. `_SIMPLER`: types that are written as a plainer value (a dataclass as a dict of its
fields, an enum as its value); an annotation brings them back (see `conversion`). `_READERS`: extensions back to values.
What no table knows is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

import msgpack

DEPTH_MAX = 100
"""How deep values may be nested where an extension (a tuple, a set) begins each level. Lists and dicts: as deep as
msgpack goes."""

_TUPLE, _SET, _FROZENSET, _DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _INTEGER, _PATH = range(1, 12)
_NATIVE = frozenset({type(None), bool, int, float, str, bytes, list, dict, msgpack.ExtType})
_KNOWN_AS_TEXT = ("ipaddress", "pydantic.networks", "pydantic_core._pydantic_core")


class Refused(Exception):
    """A value cannot be written; `reason` says why, without its place in the whole."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def pack(value: Any) -> bytes:
    """The bytes of a value. The same value gives the same bytes in every process.

    Raises:
        Refused: it holds something that cannot be written. Other exceptions of msgpack, and of the value's own code,
            pass as they are; `paths.explain` makes sense of all of them.
    """
    packing = _Packing()
    data = packing.pack(value)
    if packing.has_hashable_object:
        _check_keys(data)
    return data


def unpack(data: bytes) -> Any:
    """The value that `pack` wrote; dataclasses and models come back as dicts, enums as their values.

    Raises:
        ValueError, TypeError, Refused: these are not the bytes of a value.
    """
    return msgpack.unpackb(data, ext_hook=_read_extension, strict_map_key=False, timestamp=3)


def simpler(value: Any) -> Any:
    """A value that is one step plainer and means the same.

    Raises:
        Refused: there is none.
    """
    return _simplify(type(value))(value)  # type: ignore[arg-type]  # classes are hashable, whatever typeshed says


def is_extension(kind: type) -> bool:
    """Whether values of exactly this class are written as an extension."""
    return kind in _EXTENSIONS


class _Packing:
    """One call of `pack`: knows how deep it is, and whether it met an object that might be a key of a dict."""

    __slots__ = ("depth", "has_hashable_object")

    def __init__(self) -> None:
        self.depth = 0
        self.has_hashable_object = False

    def pack(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value, default=self.write, strict_types=True)
        return packed

    def nest(self, value: Any) -> bytes:
        if self.depth >= DEPTH_MAX:
            raise Refused(f"the value is nested more than {DEPTH_MAX} levels deep")
        self.depth += 1
        try:
            return self.pack(value)
        finally:
            self.depth -= 1

    def write(self, value: Any) -> Any:
        """What msgpack asks for each value that it cannot write by itself."""
        while True:
            kind = type(value)
            extension = _EXTENSIONS.get(kind)
            if extension is not None:
                code, data_of = extension
                return msgpack.ExtType(code, data_of(self, value))
            value = simpler(value)
            if type(value) in (dict, list) and kind.__hash__ is not None:
                self.has_hashable_object = True
            if type(value) in _NATIVE and not (type(value) is int and not -(2**63) <= value < 2**64):
                return value


def _check_keys(data: bytes) -> None:
    """A frozen dataclass may be a key of a dict, but the dict that it is written as may not."""
    try:
        unpack(data)
    except TypeError as error:
        raise Refused("an object that is written as a dict or list cannot be a key, or a member of a set") from error


# --- extensions -----------------------------------------------------------------------------------------------------


def _members(packing: _Packing, value: AbstractSet[Any]) -> bytes:
    # Sorted by their bytes: the order of a set differs from process to process.
    header: bytes = msgpack.Packer().pack_array_header(len(value))
    return header + b"".join(sorted(packing.nest(member) for member in value))


_SECOND = "~"
"""Marks the second of two equal wall-clock times, where clocks are put back (`fold`)."""


def _moment(packing: _Packing, value: datetime | time) -> bytes:
    zone = getattr(value.tzinfo, "key", None)  # a ZoneInfo: its name says more than the offset
    return f"{value.isoformat()}{_SECOND * value.fold}{f'[{zone}]' if zone else ''}".encode()


def _integer(packing: _Packing, value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


_EXTENSIONS: Mapping[type, tuple[int, Callable[[_Packing, Any], bytes]]] = {
    tuple: (_TUPLE, lambda packing, value: packing.nest(list(value))),
    set: (_SET, _members),
    frozenset: (_FROZENSET, _members),
    datetime: (_DATETIME, _moment),
    date: (_DATE, lambda packing, value: value.isoformat().encode()),
    time: (_TIME, _moment),
    timedelta: (_TIMEDELTA, lambda packing, value: packing.pack([value.days, value.seconds, value.microseconds])),
    Decimal: (_DECIMAL, lambda packing, value: str(value).encode()),
    UUID: (_UUID, lambda packing, value: value.bytes),
    int: (_INTEGER, _integer),  # only those beyond 64 bits come here
    type(Path()): (_PATH, lambda packing, value: str(value).encode("utf-8", "surrogateescape")),
}


def _read_moment(kind: type[datetime] | type[time], data: bytes) -> datetime | time:
    text, _, zone = data.decode().partition("[")
    moment = kind.fromisoformat(text.removesuffix(_SECOND))
    if text.endswith(_SECOND):
        moment = moment.replace(fold=1)
    if not zone:
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        place = ZoneInfo(zone.removesuffix("]"))
    except ZoneInfoNotFoundError:
        return moment  # this machine does not know the zone: the offset is right for this moment
    there = moment.replace(tzinfo=place)
    if isinstance(moment, time) or there.utcoffset() == moment.utcoffset():
        return there
    return moment.astimezone(place)  # the rules of the zone have changed since: the moment stays, the wall clock moves


_READERS: Mapping[int, Callable[[bytes], Any]] = {
    _TUPLE: lambda data: tuple(unpack(data)),
    _SET: lambda data: set(unpack(data)),
    _FROZENSET: lambda data: frozenset(unpack(data)),
    _DATETIME: lambda data: _read_moment(datetime, data),
    _DATE: lambda data: date.fromisoformat(data.decode()),
    _TIME: lambda data: _read_moment(time, data),
    _TIMEDELTA: lambda data: timedelta(*unpack(data)),
    _DECIMAL: lambda data: Decimal(data.decode()),
    _UUID: lambda data: UUID(bytes=data),
    _INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    _PATH: lambda data: Path(data.decode("utf-8", "surrogateescape")),
}


def _read_extension(code: int, data: bytes) -> Any:
    reader = _READERS.get(code)
    if reader is None:
        raise Refused(f"unknown extension {code}: a newer version wrote this value")
    return reader(data)


# --- plainer values ---------------------------------------------------------------------------------------------------


def _refuse(value: Any) -> Any:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if name == "function":
        name = f"function ({getattr(value, '__qualname__', '?')})"
    raise Refused(f"a value of type {name} cannot be encoded")


def _attributes(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _model(value: Any) -> Any:
    """A pydantic model by the names of its fields; by its own serializers where it has some."""
    kind = type(value)
    if getattr(kind, "__pydantic_root_model__", False):
        return value.root
    names = list(kind.model_fields)
    extra = value.__pydantic_extra__ or {}
    own = kind.__pydantic_decorators__
    if own.field_serializers or own.model_serializers:
        return value.model_dump(mode="python", by_alias=False, include={*names, *extra})
    return {**_attributes(value, names), **extra}


def _is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # who has a model has imported it
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _is_refused(kind: type) -> bool:
    return issubclass(kind, Awaitable | Iterator | type) or kind is complex


_SIMPLER: Sequence[tuple[Callable[[type], bool], Callable[[Any], Any]]] = (
    (_is_refused, _refuse),  # an operation, a coroutine, a generator, whatever else it may be
    (lambda kind: issubclass(kind, Enum), lambda value: value.value),
    (is_dataclass, lambda value: _attributes(value, [field.name for field in fields(value)])),
    (_is_model, _model),
    (lambda kind: hasattr(kind, "__attrs_attrs__"), lambda v: _attributes(v, [a.name for a in v.__attrs_attrs__])),
    (lambda kind: issubclass(kind, int), lambda value: int.__int__(value)),
    (lambda kind: issubclass(kind, float), lambda value: float.__float__(value)),
    (lambda kind: issubclass(kind, str), lambda value: str.__str__(value)),
    (lambda kind: issubclass(kind, bytes | bytearray | memoryview), lambda value: bytes(memoryview(value))),
    (lambda kind: issubclass(kind, tuple), lambda value: tuple(value)),
    (lambda kind: issubclass(kind, frozenset), lambda value: frozenset(value)),
    (lambda kind: issubclass(kind, datetime), lambda value: datetime.fromisoformat(value.isoformat())),
    (lambda kind: issubclass(kind, date), lambda value: date(value.year, value.month, value.day)),
    (lambda kind: issubclass(kind, timedelta), lambda value: timedelta(value.days, value.seconds, value.microseconds)),
    (lambda kind: issubclass(kind, Decimal), lambda value: Decimal(value)),
    (lambda kind: issubclass(kind, UUID), lambda value: UUID(bytes=value.bytes)),
    (lambda kind: issubclass(kind, PurePath), lambda value: Path(value)),
    (lambda kind: kind.__module__ in _KNOWN_AS_TEXT, lambda value: str(value)),
    (lambda kind: issubclass(kind, Mapping), lambda value: {key: value[key] for key in value}),
    (lambda kind: issubclass(kind, AbstractSet), lambda value: set(value)),
    (lambda kind: issubclass(kind, Sequence), lambda value: list(value)),
)


@lru_cache(maxsize=1024)
def _simplify(kind: type) -> Callable[[Any], Any]:
    return next((simplify for is_such, simplify in _SIMPLER if is_such(kind)), _refuse)
