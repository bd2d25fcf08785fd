"""The reference of Python names says all of them, and what their docstrings say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import nexus_sdk
import nexus_sdk.testing
from docs.reference.generate_python import GIVEN, GROUPS, Entry, members_of, parameters_of, summary_of, written
from nexus_sdk.authoring.activity import activity
from tests.docs.pages import ROOT

ENTRIES = {entry.path: entry for group in GROUPS for entry in group.entries}
PUBLIC = [
    *(f"nexus_sdk.{name}" for name in nexus_sdk.__all__ if name != "__version__"),
    *(f"nexus_sdk.testing.{name}" for name in nexus_sdk.testing.__all__),
]

EVIDENT = frozenset(
    [
        *("duration", "when", "timeout"),  # the method's name says of what
        *("ops", "named_ops", "op_or_helper", "operation", "items"),  # what the method's first sentence is about
        *("args", "kwargs"),  # those of the workflow or activity that is named
        *("workflow", "workflows", "activities", "store", "codec", "handle", "fn"),  # the same thing everywhere
        *("id", "instance_id", "name", "payload", "change_id", "index", "reason"),
        *("status", "version"),  # the fields of an instance that its class is named for
    ]
)
"""Parameters that mean what they are called, in every place where they stand."""


def test_every_public_name_is_in_the_reference() -> None:
    assert [path for path in PUBLIC if path not in ENTRIES] == [], "name them in docs/reference/generate_python.py"


def test_the_reference_says_what_the_docstrings_say() -> None:
    stale = [
        path.relative_to(ROOT).as_posix()
        for path, text in written().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "type: make reference"


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_name_has_a_summary(entry: Entry) -> None:
    assert summary_of(entry).rstrip(")").endswith(".")
    for name, member in _members(entry):
        assert inspect.getdoc(member), f"{entry.path}.{name} has no docstring"


@pytest.mark.parametrize("path", PUBLIC)
def test_a_parameter_is_explained_or_evident(path: str) -> None:
    entry = ENTRIES[path]
    silent = [f"{where}({name})" for where, name in _unexplained(entry)]
    assert silent == []


# --- leaves -----------------------------------------------------------------------------------------------------------


def _unexplained(entry: Entry) -> Iterator[tuple[str, str]]:
    value = entry.value
    is_made_by_users = entry.name not in GIVEN and not (
        inspect.isclass(value) and issubclass(value, str | BaseException) and value is not nexus_sdk.ApplicationError
    )
    if is_made_by_users and (inspect.isclass(value) or inspect.isroutine(value)):
        yield from ((entry.name, name) for name in _silent(value, inspect.getdoc(value)))
    for name, member in _members(entry):
        if not isinstance(member, property):
            text = f"{member.__doc__}"
            # Options are explained where they are first given.
            text += f"{activity.__doc__}" if name == "options" else ""
            text += f"{nexus_sdk.Client.start.__doc__}" if "`Client.start`" in text else ""
            yield from ((f"{entry.name}.{name}", silent) for silent in _silent(member, text))


def _members(entry: Entry) -> list[tuple[str, Any]]:
    if not inspect.isclass(entry.value):
        return []
    shown = members_of(entry.value)
    return shown if entry.members is None else [(name, value) for name, value in shown if name in entry.members]


def _silent(value: Any, text: str | None) -> list[str]:
    names = [parameter.name for parameter in parameters_of(value)]
    return [name for name in names if name not in EVIDENT and not re.search(rf"\b{name}\b", text or "")]
