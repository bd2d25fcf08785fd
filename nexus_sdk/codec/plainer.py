"""Values to plainer values that mean the same. The one rule: an annotation brings back what is left out here.

A dataclass, a model or an attrs object becomes the dict of its fields, an enum its value, a subclass its base. `Fields`
is how the dict of an object comes back: a dict that remembers which class it is of, for the annotation to look at.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn
from uuid import UUID

import msgpack

from nexus_sdk.codec.secret import Secret, as_written, is_secret_class

Simplify = Callable[[Any], Any]

KIND_CODE = 12
KIND = msgpack.ExtType(KIND_CODE, b"\0")
"""The first key of the map that an object is written as; its value is the name of the class."""
KIND_READ = object()
"""What `KIND` is read as: a key that no value has, and that is found quickly."""

_KNOWN_AS_TEXT = ("ipaddress", "pydantic.networks", "pydantic_core._pydantic_core")


class Refused(Exception):
    """A value cannot be written; `reason` says why, without its place in the whole."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fields(dict[str, Any]):
    """The fields of an object that came back without an annotation: a dict that knows the name of its class.

    Written again, it is written as that object.
    """

    __slots__ = ("kind",)  # set by whoever makes one: an `__init__` in Python would cost more than all the rest
    kind: str


def kind_name(kind: type) -> str:
    """The name of a class in the bytes, e.g. ``orders:Order``."""
    return f"{kind.__module__}:{kind.__qualname__}"


def simpler(value: Any) -> Any:
    """A value that is one step plainer and means the same.

    Raises:
        Refused: there is none.
    """
    return simplifier(type(value))[0](value)  # type: ignore[arg-type]  # classes are hashable, whatever typeshed says


@lru_cache(maxsize=4096)
def simplifier(kind: type) -> tuple[Simplify, bool]:
    """How values of a class are made plainer, and whether one that is a key of a dict may then equal another key."""
    make = next((make for is_such, make in _TABLE if is_such(kind)), None)
    if make is None:
        return _refuse, False
    return make(kind), kind.__hash__ is not None and not issubclass(kind, _EQUAL_TO_ITS_BASE)


def _refuse(value: Any) -> NoReturn:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if name == "function":
        name = f"function ({getattr(value, '__qualname__', '?')})"
    raise Refused(f"a value of type {name} cannot be encoded")


# --- objects ----------------------------------------------------------------------------------------------------------


def _object(kind: type, names: Sequence[str]) -> Simplify:
    kind_text = kind_name(kind)

    def simplify(value: Any) -> dict[Any, Any]:
        made: dict[Any, Any] = {KIND: kind_text}
        for name in names:
            try:
                made[name] = getattr(value, name)
            except AttributeError:
                continue  # a field that was never set
        return made

    return simplify


def _model(kind: Any) -> Simplify:
    """A pydantic model by the names of its fields; by its own serializers where it has some."""
    if kind.__pydantic_root_model__:
        return lambda value: value.root
    own = kind.__pydantic_decorators__
    if own.model_serializers:
        return lambda value: value.model_dump(mode="python", by_alias=False)
    plain = _object(kind, list(kind.model_fields))
    dumped = {name for serializer in own.field_serializers.values() for name in serializer.info.fields}
    if "*" in dumped:
        dumped = set(kind.model_fields)
    kept: Any = kind.model_config.get("extra") == "allow"

    def simplify(value: Any) -> Any:
        made = plain(value)
        if dumped:
            made |= value.model_dump(mode="python", by_alias=False, include=dumped)
        if kept:
            made |= value.__pydantic_extra__ or {}
        return made

    return simplify


def _is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # who has a model has imported it
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _fields_again(value: Fields) -> dict[Any, Any]:
    return {KIND: value.kind, **value}


# --- subclasses and containers ----------------------------------------------------------------------------------------


def _datetime(value: datetime) -> Any:
    return _the_same(value, datetime.combine(value.date(), value.timetz()))


def _the_same(value: Any, made: Any) -> Any:
    """A subclass may know more than its base, such as nanoseconds."""
    is_all = made == value  # not `!=`: a subclass that defines `__eq__` alone still has the `!=` of its base
    if not is_all:
        raise Refused(f"a value of type {type(value).__qualname__} is more than the {type(made).__name__} in it")
    return made


def _deque(value: deque[Any]) -> list[Any]:
    if value.maxlen is not None:
        raise Refused("a deque with a maxlen cannot be encoded, because its maxlen would be lost")
    return list(value)


def _of(*bases: type) -> Callable[[type], bool]:
    return lambda kind: issubclass(kind, bases)


def _by(simplify: Simplify) -> Callable[[type], Simplify]:
    return lambda kind: simplify


_EQUAL_TO_ITS_BASE = (
    *(int, float, complex, str, bytes, bytearray, memoryview, tuple, frozenset),
    *(date, time, timedelta, Decimal, Fraction, UUID, PurePosixPath, Secret),
)
"""Values of subclasses of these equal the plainer value, so two keys that differ still do."""

_TABLE: Sequence[tuple[Callable[[type], bool], Callable[[type], Simplify]]] = (
    (_of(Fields), _by(_fields_again)),
    (_of(Awaitable, Iterator, type), _by(_refuse)),  # an operation, a coroutine, a generator, whatever else it may be
    (is_secret_class, _by(as_written)),
    (_of(Enum), _by(lambda value: value.value)),
    (is_dataclass, lambda kind: _object(kind, [field.name for field in fields(kind)])),
    (_is_model, _model),
    (lambda kind: hasattr(kind, "__attrs_attrs__"), lambda k: _object(k, [a.name for a in k.__attrs_attrs__])),  # type: ignore[attr-defined]
    (_of(int), _by(lambda value: int.__int__(value))),
    (_of(float), _by(lambda value: float.__float__(value))),
    (_of(complex), _by(lambda value: complex.__complex__(value))),
    (_of(str), _by(lambda value: str.__str__(value))),
    (_of(bytes, bytearray, memoryview), _by(lambda value: bytes(memoryview(value)))),
    (_of(tuple), _by(lambda value: tuple(value))),
    (_of(frozenset), _by(lambda value: frozenset(value))),
    (_of(datetime), _by(_datetime)),
    (_of(date), _by(lambda value: _the_same(value, date(value.year, value.month, value.day)))),
    (_of(time), _by(lambda v: time(v.hour, v.minute, v.second, v.microsecond, v.tzinfo, fold=v.fold))),
    (_of(timedelta), _by(lambda v: _the_same(v, timedelta(v.days, v.seconds, v.microseconds)))),
    (_of(Decimal), _by(lambda value: Decimal(value))),
    (_of(Fraction), _by(lambda value: Fraction(value.numerator, value.denominator))),
    (_of(UUID), _by(lambda value: UUID(bytes=value.bytes))),
    (_of(Path), _by(lambda value: Path(value))),
    (_of(PurePosixPath), _by(lambda value: PurePosixPath(value))),
    (_of(PureWindowsPath), _by(lambda value: PureWindowsPath(value))),
    (lambda kind: kind.__module__ in _KNOWN_AS_TEXT, _by(lambda value: str(value))),
    (_of(Mapping), _by(lambda value: {key: value[key] for key in value})),
    (_of(AbstractSet), _by(lambda value: set(value))),
    (_of(deque), _by(_deque)),
    (_of(Sequence), _by(lambda value: list(value))),
)
