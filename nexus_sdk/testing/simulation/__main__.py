"""``python -m nexus_sdk.testing.simulation``: run seeds, replay one, say what was covered."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from nexus_sdk.testing.simulation.plan import PROFILES, draw
from nexus_sdk.testing.simulation.record import Coverage
from nexus_sdk.testing.simulation.shrinking import command, shrink
from nexus_sdk.testing.simulation.world import Outcome, simulate

CHUNK = 20
"""So many seeds are run by a process at a time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 when something fails."""
    asked = _parser().parse_args(arguments)
    drops = tuple(name for name in asked.without.split(",") if name)
    if asked.seed is not None:
        outcome = simulate(draw(asked.seed, profile=asked.store, drops=drops))
        if not asked.quiet:
            print("\n".join(outcome.trace.lines))
        print(f"seed {asked.seed}: trace {outcome.trace.hash}")
        failed = [asked.seed] if outcome.broken else []
        coverage = outcome.coverage
    else:
        failed, coverage = _run_many(range(asked.first, asked.first + asked.seeds), asked.store, asked.processes)
        print(f"{asked.seeds:,} seeds from {asked.first}: {len(failed)} failed")
    if asked.coverage:
        print("\n".join(coverage.lines()))
    for seed in failed[: asked.shown]:
        outcome = simulate(draw(seed, profile=asked.store, drops=drops))
        smaller = outcome if asked.keep_size else shrink(outcome)
        print("\n".join(describe(outcome, smaller, Path(asked.traces))))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m nexus_sdk.testing.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one, and show its trace")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="run so many (default: 100)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="from this one on (default: 0)")
    parser.add_argument("--store", choices=PROFILES, help="this one, instead of what the seed says")
    parser.add_argument("--without", default="", metavar="NAMES", help="leave out faults, programs, acts")
    parser.add_argument("--coverage", action="store_true", help="say what was reached, and what was not")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--traces", default="build/simulation", metavar="FOLDER", help="where failing traces are kept")
    parser.add_argument("--keep-size", action="store_true", help="do not make failing runs smaller")
    parser.add_argument("--quiet", action="store_true", help="with --seed: no trace")
    parser.add_argument("--shown", type=int, default=3, metavar="N", help="so many failing seeds are looked into")
    return parser


def _run_many(seeds: range, store: str | None, processes: int) -> tuple[list[int], Coverage]:
    """The seeds that failed, and what all of them reached."""
    failed: list[int] = []
    coverage = Coverage()
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(processes) as pool:
        for broken, reached in pool.map(partial(run_chunk, store=store), chunks):
            for seed, said in broken:
                print(f"seed {seed} failed: {said.splitlines()[0]}", flush=True)
            failed += [seed for seed, _ in broken]
            coverage.add(reached)
    return failed, coverage


def run_chunk(seeds: range, store: str | None = None) -> tuple[list[tuple[int, str]], Coverage]:
    """Run some seeds: those that failed, with what they broke, and what all of them reached."""
    coverage = Coverage()
    broken: list[tuple[int, str]] = []
    for seed in seeds:
        outcome = simulate(draw(seed, profile=store))
        coverage.add(outcome.coverage)
        if outcome.broken:
            broken.append((seed, outcome.broken))
    return broken, coverage


def describe(outcome: Outcome, smaller: Outcome, folder: Path) -> Iterator[str]:
    """A failing run in words. Keeps the trace of the smaller one, which may be the same, in the folder."""
    yield f"\nseed {outcome.plan.seed} on {outcome.plan.profile} failed:\n{outcome.broken}"
    yield f"Again: {command(outcome.plan)}"
    if smaller is not outcome:
        yield f"Smaller: {command(smaller.plan)}\nwhere {smaller.broken}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seed-{outcome.plan.seed}-{outcome.plan.profile}.txt"
    told = [command(smaller.plan), smaller.broken, "", *smaller.trace.lines, "", *smaller.said]
    file.write_text("\n".join(told) + "\n", encoding="utf-8")
    yield f"Trace: {file}"


if __name__ == "__main__":
    sys.exit(main())
