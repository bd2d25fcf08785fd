"""What the simulation reaches: every fault wherever it can strike, in a nightly run. It says what it never does.

``NEXUS_NIGHTLY=1 NEXUS_SIMULATION_SEEDS=2000 pytest -s tests/simulation/test_coverage.py`` does the same with fewer
seeds, and expects as much less.
"""

from __future__ import annotations

import os

import pytest

from nexus_sdk.testing.simulation.__main__ import run_many
from nexus_sdk.testing.simulation.coverage import ENOUGH, NIGHTLY_SEEDS, UNREACHABLE, Coverage
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.rates import (
    AIMED_FAULTS,
    HARDLY_MET,
    HIGHEST,
    OUT_OF_REACH,
    PLACES,
    SELDOM_MET,
    SELDOM_REACHED,
)
from nexus_sdk.testing.simulation.world import simulate

FIRST = 1_000_000
SEEDS = int(os.environ.get("NEXUS_SIMULATION_SEEDS", NIGHTLY_SEEDS))
PORTION = min(SEEDS, 500)

nightly = pytest.mark.skipif(os.environ.get("NEXUS_NIGHTLY") != "1", reason="takes an hour or two: NEXUS_NIGHTLY=1")

reached = Coverage()
"""Of all portions, one test after another."""


@nightly
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, PORTION))
def test_the_laws_hold(first: int) -> None:
    failed, coverage = run_many(range(first, min(first + PORTION, FIRST + SEEDS)), None, os.cpu_count() or 1)
    reached.add(coverage)
    assert failed == []


@nightly
def test_every_fault_strikes_often_everywhere() -> None:
    """Of the runs above."""
    print("\n".join(reached.lines()))
    assert reached.seeds == SEEDS
    assert list(reached.seldom()) == []
    assert reached.unexplained() == []


def test_the_commonest_faults_are_counted_where_they_strike() -> None:
    coverage = Coverage()
    for seed in range(12):
        coverage.add(simulate(draw(seed)).coverage)
    assert coverage.seeds == 12
    known = {place for places in PLACES.values() for place in places}
    assert {fault for fault, _ in coverage.faults} <= set(PLACES)
    assert {place for _, place in coverage.faults} <= known, "a fault strikes where no table has it"
    assert coverage.events["WorkflowCreated"] > 0


def test_what_was_too_seldom_is_told() -> None:
    coverage = Coverage()
    coverage.profiles["memory"] = NIGHTLY_SEEDS
    coverage.faults["duplicate", "put"] = ENOUGH - 1
    coverage.faults["redeliver", "remove"] = ENOUGH
    told = {(fault, place): count for fault, place, count in coverage.seldom()}
    assert told["duplicate", "put"] == ENOUGH - 1
    assert ("redeliver", "remove") not in told
    lines = "\n".join(coverage.lines())
    assert "fault crash before commit" in lines
    assert "event LookRequested: " in lines


def test_what_is_expected_grows_with_the_seeds() -> None:
    coverage = Coverage()
    coverage.profiles["split"] = 2_000
    coverage.faults["duplicate", "put"] = 4
    assert ("duplicate", "put", 4) not in coverage.seldom()
    coverage.profiles["split"] += 1
    assert ("duplicate", "put", 4) in coverage.seldom()


def test_a_run_in_which_everything_was_reached_passes() -> None:
    coverage = Coverage()
    coverage.profiles["split"] = NIGHTLY_SEEDS
    for fault, places in PLACES.items():
        coverage.faults.update({(fault, place): ENOUGH for place in places if (fault, place) not in UNREACHABLE})
    assert list(coverage.seldom()) == []
    assert not [what for what in coverage.unexplained() if what.startswith("fault ")]


def test_what_is_explained_as_out_of_reach_has_a_reason() -> None:
    assert all(why.strip() for why in UNREACHABLE.values())


def test_a_run_aims_at_something_that_there_is() -> None:
    for seed in range(300):
        plan = draw(seed)
        fault = next(fault for fault in AIMED_FAULTS if plan.aim.startswith(fault))
        place = plan.aim.removeprefix(f"{fault} ")
        assert place in PLACES[fault] - OUT_OF_REACH.keys()
        assert plan.is_split or ":" not in plan.aim


def test_what_is_seldom_reached_can_be_reached() -> None:
    places = {place for places in PLACES.values() for place in places}
    assert HARDLY_MET <= SELDOM_MET <= SELDOM_REACHED <= places - OUT_OF_REACH.keys()
    assert OUT_OF_REACH.keys() <= places


def test_every_fault_has_a_highest_rate() -> None:
    assert all(getattr(HIGHEST, name) > 0 for name in HIGHEST.__dataclass_fields__)
