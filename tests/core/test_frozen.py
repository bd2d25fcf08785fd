"""`changed`: what `dataclasses.replace` does."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, replace

import pytest

from nexus_sdk.core.events import ActivityScheduled, LookRequested
from nexus_sdk.core.frozen import changed
from nexus_sdk.core.history import Message
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.payload import Payload

MESSAGE = Message("m", LookRequested(), 5, run_id="r")
SCHEDULED = ActivityScheduled("0", "a.py:1", "pack", Payload("", b"", b"", 0), ActivityOptions())


def test_a_changed_value_equals_a_replaced_one_and_leaves_the_first_as_it_was() -> None:
    before = copy.copy(MESSAGE)
    assert changed(MESSAGE, id="n", number=3) == replace(MESSAGE, id="n", number=3)
    assert changed(SCHEDULED, site="") == replace(SCHEDULED, site="")  # its class inherits fields
    assert MESSAGE == before


def test_a_changed_value_is_of_its_own_class_and_frozen() -> None:
    made = changed(MESSAGE, id="n")
    assert type(made) is Message
    with pytest.raises(FrozenInstanceError):
        made.id = "o"  # type: ignore[misc]
    assert changed(made, id="o") == replace(MESSAGE, id="o")


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError, match="colour"):
        changed(MESSAGE, colour="red")
