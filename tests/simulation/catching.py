"""How many seeds it takes to notice a planted bug."""

from __future__ import annotations

import sys
import time

from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.world import simulate
from tests.simulation.mutants import MUTANTS, planted

SEEDS_MAX = 500


def caught_by(name: str, seeds: range = range(SEEDS_MAX)) -> tuple[int, str] | None:
    """The first of these seeds that notices the bug and nothing without it, and how; None when none does."""
    for seed in seeds:
        with planted(name):
            outcome = simulate(draw(seed))
        if outcome.broken and not simulate(draw(seed)).broken:
            return seed, outcome.broken
    return None


if __name__ == "__main__":
    for name in sys.argv[1:] or MUTANTS:
        began = time.monotonic()
        caught = caught_by(name)
        how = "SURVIVED" if caught is None else f"seed {caught[0]}: {caught[1].splitlines()[0][:150]}"
        print(f"{name}: {how} ({time.monotonic() - began:.0f} s)", flush=True)
