"""The page of the formal model says what is so: its actions and functions exist, its lists are whole."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.formal import tlc
from tests.formal.checks import CHECKS, MUTANTS

PAGE = (tlc.MODULES / "README.md").read_text()
SPECIFICATION = "\n".join(path.read_text() for path in sorted(tlc.MODULES.glob("*.tla")))

_ROW = re.compile(r"^\| (`[^|]+) \| (`nexus_sdk[^|]+) \| ", re.MULTILINE)
SIDE_BY_SIDE = [
    (action, function)
    for actions, functions in _ROW.findall(PAGE)
    for action in re.findall(r"`(\w+)`", actions)
    for function in re.findall(r"`([\w.]+:[\w.]+)`", functions)
]


@pytest.mark.parametrize(("action", "function"), SIDE_BY_SIDE)
def test_action_and_function_exist(action: str, function: str) -> None:
    assert _is_defined(action)
    module, _, path = function.partition(":")
    found = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)


def test_every_action_of_a_worker_stands_in_the_table() -> None:
    text = SPECIFICATION[SPECIFICATION.index("MODULE Instance") : SPECIFICATION.index("(* The laws that are states")]
    actions = set(re.findall(r"^([A-Z]\w+)\((?:w|w, \w+|a|t|m|w, d)\) ==\n", text, re.MULTILINE))
    predicates = {"Seen", "GivenUp", "TaskAfter", "WriteTurn"}
    named = {action for action, _ in SIDE_BY_SIDE}
    wanted = {one for one in actions if not one.startswith(("Is", "Has", "May")) and not one.endswith("After")}
    assert (
        wanted - predicates - {"AsksForNothing", "Turn", "NewBatches", "UsedBy", "EndsOf", "Forget", "Crash"} <= named
    )


def test_the_laws_of_the_checks_are_explained() -> None:
    for config in CHECKS:
        text = (tlc.MODULES / config).read_text()
        listed = re.split(r"^(?:INVARIANTS|PROPERTIES)$", text, flags=re.MULTILINE)[1:]
        for law in re.findall(r"^ +(\w+)$", "\n".join(listed), re.MULTILINE):
            assert f"`{law}`" in PAGE
            assert _is_defined(law)


def test_the_checks_and_the_mutants_are_listed() -> None:
    assert set(re.findall(r"^\| ((?:Transactional|Split|Children)-[\w-]+) \| ", PAGE, re.MULTILINE)) == {
        config.removesuffix(".cfg") for config in CHECKS
    }
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| `?([^|`]+)`? \|$", PAGE, re.MULTILINE)
    listed = {(name, what, broken) for name, what, broken in rows}
    assert listed >= {(name.partition(" ")[0], mutant.what, mutant.broken) for name, mutant in MUTANTS.items()}


def test_the_lines_that_are_shown_stand_there() -> None:
    explained = PAGE[PAGE.index("### How to read it") : PAGE.index("### Side by side")]
    specified, *coded = re.findall(r"^```text\n(.*?)^```$", explained, re.MULTILINE | re.DOTALL)
    assert len(coded) == 2
    code = (tlc.MODULES.parents[1] / "nexus_sdk" / "store" / "item.py").read_text()
    for text, blocks in ((SPECIFICATION, [specified]), (code, coded)):
        assert all(line.strip() in text for block in blocks for line in block.splitlines())


def _is_defined(name: str) -> bool:
    return re.search(rf"^{name}(\(.*\))? ==", SPECIFICATION, re.MULTILINE) is not None
