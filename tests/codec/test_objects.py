"""Objects of every kind of class: what comes back exactly, and what is refused rather than changed."""

from __future__ import annotations

import collections
import re
from collections import UserDict, defaultdict, deque
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Required, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import attrs
import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, PrivateAttr, RootModel, computed_field, field_validator

from nexus_sdk.codec import MsgpackCodec
from nexus_sdk.errors import PayloadError

CODEC = MsgpackCodec()
T = TypeVar("T")


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    value: int
    leaves: list[Leaf] = field(default_factory=list)


@dataclass(frozen=True)
class Key:
    id: int


@dataclass
class Counted:
    """`__post_init__` changes fields, and would do so again."""

    value: int
    calls: int = 0
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.calls += 1
        self.total = self.value * 2
        self.cache = {"value": self.value}


@dataclass
class Seeded:
    value: int
    seed: InitVar[int]
    sown: int = field(init=False)

    def __post_init__(self, seed: int) -> None:
        self.sown = seed


@dataclass
class Scaled:
    value: int
    factor: InitVar[int] = 1

    def __post_init__(self, factor: int) -> None:
        self.value *= factor


@dataclass
class Base:
    a: int


@dataclass
class Below(Base):
    b: str = "b"


@dataclass
class Twin:
    a: int


@dataclass
class Shelf:
    first: Base
    rest: list[Base]
    either: Twin | Base | None = None


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T]


@attrs.define
class Tuned:
    value: int = attrs.field(converter=lambda value: int(value) + 1)
    _hidden: int = 0
    named: str = attrs.field(default="", alias="called")


@attrs.define
class Tree:
    value: int
    below: list[Tree] = attrs.field(factory=list)


@attrs.frozen
class Crate(Generic[T]):
    content: T


@dataclass
class Mixed:
    tuned: Tuned
    raw: bytearray
    crate: Crate[Leaf] | None = None


class Pet(BaseModel):
    name: str = "?"


class Cat(Pet):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Pet):
    kind: Literal["dog"] = "dog"


class Home(BaseModel, extra="forbid", frozen=True):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    any_pet: Pet
    base: Base | Twin
    renamed: int = Field(default=0, alias="otherName")

    @computed_field
    def count(self) -> int:
        return 1


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    tuned: Tuned


class Page(BaseModel, Generic[T]):
    items: list[T]
    by_name: dict[str, T] = {}


class Ids(RootModel[list[int]]):
    pass


class Row(TypedDict, total=False):
    id: Required[int]
    at: datetime
    row: NotRequired[Row]


class Point(NamedTuple):
    x: int
    leaf: Leaf | None = None


Plain = collections.namedtuple("Plain", "a b")


class Grams(int):
    pass


class Names(list[str]):
    pass


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Leaf(value=1, leaves=[Leaf(value=2)]), Leaf),
        (Below(1, "x"), Below),
        (Below(1, "x"), Base),
        (Twin(1), Base | Twin),
        ([Twin(1), Base(2), Below(3), None], list[Base | Twin | None]),
        (Shelf(Below(1), [Base(2), Below(3)], Base(4)), Shelf),
        ({"k": (Twin(1),)}, dict[str, tuple[Base | Twin, ...]]),
        (Box(1, [2]), Box[int]),
        (Box(Leaf(value=1), []), Box[Leaf]),
        (Box([Twin(1)], []), Box[list[Base | Twin]]),
        (Crate(Leaf(value=1)), Crate[Leaf]),
        (Tree(1, [Tree(2)]), Tree),
        ([Tree(1), Crate(2)], list[Crate[int] | Tree]),
        (Mixed(Tuned(1), bytearray(b"x"), Crate(Leaf(value=1))), Mixed),
        (Holder(tuned=Tuned(1)), Holder),
        (Cat(lives=3), Pet),
        (Dog(name="d"), Pet | None),
        (Home(pet=Dog(), any_pet=Cat(), base=Twin(1), otherName=3), Home),
        (Page[Leaf](items=[Leaf(value=1)], by_name={"a": Leaf(value=2)}), Page[Leaf]),
        (Page[Base](items=[Below(1), Base(2)]), Page[Base]),
        (Ids([1]), Ids),
        ({"id": 1, "at": datetime(2020, 1, 1), "row": {"id": 2}}, Row),
        (Point(1, Leaf(value=2)), Point),
        ([Plain(1, 2)], list[Plain]),
        (Grams(3), Grams),
        (Names(["a"]), Names),
        (AnyUrl("https://example.org/a"), AnyUrl),
        (Colour.RED, Literal[Colour.RED]),
        ([Colour.RED, "blue"], list[Colour | str]),
        (memoryview(b"x"), memoryview),
        ([bytearray(b"x")], list[bytearray]),
        (defaultdict(list, a=[1]), defaultdict[str, list[int]]),
        (deque([Twin(1)]), deque[Base | Twin]),
        ([1], Iterable[int]),
        ((1,), Iterable[int]),
        ({1: "a", (1, 2): "b", None: "c", "": "d"}, dict[Any, str]),
        ([-0.0, float("inf"), 2**5000], list[float | int]),
        (time_of_day(2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1), time_of_day),
        (datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1), datetime | None),
        ([datetime.max, datetime.min.replace(tzinfo=UTC)], list[datetime]),
    ],
)
def test_it_comes_back_as_itself(value: Any, type_: Any) -> None:
    decoded = CODEC.decode(CODEC.encode(value), type_)
    assert type(decoded) is type(value)
    assert decoded == value
    assert repr(decoded) == repr(value) or isinstance(value, memoryview)


