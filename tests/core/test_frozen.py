"""`changed`: what `dataclasses.replace` does."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from nexus_sdk.core.events import ActivityScheduled, LookRequested
from nexus_sdk.core.frozen import changed, quick
from nexus_sdk.core.history import Message
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.payload import Payload


@dataclass(frozen=True, slots=True)
class Slow:
    number: int
    text: str = "t"
    names: list[str] = field(default_factory=list)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    number: int
    text: str = "t"
    names: list[str] = field(default_factory=list)


MESSAGE = Message("m", LookRequested(), 5, run_id="r")
SCHEDULED = ActivityScheduled("0", "a.py:1", "pack", Payload("", b"", b"", 0), ActivityOptions())


def test_a_changed_value_equals_a_replaced_one_and_leaves_the_first_as_it_was() -> None:
    before = copy.copy(MESSAGE)
    assert changed(MESSAGE, id="n", number=3) == replace(MESSAGE, id="n", number=3)
    assert changed(SCHEDULED, site="") == replace(SCHEDULED, site="")  # its class inherits fields
    assert before == MESSAGE


def test_a_changed_value_is_of_its_own_class_and_frozen() -> None:
    made = changed(MESSAGE, id="n")
    assert type(made) is Message
    with pytest.raises(FrozenInstanceError):
        made.id = "o"  # type: ignore[misc]
    assert changed(made, id="o") == replace(MESSAGE, id="o")


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError, match="colour"):
        changed(MESSAGE, colour="red")


def test_a_quick_class_takes_what_its_slow_one_takes() -> None:
    for args, kwargs in (((1,), {}), ((1, "u"), {}), ((), {"number": 1, "names": ["n"]}), ((1, "u", ["n"]), {})):
        slow, made = Slow(*args, **kwargs), Quick(*args, **kwargs)  # type: ignore[arg-type]
        assert (slow.number, slow.text, slow.names) == (made.number, made.text, made.names)
    assert Quick(1).names is not Quick(1).names
    for wrong in ((), (1, "u", [], 4)):
        with pytest.raises(TypeError):
            Quick(*wrong)  # type: ignore[arg-type]


def test_a_quick_value_is_frozen_and_equal_to_its_like() -> None:
    made = Quick(1)
    with pytest.raises(FrozenInstanceError):
        made.number = 2  # type: ignore[misc]
    assert made == copy.deepcopy(made) == replace(made) == pickle.loads(pickle.dumps(made))
