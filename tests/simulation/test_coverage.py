"""What the simulation reaches: every fault wherever it can strike, in a nightly run. It says what it never does."""

from __future__ import annotations

import os

import pytest

from nexus_sdk.testing.simulation.__main__ import run_many
from nexus_sdk.testing.simulation.coverage import ENOUGH, NIGHTLY_SEEDS, UNREACHABLE, Coverage
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.rates import AIMED_FAULTS, HIGHEST, PLACES
from nexus_sdk.testing.simulation.world import simulate


@pytest.mark.skipif(os.environ.get("NEXUS_NIGHTLY") != "1", reason="set NEXUS_NIGHTLY=1")
def test_every_fault_strikes_often_everywhere() -> None:
    failed, coverage = run_many(range(1_000_000, 1_000_000 + NIGHTLY_SEEDS), None, os.cpu_count() or 1)
    print("\n".join(coverage.lines()))
    assert failed == []
    assert list(coverage.seldom()) == []
    assert coverage.unexplained() == []


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


def test_what_is_explained_as_out_of_reach_has_a_reason() -> None:
    assert all(why.strip() for why in UNREACHABLE.values())


def test_a_run_aims_at_something_that_there_is() -> None:
    for seed in range(300):
        plan = draw(seed)
        fault = next(fault for fault in AIMED_FAULTS if plan.aim.startswith(fault))
        assert plan.aim.removeprefix(f"{fault} ") in PLACES[fault]
        assert plan.is_split or ":" not in plan.aim


def test_every_fault_has_a_highest_rate() -> None:
    assert all(getattr(HIGHEST, name) > 0 for name in HIGHEST.__dataclass_fields__)
