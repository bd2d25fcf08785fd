"""Running seeds in tests: what fails says how to run it again, and leaves its trace.

2,000 seeds in all; one file for each kind of store, so that the workers of a test run share them. Those that cost
least have most: a seed on a cloud's rows costs three times what it costs on a transactional store.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexus_sdk.testing.simulation.__main__ import describe
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.shrinking import shrink
from nexus_sdk.testing.simulation.world import simulate

CHUNK = 25
CHUNKS = {"memory": 32, "split": 20, "dynamodb": 12, "tables": 8, "firestore": 8}
TIMES = int(os.environ.get("NEXUS_SIMULATION_TIMES", "1"))
"""So many times as many; `make simulate` runs more, `make nightly` many more."""

TRACES = Path("build/simulation")


def chunks_of(store: str) -> pytest.MarkDecorator:
    """The chunks of a kind of store, by their first seed."""
    return pytest.mark.parametrize("first", range(0, CHUNK * CHUNKS[store] * TIMES, CHUNK))


def hold_to_the_laws(first: int, store: str) -> None:
    """Run a chunk of seeds on this kind of store."""
    for seed in range(first, first + CHUNK):
        outcome = simulate(draw(seed, profile=store))
        if outcome.broken:
            pytest.fail("\n".join(describe(outcome, shrink(outcome), TRACES)), pytrace=False)
