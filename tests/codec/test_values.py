"""Values come back as they were, or are refused with the place that stands in the way."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter, OrderedDict, UserDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, HttpUrl, RootModel, computed_field, field_serializer

from nexus_sdk.codec.base import NO_VALUE
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.errors import PayloadError, PayloadTooLarge

CODEC = MsgpackCodec()


class Colour(Enum):
    RED = "red"
    BIG = 2**80
    PAIR = (1, 2)


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Line:
    name: str
    ends: tuple[Point, Point]
    tags: set[str] = field(default_factory=set)
    length: float = field(init=False, default=0.0)


@dataclass(frozen=True)
class Key:
    id: int


@attrs.define
class Box:
    size: int
    line: Line | None = None
    _secret: str = "s"
    seen: int = attrs.field(init=False, default=0)


class Item(BaseModel):
    name: str
    price: Decimal = Decimal(1)
    at: datetime | None = None
    internal: str = Field(default="kept", exclude=True)
    renamed: int = Field(default=1, alias="otherName")


class Order(BaseModel, extra="allow"):
    id: UUID
    items: list[Item]
    colours: dict[str, Colour] = {}
    site: HttpUrl | None = None

    @computed_field
    def total(self) -> int:
        return len(self.items)


class Names(RootModel[list[str]]):
    pass


class Handle:
    def __init__(self, text: str) -> None:
        self.text = text


class Wrapped(BaseModel, arbitrary_types_allowed=True):
    handle: str | Any

    @field_serializer("handle")
    def serialise(self, handle: Any) -> str:
        return f"handle {handle.text}"


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Paris")]))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.builds(Path, st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
)
hashables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.sets(hashables, max_size=3)
    ),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    """A value with its types, which `==` does not look at."""
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, map(shape, value)))
    return type(value), value


@given(values)
def test_every_plain_value_decodes_to_itself_without_an_annotation(value: Any) -> None:
    decoded = CODEC.decode(CODEC.encode(value))
    assert decoded == value
    assert shape(decoded) == shape(value)


@given(values)
def test_the_same_value_gives_the_same_bytes(value: Any) -> None:
    again = CODEC.decode(CODEC.encode(value))
    assert CODEC.encode(again) == CODEC.encode(value)


def test_a_set_gives_the_same_bytes_under_any_hash_seed() -> None:
    code = """
from nexus_sdk.codec.values import MsgpackCodec
print(MsgpackCodec().encode({str(number) for number in range(50)}).data.hex())
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != b""


def test_none_is_the_one_empty_payload() -> None:
    assert CODEC.encode(None) is NO_VALUE
    assert (NO_VALUE.encoding, NO_VALUE.data, NO_VALUE.size) == ("", b"", 0)
    assert NO_VALUE.digest == sha256(b"").digest()
    assert CODEC.decode(NO_VALUE) is None


def test_a_payload_carries_size_and_digest_of_its_bytes() -> None:
    payload = CODEC.encode([1])
    assert payload.data is not None
    assert (payload.encoding, payload.size, payload.digest) == ("msgpack", 2, sha256(payload.data).digest())


def test_floats_without_a_number_are_kept() -> None:
    nan, infinite = CODEC.decode(CODEC.encode([float("nan"), float("inf")]))
    assert nan != nan
    assert infinite == float("inf")


def test_a_datetime_keeps_its_zone() -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1)
    decoded = CODEC.decode(CODEC.encode(moment))
    assert (decoded, decoded.tzinfo, decoded.fold) == (moment, moment.tzinfo, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Colour.BIG, 2**80),
        (Colour.PAIR, (1, 2)),
        (Level.LOW, 1),
        (Word.YES, "yes"),
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aa"), {"a": 2}),
        (UserDict(a=1), {"a": 1}),
        (deque([1, 2]), [1, 2]),
        (range(3), range(3)),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (IPv4Address("127.0.0.1"), "127.0.0.1"),
        ({1: 2}.keys(), {1}),
        (Names(["a"]), ["a"]),
        ({Colour.RED: 1, Level.LOW: 2}, {"red": 1, 1: 2}),
    ],
)
def test_other_values_come_back_plain_without_an_annotation(value: Any, expected: Any) -> None:
    decoded = CODEC.decode(CODEC.encode(value))
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Colour.PAIR, Colour),
        ([Colour.RED], list[Colour]),
        ({Level.LOW: Word.YES}, dict[Level, Word]),
        (Point(1, 2), Point),
        (Line("a", (Point(1), Point(2)), {"t"}), Line),
        ({"k": [Key(1)]}, dict[str, list[Key]]),
        (Key(1), Key | None),
        (Box(1, Line("a", (Point(1), Point(2)))), Box),
        ([Box(1), None], list[Box | None]),
        ({"a": Box(1)}, dict[str, Box]),
        ((Box(1), 2), tuple[Box, int]),
        (Item(name="a", price=Decimal("1.10"), internal="changed", otherName=7), Item),
        (
            Order(id=uuid4(), items=[Item(name="a", at=datetime.now(UTC))], colours={"x": Colour.BIG}, more=(1, 2)),
            Order,
        ),
        (Order(id=uuid4(), items=[], site="https://example.org/a"), Order),
        (Names(["a", "b"]), Names),
        (IPv4Address("10.0.0.1"), IPv4Address),
        (frozenset({1}), frozenset[int]),
        (timedelta(1), timedelta),
        ([date(2020, 1, 1), time(1)], list[date | time]),
    ],
)
def test_an_annotation_brings_the_type_back(value: Any, type_: Any) -> None:
    decoded = CODEC.decode(CODEC.encode(value), type_)
    assert decoded == value
    assert type(decoded) is type(value)


