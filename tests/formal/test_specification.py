"""The specification in docs/formal: TLC finds nothing wrong with it, and rejects every mutant of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.formal import graphs, tlc
from tests.formal.checks import CHECKS, GRAPHS, MUTANTS, run_check, run_mutant

NIGHTLY = os.environ.get("NEXUS_NIGHTLY") == "1"

nightly = pytest.mark.skipif(not NIGHTLY, reason="takes minutes: NEXUS_NIGHTLY=1")

pytestmark = [pytest.mark.component, pytest.mark.timeout(2_000)]

SAMPLE = ["noFence", "anyHolder", "loseInbox", "dropUnread", "timerSleeps", "noExpiry", "sentEarly", "refusalForgotten"]
"""Mutants that are rejected soon, one of each kind of check. All are tried in the nightly run, and by `make formal`."""

SMALL_GRAPHS = ["a worker with an activity", "split: sends to another"]


@pytest.fixture(autouse=True)
def _tlc() -> None:
    lacking = tlc.missing()
    if lacking and os.environ.get("NEXUS_REQUIRE_COMPONENTS") == "1":
        pytest.fail(f"TLC cannot run: {lacking}")
    if lacking:
        pytest.skip(f"TLC cannot run: {lacking}")


@pytest.mark.parametrize("config", CHECKS)
def test_the_laws_hold(config: str) -> None:
    checked = run_check(config, is_nightly=NIGHTLY)
    assert not checked.broken, checked.output
    assert checked.states > 100


@pytest.mark.parametrize("name", SAMPLE)
def test_a_mutant_is_rejected(name: str) -> None:
    assert run_mutant(name).broken == MUTANTS[name].broken


@nightly
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in SAMPLE])
def test_every_mutant_is_rejected(name: str) -> None:
    assert run_mutant(name).broken == MUTANTS[name].broken


@pytest.mark.parametrize("name", SMALL_GRAPHS)
def test_the_twin_takes_the_same_steps(name: str, tmp_path: Path) -> None:
    _compare_graphs(name, tmp_path)


@nightly
@pytest.mark.parametrize("name", [name for name in GRAPHS if name not in SMALL_GRAPHS])
def test_the_twin_takes_the_same_steps_within_all_bounds(name: str, tmp_path: Path) -> None:
    _compare_graphs(name, tmp_path)


def _compare_graphs(name: str, folder: Path) -> None:
    config, constants = GRAPHS[name]
    tlcs, twins = graphs.of_tlc(config, constants, folder), graphs.of_twin(config, constants)
    assert len(tlcs.steps) > 500
    assert tlcs.states == twins.states
    assert tlcs.steps == twins.steps
