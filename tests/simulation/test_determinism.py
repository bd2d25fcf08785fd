"""A seed says everything about its run."""

from __future__ import annotations

import os
import subprocess
import sys

from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.world import simulate

SEEDS = range(200, 230)

HASHES = f"""
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.world import simulate
for seed in range({SEEDS.start}, {SEEDS.stop}):
    print(seed, simulate(draw(seed)).trace.hash)
"""


def hashes(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", HASHES], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_the_same_seed_leaves_the_same_trace_under_every_hash_seed() -> None:
    first = hashes("1")
    assert len(first.splitlines()) == len(SEEDS)
    assert hashes("2") == first


def test_what_ran_before_in_this_process_makes_no_difference() -> None:
    alone = simulate(draw(7)).trace.lines
    simulate(draw(8))
    assert simulate(draw(7)).trace.lines == alone


def test_another_seed_is_another_run() -> None:
    assert simulate(draw(7)).trace.hash != simulate(draw(8)).trace.hash