def test_an_object_comes_back_as_a_dict_that_knows_its_class() -> None:
    decoded = CODEC.decode(CODEC.encode([Key(1), {"id": 1}]))
    assert decoded == [{"id": 1}, {"id": 1}]
    assert decoded[0].kind == f"{__name__}:Key"
    assert type(decoded[1]) is dict
    again = CODEC.decode(CODEC.encode(pickle.loads(pickle.dumps(decoded))))
    assert CODEC.convert(again, list[Key | dict[str, int]]) == [Key(1), {"id": 1}]


def test_attributes_that_init_does_not_take_come_back_too() -> None:
    line, box = Line("a", (Point(1), Point(2))), Box(1)
    line.length, box.seen = 2.5, 3
    assert CODEC.decode(CODEC.encode(line), Line).length == 2.5
    assert CODEC.decode(CODEC.encode(box), Box).seen == 3


def test_a_model_with_its_own_serialiser_is_written_by_it() -> None:
    assert CODEC.decode(CODEC.encode(Wrapped(handle=Handle("x")))) == {"handle": "handle x"}


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@dataclass
class Holder:
    items: list[Any]


class Raising(UserDict[str, int]):
    def __getitem__(self, key: str) -> int:
        raise RuntimeError("gone")


def cyclic() -> list[Any]:
    inner: list[Any] = []
    inner.append({"again": (inner,)})
    return inner


def nested(kind: type, levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = kind([value])
    return value


async def coroutine() -> None: ...


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"items": [1, 2, 3, {"price": object()}]}, r"\$\.items\[3\]\.price: a value of type object cannot be"),
        (Holder([Broken()]), r"\$\.items\[0\]: .*Broken"),
        ({"not an identifier": object}, r"\$\['not an identifier'\]: .*type type"),
        ({(1, object()): 1}, r"\$ key \(1, <object.*\)\[1\]: "),
        ({Key(1): 1}, "cannot be a key"),
        ({"a": {(Key(1),)}}, r"\$\.a.*cannot be a key, or a member of a set"),
        ([lambda: 1], r"\$\[0\]: .*function \(<lambda>\)"),
        ([int], r"\$\[0\]: a value of type type"),
        ((number for number in ()), r"\$: a value of type generator"),
        ("\ud800", "lone surrogate"),
        ([{"\ud800": 1}], r"\$\[0\] key .*lone surrogate"),
        (cyclic(), r"\$\[0\]\.again\[0\]: the value contains itself"),
        (Raising({"a": 1}), "RuntimeError: gone"),
    ],
)
def test_what_cannot_be_encoded_is_refused_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(PayloadError, match=said) as caught:
        CODEC.encode(value)
    assert "Pass plain data" in caught.value.hint
    assert len(caught.value.message) < 400


def test_a_coroutine_is_refused() -> None:
    forgotten = coroutine()
    with pytest.raises(PayloadError, match=r"\$\.x: a value of type coroutine"):
        CODEC.encode({"x": forgotten})
    forgotten.close()


@pytest.mark.parametrize("kind", [list, tuple])
def test_what_is_nested_as_deeply_as_is_accepted_can_be_decoded(kind: type) -> None:
    value = nested(kind, 100)
    assert CODEC.decode(CODEC.encode(value)) == value


def test_a_value_over_the_limit_is_refused_with_both_sizes() -> None:
    with pytest.raises(PayloadTooLarge, match=r"1,003 bytes, 1,000 are allowed"):
        MsgpackCodec(payload_bytes_max=1_000).encode(b"x" * 1_000)


def test_missing_or_foreign_bytes_are_errors() -> None:
    payload = CODEC.encode([1, 2])
    for changed, said in [
        ({"data": None}, "were erased"),
        ({"data": None, "reference": "blob/1"}, "are not in the store"),
        ({"data": b"\x92\x01"}, "not a value"),
        ({"data": b"\xd4\x63\x00"}, "unknown extension 99"),
        ({"encoding": "cloudpickle"}, "encoded as 'cloudpickle'"),
    ]:
        other = type(payload)(
            **{"encoding": "msgpack", "data": payload.data, "digest": payload.digest, "size": 3, **changed}
        )
        with pytest.raises(PayloadError, match=said):
            CODEC.decode(other)


def test_plain_values_never_import_pydantic() -> None:
    code = """
import sys
from nexus_sdk.codec.values import MsgpackCodec
codec = MsgpackCodec()
value = {"a": [1, 2.5, "x", b"y", None], "b": {(1, 2): {3}}}
assert codec.decode(codec.encode(value)) == value
assert codec.decode(codec.encode([1]), list[int]) == [1]
assert codec.decode(codec.encode({"a": (1, None)}), dict[str, tuple[int, str | None]]) == {"a": (1, None)}
assert codec.decode(codec.encode(1), float) == 1.0
assert codec.decode(codec.encode("x"), str | None) == "x"
assert "pydantic" not in sys.modules
assert codec.decode(codec.encode([1]), tuple[int, ...]) == (1,)
assert "pydantic" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(Path(__file__).parents[2])}, check=True)
