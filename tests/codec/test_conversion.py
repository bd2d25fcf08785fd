"""What an annotation accepts, and what it refuses."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict
from uuid import UUID

import attrs
import pytest
from pydantic import BaseModel, ConfigDict, Field

from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.errors import PayloadError

convert = MsgpackCodec().convert
Id = NewType("Id", str)


class Model(BaseModel):
    n: int
    inner: Model | None = None
    default: str = "d"


class StrictModel(BaseModel):
    model_config = ConfigDict(strict=True)
    n: int


@dataclass
class Data:
    n: int
    type: str = ""
    default: str = "d"


class Typed(TypedDict):
    n: int


@attrs.define
class Attrs:
    n: int


class Thing:
    pass


THING = Thing()


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("1", Any, "1"),
        ("1", object, "1"),
        ("1", None, "1"),
        ("1", inspect.Parameter.empty, "1"),
        (True, int, True),
        ([True, 1], list[int], [True, 1]),
        (1, float, 1.0),
        ([1], list[float], [1.0]),
        (1, int | float, 1),
        (1, float | int, 1),
        ("1", int | str, "1"),
        (None, Optional[int], None),  # noqa: UP045  # the old notation too
        ([1], tuple[int, ...], (1,)),
        ((1,), list[int], [1]),
        ([1, 1], set[int], {1}),
        ("2026-01-01T00:00:00Z", datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        (["2026-01-01"], list[date], [date(2026, 1, 1)]),
        ("PT1H", timedelta, timedelta(hours=1)),
        ("1.10", Decimal, Decimal("1.10")),
        ("12345678-1234-5678-1234-567812345678", UUID, UUID("12345678-1234-5678-1234-567812345678")),
        ("a/b", Path, Path("a/b")),
        ("a", Literal["a", "b"], "a"),
        ("x", Id, "x"),
        (5, Annotated[int, Field(gt=3)], 5),
        ("5", Annotated[int, Field(strict=False)], 5),
        ({"n": 1}, Model, Model(n=1)),
        ({"n": 1, "inner": {"n": 2}}, Model, Model(n=1, inner=Model(n=2))),
        ({"n": "1"}, Model, Model(n=1)),  # a model's own rules
        ({"n": 1, "unknown": 2}, Data, Data(1)),
        ({"n": 1}, Data | Model, Data(1)),
        (THING, Thing, THING),
        ([THING], list[Thing], [THING]),
        ({"n": 1}, Typed, {"n": 1}),
        ([{"n": 1}], list[Attrs], [Attrs(1)]),
        (None, Attrs | None, None),
    ],
)
def test_it_fits(value: Any, type_: Any, expected: Any) -> None:
    converted = convert(value, type_)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "type_", "said"),
    [
        ("1", int, r"\$: expected an int, found str '1'"),
        (1.0, int, r"\$: expected an int, found float 1\.0"),
        (None, int, r"\$: expected an int, found NoneType None"),
        (True, float, r"\$: expected a float, found bool True"),
        ("1", float, r"expected a float"),
        (1, bool, r"expected a bool"),
        (1, str, r"expected a str"),
        ("a", bytes, r"expected a bytes"),
        ([1, "2"], list[int], r"\$\[1\]: .*integer, found str '2'"),
        ({"a": {"b": "1"}}, dict[str, dict[str, int]], r"\$\.a\.b: "),
        ("1", int | None, r"\$: .*integer"),
        ([1], list[str], r"\$\[0\]: .*string, found int 1"),
        ([1], list[bool], r"\$\[0\]: .*boolean"),
        ([b"a"], list[str], r"\$\[0\]: .*string, found bytes"),
        ({"n": "1"}, Data, r"\$\.n: .*integer, found str '1'"),
        ({}, Data, r"\$\.n: field required"),
        ({}, Model, r"\$\.n: field required"),
        ({"n": 1, "inner": {"n": "x"}}, Model, r"\$\.inner\.n: .*integer"),
        ({"n": "1"}, StrictModel, r"\$\.n: "),
        ([{"n": "x"}, {"n": "y"}], list[Model], r"\$\[0\]\.n: .*\(and 1 more\)"),
        ({"n": "x"}, Data | None, r"\$\.n: "),
        (3, Annotated[int, Field(gt=3)], r"\$: input should be greater than 3"),
        ("c", Literal["a", "b"], r"\$: input should be 'a' or 'b'"),
        (1, Thing, r"\$: expected Thing, found int 1"),
        ([1], dict[str, Thing], r"expected Mapping"),
        ({"n": "1"}, Typed, r"\$\.n: "),
        ([{"n": "1"}], list[Attrs], r"\$\[0\]\.n: expected an int"),
        ([{}], list[Attrs], r"\$\[0\]: Attrs refused it"),
        (1, Attrs | None, r"\$: none of Attrs, NoneType fits int 1"),
        ("x" * 500, list[int], r"found str 'x{58}…\."),
    ],
)
def test_it_does_not_fit(value: Any, type_: Any, said: str) -> None:
    with pytest.raises(PayloadError, match=said) as caught:
        convert(value, type_)
    assert "pydantic.dev" not in str(caught.value)
    assert caught.value.hint


def test_an_instance_of_the_class_is_taken_as_it_is() -> None:
    for value in (Model(n=1), Attrs(1), THING):
        assert convert(value, type(value)) is value


def test_fields_are_read_by_name_and_by_alias() -> None:
    class Renamed(BaseModel):
        n: int = Field(alias="otherName")

    assert convert({"n": 1}, Renamed) == convert({"otherName": 1}, Renamed)


def test_a_validator_that_raises_anything_is_a_misfit() -> None:
    @attrs.define
    class Picky:
        n: int

        def __attrs_post_init__(self) -> None:
            raise KeyError("n")

    with pytest.raises(PayloadError, match="Picky refused it"):
        convert({"n": 1}, Picky)


def test_an_annotation_that_cannot_be_hashed_is_served_too() -> None:
    assert convert([1], Annotated[list[int], {"not": ["hashable"]}]) == [1]
