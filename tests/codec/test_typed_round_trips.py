"""Every value of every type comes back as itself where the type is annotated."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, NewType, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus_sdk.codec import MsgpackCodec

CODEC = MsgpackCodec()


class Colour(Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    READ = 1
    WRITE = 2


class Bit(IntFlag):
    A = 1
    B = 4


Id = NewType("Id", str)
Typed = tuple[Any, st.SearchStrategy[Any]]
"""An annotation, and values of it."""

text = st.text(st.characters(codec="utf-8"), max_size=8)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30)), ZoneInfo("Europe/Paris")])
HASHABLE: list[Typed] = [
    (int, st.integers()),
    (str, text),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=8)),
    (float, st.floats(allow_nan=False)),
    (complex, st.complex_numbers(allow_nan=False)),
    (datetime, st.datetimes(timezones=st.none() | zones)),
    (date, st.dates()),
    (time, st.times(timezones=st.none() | zones)),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),  # a model takes no other
    (Fraction, st.fractions()),
    (UUID, st.uuids()),
    (Path, st.sampled_from([Path("a/b"), Path("/"), Path()])),
    (PurePosixPath, st.sampled_from([PurePosixPath("a/b"), PurePosixPath()])),
    (PureWindowsPath, st.sampled_from([PureWindowsPath("c:\\a"), PureWindowsPath("a/b")])),
    (IPv4Address, st.ip_addresses(v=4)),
    (IPv6Network, st.just(IPv6Network("2001:db8::/32"))),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Word, st.sampled_from(Word)),
    (Right, st.sampled_from([Right.READ, Right.READ | Right.WRITE, Right(0)])),
    (Bit, st.sampled_from([Bit.A, Bit.A | Bit.B])),
    (Id, text),
    (range, st.builds(range, st.integers(), st.integers(), st.integers(1, 5))),
    (tuple[int, str], st.tuples(st.integers(), text)),
    (frozenset[int], st.frozensets(st.integers())),
    (tuple[()], st.just(())),
    (typing.Literal["a", 1, Colour.RED], st.sampled_from(["a", 1, Colour.RED])),  # type: ignore[arg-type]
]
OTHERS: list[Typed] = [
    (None | int, st.none() | st.integers()),
    (int | str | None, st.none() | st.integers() | text),
    (float | bool, st.floats(allow_nan=False) | st.booleans()),
    (datetime | date, st.datetimes() | st.dates()),
    (list, st.lists(st.integers())),
    (dict, st.dictionaries(text, st.integers())),
    (bytearray, st.binary(max_size=4).map(bytearray)),
    (Counter[str], st.builds(Counter, st.lists(st.sampled_from("ab")))),
    (deque[int], st.builds(deque, st.lists(st.integers()))),
    (OrderedDict[str, int], st.builds(OrderedDict, st.dictionaries(text, st.integers()))),
]
numbers = itertools.count()


def a_dataclass(parts: list[Typed]) -> Typed:
    kind = dataclasses.make_dataclass(
        f"Data{next(numbers)}", [(f"f{i}", type_) for i, (type_, _) in enumerate(parts)], frozen=True, slots=True
    )
    kind.__module__ = __name__
    return kind, st.builds(kind, *(values for _, values in parts))


def an_attrs_class(parts: list[Typed]) -> Typed:
    kind: Any = attrs.make_class(
        f"Attrs{next(numbers)}", {f"_f{i}": attrs.field(type=type_) for i, (type_, _) in enumerate(parts)}
    )
    kind.__module__ = __name__
    return kind, st.builds(kind, *(values for _, values in parts))


def a_model(parts: list[Typed]) -> Typed:
    known = [part for part in parts if not _is_foreign(part[0])]
    made = {f"f{i}": (type_, pydantic.Field(alias=f"alias{i}")) for i, (type_, _) in enumerate(known)}
    config = pydantic.ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)
    kind: Any = pydantic.create_model(f"Model{next(numbers)}", __config__=config, __module__=__name__, **made)
    return kind, st.builds(kind, **{f"alias{i}": values for i, (_, values) in enumerate(known)})


def _is_foreign(type_: Any) -> bool:
    """What pydantic has no way for in a model, or rules of its own that would choose another member of a union."""
    return any(word in repr(type_) for word in ("bytearray", "Attrs", "Typed", "Union", "|"))


def a_named_tuple(parts: list[Typed]) -> Typed:
    kind: Any = NamedTuple(f"Named{next(numbers)}", [(f"f{i}", type_) for i, (type_, _) in enumerate(parts)])
    return kind, st.builds(kind, *(values for _, values in parts))


def a_typed_dict(parts: list[Typed]) -> Typed:
    kind: Any = TypedDict(f"Typed{next(numbers)}", {f"f{i}": type_ for i, (type_, _) in enumerate(parts)})  # type: ignore[misc]
    # In the order of the class: pydantic puts the keys in that order.
    return kind, st.tuples(*(values for _, values in parts)).map(
        lambda items: {f"f{i}": item for i, item in enumerate(items)}
    )


def a_union(parts: list[Typed]) -> Typed:
    """Of classes that nothing but their names tells apart."""
    (one, ones), (two, twos) = a_dataclass(parts), a_dataclass(parts)
    three, threes = a_model(parts)
    return one | two | three | None, ones | twos | threes | st.none()


def containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    parts = st.lists(inner, min_size=1, max_size=3)
    hashable = st.sampled_from(HASHABLE)
    return (
        inner.map(lambda part: (list[part[0]], st.lists(part[1], max_size=3)))  # type: ignore[name-defined]
        | inner.map(lambda part: (tuple[part[0], ...], st.lists(part[1], max_size=3).map(tuple)))  # type: ignore[name-defined]
        | inner.map(lambda part: (Sequence[part[0]], st.lists(part[1], max_size=3)))  # type: ignore[name-defined]
        | st.tuples(hashable, inner).map(lambda p: (dict[p[0][0], p[1][0]], dictionaries(p[0][1], p[1][1])))  # type: ignore[misc]
        | st.tuples(hashable, inner).map(lambda p: (Mapping[p[0][0], p[1][0]], dictionaries(p[0][1], p[1][1])))  # type: ignore[misc]
        | hashable.map(lambda part: (set[part[0]], st.sets(part[1], max_size=3)))  # type: ignore[name-defined]
        | parts.map(lambda parts: (tuple[tuple(p[0] for p in parts)], st.tuples(*(p[1] for p in parts))))  # type: ignore[misc]
        | parts.map(a_dataclass)
        | parts.map(an_attrs_class)
        | parts.map(a_model)
        | parts.map(a_named_tuple)
        | parts.map(a_typed_dict)
        | parts.map(a_union)
    )


def dictionaries(keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(keys, values, max_size=3)


typed = st.recursive(st.sampled_from(HASHABLE + OTHERS), containers, max_leaves=6)


def shape(value: Any) -> Any:
    """A value with the types of all its parts, which `==` does not look at."""
    if dataclasses.is_dataclass(value):
        return type(value), [shape(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if attrs.has(type(value)):
        return type(value), [shape(getattr(value, field.name)) for field in attrs.fields(type(value))]
    if isinstance(value, pydantic.BaseModel):
        return type(value), [shape(item) for item in value.__dict__.values()]
    if isinstance(value, dict):
        return type(value), [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return type(value), [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, map(shape, value)))
    return type(value), repr(value)


@pytest.mark.parametrize("part", HASHABLE + OTHERS, ids=lambda part: str(part[0]))
@settings(max_examples=15)
@given(data=st.data())
def test_every_value_of_a_type_comes_back(part: Typed, data: st.DataObject) -> None:
    type_, values = part
    value = data.draw(values)
    decoded = CODEC.decode(CODEC.encode(value), type_)
    assert shape(decoded) == shape(value)


@settings(max_examples=150)
@given(part=typed, data=st.data())
def test_every_value_of_any_type_made_of_others_comes_back(part: Typed, data: st.DataObject) -> None:
    type_, values = part
    value = data.draw(values)
    payload = CODEC.encode(value)
    decoded = CODEC.decode(payload, type_)
    assert shape(decoded) == shape(value)
    assert CODEC.convert(decoded, type_) == decoded, "what is of the type already is taken"
    assert CODEC.encode(decoded) == payload, "equal values have equal bytes"


@settings(max_examples=50)
@given(part=typed, data=st.data())
def test_what_passes_through_a_workflow_without_annotations_is_the_same_behind_it(
    part: Typed, data: st.DataObject
) -> None:
    type_, values = part
    value = data.draw(values)
    plain = CODEC.decode(CODEC.encode(value))
    assert shape(CODEC.decode(CODEC.encode(plain), type_)) == shape(value)
