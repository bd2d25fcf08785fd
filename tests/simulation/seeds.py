"""Running seeds in tests: what fails says how to run it again, and leaves its trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexus_sdk.testing.simulation.__main__ import describe
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.shrinking import shrink
from nexus_sdk.testing.simulation.world import simulate

CHUNK = 25
CHUNKS = int(os.environ.get("NEXUS_SIMULATION_CHUNKS", "10"))
"""For each kind of store; `make simulate` runs many more."""

TRACES = Path("build/simulation")

chunks = pytest.mark.parametrize("first", range(0, CHUNK * CHUNKS, CHUNK))


def hold_to_the_laws(first: int, stores: tuple[str, ...]) -> None:
    """Run a chunk of seeds, each on the next one of these stores."""
    for seed in range(first, first + CHUNK):
        outcome = simulate(draw(seed, profile=stores[seed % len(stores)]))
        if outcome.broken:
            pytest.fail("\n".join(describe(outcome, shrink(outcome), TRACES)), pytrace=False)
