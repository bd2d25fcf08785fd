"""Every promise on the page of guarantees names tests that exist, and every law has a promise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexus_sdk.testing.provider_suite import ProviderSuite
from tests.docs.pages import ROOT, Page, rows_of
from tests.store.bugs import BUGS

PAGE = Page(ROOT / "docs" / "concepts" / "guarantees.md")
PROMISED, REFUSED, LAWS = "## Steps and histories", "## What is not guaranteed", "## The laws"

SUITE = {base.__name__: base for base in ProviderSuite.__mro__}
"""The laws of the provider suite, by theme."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of the page, with what it says of itself."""

    text: str

    @property
    def title(self) -> str:
        """Its sentence."""
        return self.text.partition("**")[2].partition("**")[0]

    @property
    def tests(self) -> list[str]:
        """What holds it: ``path::test`` or ``Laws::test``."""
        return re.findall(r"`([\w/.]+(?:::\w+)+)`", self.text)

    @property
    def laws(self) -> set[int]:
        """The numbers of the laws that watch it."""
        return {
            int(number) for said in re.findall(r"laws? ([\d, ]+)", self.text) for number in re.findall(r"\d+", said)
        }

    @property
    def planted(self) -> list[str]:
        """The bugs that break it."""
        said = self.text.partition("planted:")[2]
        return [" ".join(name.split()) for name in re.findall(r"\*([^*]+)\*", said)]


def promises_of(text: str) -> list[Promise]:
    """The promises between the first and the last heading that have any."""
    part = text[text.index(PROMISED) : text.index(REFUSED)]
    part = re.sub(r"^(#+ |```)", r"- **\1", part, flags=re.MULTILINE)  # what ends an item
    items = re.split(r"^- (?=\*\*)", part, flags=re.MULTILINE)[1:]
    return [Promise(item) for item in items if not re.match(r"\*\*(#|```)", item)]


PROMISES = promises_of(PAGE.text)


def complaints(promise: Promise) -> Iterator[str]:
    """What is wrong with a promise."""
    if not promise.tests:
        yield "no test holds it"
    for test in promise.tests:
        if not exists(test):
            yield f"there is no test {test}"
    for name in promise.planted:
        if name not in planted_bugs():
            yield f"no bug {name!r} is planted"


def exists(test: str) -> bool:
    """Whether there is such a test. A law of the suite is named by its theme, any other by its file."""
    place, *names = test.split("::")
    if place in SUITE:
        return callable(getattr(SUITE[place], names[0], None)) and len(names) == 1
    path = ROOT / place
    return path.is_file() and "::".join(names) in found_in(path)


def found_in(path: Path) -> set[str]:
    """The tests of a file, those of its classes with these in front."""
    return set(_found_in(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _found_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner) if name.startswith("Test"):
                yield from _found_in(inner, f"{prefix}{name}::")


def planted_bugs() -> set[str]:
    """The names of all bugs that are planted: into the memory store for the suite, and for the simulation."""
    found = {what for bugs in BUGS.values() for what in bugs}
    for path in (ROOT / "tests" / "simulation").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(ast.unparse(each) == "mutant" for each in node.decorator_list):
                found.add(node.name.replace("_", " "))
    return found


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.title[:50])
def test_a_promise_is_held_by_tests_that_exist(promise: Promise) -> None:
    assert list(complaints(promise)) == []


def test_there_is_a_promise_for_every_law() -> None:
    rows = {int(row[0]): row for row in rows_of(PAGE) if row[0].isdigit()}
    assert list(rows) == list(range(1, 15))
    assert {law for promise in PROMISES for law in promise.laws} == set(rows)
    for number, (_, when, _) in rows.items():
        assert set(when.split(", ")) <= {"S", "Q"}, number


def test_every_law_is_checked_somewhere() -> None:
    testing = ROOT / "nexus_sdk" / "testing"
    code = "".join(path.read_text(encoding="utf-8") for path in [testing / "laws.py", *testing.glob("simulation/*.py")])
    named = re.findall(r"\blaws? (\d+(?:(?:,| and) \d+)*)", code, re.IGNORECASE)
    assert {int(number) for said in named for number in re.findall(r"\d+", said)} >= set(range(1, 15))


def test_nothing_that_looks_like_a_promise_is_overlooked() -> None:
    """Whatever stands in bold at the head of an item before the list of what is not promised, and nothing behind it."""
    before, after = PAGE.text.split(REFUSED)
    assert len(PROMISES) == len(re.findall(r"^- \*\*", before.split(PROMISED)[1], re.MULTILINE)) > 50
    refused = re.findall(r"^- \*\*(.+)", after.split(LAWS)[0], re.MULTILINE)
    assert len(refused) > 20
    assert not re.search(r"held by", after)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- **It never fails.** Really.\n", "no test holds it"),
        ("- **It holds.**\n    - held by `tests/docs/test_guarantees.py::test_of_nothing`\n", "there is no test"),
        ("- **It holds.**\n    - held by `tests/nowhere.py::test_of_nothing`\n", "there is no test"),
        ("- **It holds.**\n    - held by `FenceLaws::test_of_nothing`\n", "there is no test"),
        ("- **It holds.** `FenceLaws::test_a_task_is_settled_once`\n    - planted: *a\n      fly*\n", "no bug 'a fly'"),
    ],
)
def test_a_promise_that_nothing_holds_is_noticed(text: str, said: str) -> None:
    (promise,) = promises_of(f"{PROMISED}\n\n{text}\n{REFUSED}")
    assert [said in complaint for complaint in complaints(promise)] == [True]
