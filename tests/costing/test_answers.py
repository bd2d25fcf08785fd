"""What activities answer in a run that is only counted."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter

from nexus_sdk.core.failure import Failure
from nexus_sdk.costing.answers import TEXT, raised_again, value_of_type
from nexus_sdk.errors import ApplicationError


class Colour(enum.Enum):
    RED = "red"


class Item(BaseModel):
    name: str
    price: Decimal
    note: str = "none"


@dataclasses.dataclass
class Parcel:
    items: list[Item]
    to: str | None
    weight: float = 0.0


class Tree(BaseModel):
    children: list[Tree]


@pytest.mark.parametrize(
    "kind",
    [
        *(bool, int, float, str, bytes, Decimal, UUID, datetime, timedelta),
        *(list, dict, tuple, set, list[int], tuple[int, str], tuple[int, ...], dict[str, int]),
        *(str | None, int | str, Colour, Literal["a", "b"], Annotated[int, "note"]),
        *(Sequence[str], Mapping[str, float], Item, Parcel, list[Parcel]),
    ],
)
def test_a_made_up_value_is_one_that_the_annotation_accepts(kind: Any) -> None:
    TypeAdapter(kind).validate_python(value_of_type(kind))


@pytest.mark.parametrize("kind", [None, type(None), Any, object, "a name"])
def test_where_nothing_is_declared_there_is_none(kind: Any) -> None:
    assert value_of_type(kind) is None


def test_a_type_that_holds_itself_comes_to_an_end() -> None:
    assert value_of_type(Tree)["children"]


def test_a_text_says_that_it_was_made_up() -> None:
    assert value_of_type(str) == TEXT
    assert "made up" in TEXT


def test_a_recorded_failure_is_caught_by_the_names_it_had() -> None:
    failure = Failure("KeyError", "'x'", ("builtins:KeyError", "builtins:LookupError", "builtins:Exception"))
    names = [f"{kind.__module__}:{kind.__qualname__}" for kind in type(raised_again(failure)).__mro__]
    assert names[:3] == ["builtins:KeyError", "builtins:LookupError", "builtins:Exception"]


def test_a_failure_that_forbade_a_retry_forbids_it_again() -> None:
    failure = Failure("Refused", "no", ("nexus_sdk.errors:ApplicationError",), retryable=False)
    raised = raised_again(failure)
    assert isinstance(raised, ApplicationError)
    assert (raised.type, raised.retryable, str(raised)) == ("Refused", False, str(ApplicationError("no")))
