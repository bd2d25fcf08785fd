"""The simulation notices what it is there for: bugs that were planted. A sample here, all in the nightly run."""

from __future__ import annotations

import os

import pytest

from nexus_sdk.core.execution import Execution
from tests.simulation.catching import SEEDS_MAX, hunt
from tests.simulation.mutants import MUTANTS, planted
from tests.simulation.planting import AnchorGone, edited

SAMPLE = {
    "early ack": "law 7",
    "no fence": "law 13",
    "off by one fence": "law 1",
    "no dedup": "law 6",
    "no tombstones": "law 2",
    "lost leases do not count": "law 4",
    "naive timer compare": "law 8",
    "timers sleep with their worker": "law",
    "events dropped at continue as new": "law 6",
    "compensation oldest first": "law 14",
    "heartbeat details lost at the next attempt": "law 4",
    "patches are not remembered": "law",
}
"""Those that are noticed soon, and by which law."""

SEEDS = range(100)

nightly = pytest.mark.skipif(os.environ.get("NEXUS_NIGHTLY") != "1", reason="takes minutes: NEXUS_NIGHTLY=1")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_bug_is_noticed(name: str) -> None:
    hunted = hunt(name, SEEDS)
    assert hunted.seed is not None, str(hunted)
    assert SAMPLE[name] in hunted.broken


@nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in SAMPLE])
def test_every_planted_bug_is_noticed(name: str) -> None:
    hunted = hunt(name)
    assert hunted.seed is not None, f"{hunted} (of {SEEDS_MAX} seeds)"


@pytest.mark.parametrize("name", MUTANTS)
def test_every_bug_can_still_be_planted_and_is_taken_out_again(name: str) -> None:
    before = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in MUTANTS[name]()]
    assert before
    with planted(name):
        assert all(getattr(owner, attribute) is not real for owner, attribute, real in before)
    assert all(getattr(owner, attribute) is real for owner, attribute, real in before)


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 70
    assert SAMPLE.keys() <= MUTANTS.keys()


def test_a_bug_whose_place_in_the_code_is_gone_says_so() -> None:
    with pytest.raises(AnchorGone, match=r"Execution\.fire says 'nothing of the kind' 0 times"):
        edited(Execution, "fire", "nothing of the kind", "")
