"""The twin of the specification by itself: what it says, without TLC."""

from __future__ import annotations

import re

import pytest

from nexus_sdk.testing.formal import instance, split, transactional
from nexus_sdk.testing.formal.state import Bounds, Choice, NotEnabled, State
from tests.formal import graphs, tlc
from tests.formal.checks import CHECKS, MUTANTS

LAWS = re.compile(r"^(\w+) ==\s+\\\* laws? [\d, ]+$", re.MULTILINE)


def _loaded(state: State) -> State:
    return instance.load(instance.lease_turn(state, "w1"), "w1")


def test_a_turn_consumes_what_it_has_seen_and_asks_for_more() -> None:
    state = _loaded(State())
    turn = Choice("go", True, True, used=frozenset(state.inbox), schedules=frozenset({"a1"}), reads=1)
    after = instance.commit(state, "w1", turn, Bounds())
    assert after.inbox == ()
    assert after.task_of("a1").is_ == "open"
    assert [batch.number for batch in after.log] == [1, 2]
    assert instance.breaches(after) == []


def test_who_was_overtaken_cannot_commit() -> None:
    state = instance.load(_loaded(State()), "w2")
    turn = Choice("go", True, used=frozenset(state.inbox), reads=1)
    moved = instance.commit(state, "w2", turn, Bounds())
    with pytest.raises(NotEnabled, match="the fence: w1 is at batch 1, the instance at 2"):
        instance.commit(moved, "w1", turn, Bounds())


def test_a_breach_is_named() -> None:
    assert instance.breaches(State(inbox=())) == ["InputsAreKeptInOrder"]


def test_every_invariant_of_the_specification_is_one_of_the_twin_and_is_checked() -> None:
    text = (tlc.MODULES / "Instance.tla").read_text()
    invariants = set(LAWS.findall(text[: text.index("(* And those that are steps. *)")]))
    named = set(re.findall(r'^ +"(\w+)": ', _source_of_breaches(), re.MULTILINE))
    assert invariants == named
    for config in CHECKS:
        if "liveness" not in config and not config.startswith("Children"):
            listed = set(re.findall(r"^ +(\w+)$", (tlc.MODULES / config).read_text(), re.MULTILINE))
            assert invariants <= listed, config


def _source_of_breaches() -> str:
    text = (tlc.MODULES.parents[1] / "nexus_sdk" / "testing" / "formal" / "instance.py").read_text()
    return text[text.index("def breaches(") :]


@pytest.mark.parametrize(
    ("module", "twin"), [("Instance", instance), ("Transactional", transactional), ("Split", split)]
)
def test_every_mutant_breaks_a_place_that_is_there(module: str, twin: object) -> None:
    assert twin.__doc__ is not None
    assert f"{module}.tla" in twin.__doc__
    text = "".join(path.read_text() for path in tlc.MODULES.glob("*.tla"))
    planted = set(re.findall(r'Bug # "(\w+)"|Bug = "(\w+)"', text))
    names = {one or other for one, other in planted}
    assert names == {name.partition(" ")[0] for name in MUTANTS}


def test_values_of_tla_are_read() -> None:
    text = '[a |-> <<"x", 1>>, b |-> {TRUE, w1}, c |-> (w1 :> << >> @@ w2 :> {})]'
    assert dict(graphs.parse(text)) == {
        "a": ("x", 1),
        "b": frozenset({True, "w1"}),
        "c": frozenset({("w1", ()), ("w2", frozenset())}),
    }


def test_a_constant_that_a_configuration_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="has no constant Nonsense"):
        tlc.configuration("Split-graph.cfg", {"Nonsense": "1"})
