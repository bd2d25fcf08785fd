"""The simulation notices what it is there for: bugs that were planted. All of them: `make mutants`."""

from __future__ import annotations

import pytest

from tests.simulation.catching import hunt
from tests.simulation.mutants import MUTANTS

SAMPLE = {
    "early ack": "law 7",
    "any holder may settle": "law 10",
    "lost leases do not count": "law 4",
    "naive timer compare": "law 8",
    "timers sleep with their worker": "law 7",
    "compensation oldest first": "law 14",
    "suspension forgets messages": "law",
    "patches are not remembered": "law",
    "turns are stamped with the workers clock": "law",
}
"""Those that are noticed soon, and by which law."""

SEEDS = range(100)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_bug_is_noticed(name: str) -> None:
    hunted = hunt(name, SEEDS)
    assert hunted.seed is not None, str(hunted)
    assert SAMPLE[name] in hunted.broken


def test_the_sample_is_of_what_there_is() -> None:
    assert set(SAMPLE) <= set(MUTANTS)