def test_post_init_does_not_change_what_was_recorded() -> None:
    value = Counted(2)
    value.total = 7
    decoded = CODEC.decode(CODEC.encode([value]), list[Counted])[0]
    assert (decoded.value, decoded.calls, decoded.total) == (2, 1, 7)
    assert decoded.cache == {"value": 2}, "what is no field is made anew"
    assert CODEC.convert({"value": 2}, Counted) == Counted(2), "plain input is an argument of __init__"


def test_what_init_wants_and_no_field_keeps_is_not_missed() -> None:
    assert CODEC.decode(CODEC.encode(Seeded(1, seed=5)), Seeded).sown == 5
    assert CODEC.decode(CODEC.encode(Scaled(2, factor=3)), Scaled).value == 6
    assert CODEC.convert({"value": 1, "seed": 5}, Seeded).sown == 5
    with pytest.raises(PayloadError, match=r"\$\.seed: "):
        CODEC.convert({"value": 1}, Seeded)


def test_a_converter_does_not_change_what_was_recorded() -> None:
    assert CODEC.decode(CODEC.encode(Tuned(1, 2, called="c")), Tuned) == Tuned(1, 2, called="c")
    assert CODEC.convert({"value": 1, "_hidden": 2}, Tuned) == Tuned(1, 2)


def test_numbers_that_are_none_come_back() -> None:
    for text in ("NaN", "sNaN", "-Infinity", "-0.00", "1E+5000"):
        decoded = CODEC.decode(CODEC.encode([Decimal(text)]), list[Decimal])
        assert repr(decoded) == repr([Decimal(text)])


def test_private_attributes_are_no_part_of_a_model() -> None:
    class Client(BaseModel):
        url: str
        _socket: Any = PrivateAttr(default=None)

    client = Client(url="x")
    client._socket = object()
    assert CODEC.decode(CODEC.encode(client), Client)._socket is None


def test_validators_see_what_they_made() -> None:
    class Strict(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def lower(cls, name: str) -> str:
            return name.lower()

    assert CODEC.decode(CODEC.encode(Strict(name="ADA")), Strict) == Strict(name="ada")


def test_a_class_that_was_renamed_is_read_by_its_fields() -> None:
    decoded = CODEC.decode(CODEC.encode(Base(1)))
    decoded.kind = "gone:Class"
    assert CODEC.convert(decoded, Twin) == Twin(1)
    assert CODEC.convert(decoded, Base | Twin) in (Base(1), Twin(1))


def test_a_class_of_a_script_is_the_one_of_the_module() -> None:
    decoded = CODEC.decode(CODEC.encode(Twin(1)))
    decoded.kind = "__main__:Twin"
    assert CODEC.convert(decoded, Base | Twin) == Twin(1)


def test_local_classes_work_or_say_what_is_missing() -> None:
    @dataclass
    class Local:
        value: int
        tuned: Tuned
        next: Local | None = None

    @dataclass
    class Other:
        local: Local

    value = Local(1, Tuned(1), Local(2, Tuned(2)))
    assert CODEC.decode(CODEC.encode(value), Local) == value
    with pytest.raises(PayloadError, match=r"the annotations of .*Other cannot be resolved: name 'Local'"):
        CODEC.decode(CODEC.encode(Other(value)), Other)


def test_a_value_beside_an_enum_in_a_union_is_the_enum_where_it_can_be() -> None:
    assert CODEC.convert(["red", "blue"], list[Colour | str]) == [Colour.RED, "blue"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([deque([1], maxlen=3)], r"\$\[0\]: a deque with a maxlen cannot be encoded"),
        ({"p": re.compile("a")}, r"\$\.p: a value of type re\.Pattern cannot be encoded"),
        ({Colour.RED: 1, "red": 2}, r"\$: two keys of a dict become equal when they are written"),
        ([{Colour.RED, "red"}], r"\$\[0\]: two members of a set become equal when they are written"),
        ({"a": {IPv4Address("1.1.1.1"): 1, "1.1.1.1": 2}}, r"\$\.a: two keys of a dict"),
        ({Key(1): 1}, r"cannot be a key"),
    ],
)
def test_what_would_come_back_changed_is_refused(value: Any, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        CODEC.encode(value)


def test_a_subclass_that_knows_more_than_its_base_is_refused() -> None:
    class Nanoseconds(datetime):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Nanoseconds)

        __hash__ = datetime.__hash__

    class Named(datetime):
        pass

    with pytest.raises(PayloadError, match=r"\$\[0\]: a value of type .*Nanoseconds is more than the datetime in it"):
        CODEC.encode([Nanoseconds(2020, 1, 1)])
    zoned = Named(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1)
    decoded = CODEC.decode(CODEC.encode(zoned))
    assert (type(decoded), decoded, decoded.tzinfo, decoded.fold) == (datetime, zoned, zoned.tzinfo, 1)


def test_keys_that_differ_stay_apart() -> None:
    value = {PurePosixPath("a"): 1, PureWindowsPath("a"): 2, "a": 3, b"a": 4, date(2020, 1, 1): 5, 1: 6, "1": 7}
    assert CODEC.decode(CODEC.encode(value)) == value
    assert CODEC.decode(CODEC.encode(UserDict(value))) == value


def test_what_does_not_fit_within_a_union_names_the_place_in_the_member() -> None:
    decoded = CODEC.decode(CODEC.encode([Below(1)]))
    decoded[0]["b"] = 5
    with pytest.raises(PayloadError, match=r"^\[NX501\] \$\[0\]\.b: .*string, found int 5"):
        CODEC.convert(decoded, list[Base | Twin])


def test_messages_show_no_more_than_a_scalar() -> None:
    for value in ({"password": "hunter2"}, [["hunter2"]], Twin("hunter2")):  # type: ignore[arg-type]
        with pytest.raises(PayloadError) as caught:
            CODEC.convert([value], list[int])
        assert "hunter2" not in str(caught.value)
