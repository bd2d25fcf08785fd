"""Running seeds in tests: what fails says how to run it again, and leaves its trace.

2,000 seeds in all, 400 on each kind of store; one file for each, so that the workers of a test run share them.
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
CHUNKS = int(os.environ.get("NEXUS_SIMULATION_CHUNKS", "16"))
"""For each kind of store; `make simulate` runs more, `make nightly` many more."""

TRACES = Path("build/simulation")

chunks = pytest.mark.parametrize("first", range(0, CHUNK * CHUNKS, CHUNK))


def hold_to_the_laws(first: int, store: str) -> None:
    """Run a chunk of seeds on this kind of store."""
    for seed in range(first, first + CHUNK):
        outcome = simulate(draw(seed, profile=store))
        if outcome.broken:
            pytest.fail("\n".join(describe(outcome, shrink(outcome), TRACES)), pytrace=False)
