"""``python -m nexus_sdk.testing.simulation``: run seeds, replay one, say what was covered."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from nexus_sdk.testing.simulation.coverage import Coverage
from nexus_sdk.testing.simulation.plan import PROFILES, Plan, draw, from_json, to_json, without
from nexus_sdk.testing.simulation.shrinking import command, shrink
from nexus_sdk.testing.simulation.world import Outcome, simulate

CHUNK = 20
"""So many seeds are run by a process at a time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 when something fails."""
    asked = _parser().parse_args(arguments)
    if asked.seed is not None or asked.plan is not None:
        return _run_one(asked)
    failed, coverage = run_many(range(asked.first, asked.first + asked.seeds), asked.store, asked.processes)
    print(f"{asked.seeds:,} seeds from {asked.first}: {len(failed)} failed")
    if asked.coverage:
        print("\n".join(coverage.lines()))
    for seed in failed[: asked.shown]:
        _tell(simulate(draw(seed, profile=asked.store)), asked)
    return 1 if failed else 0


def _run_one(asked: argparse.Namespace) -> int:
    """A single run: of a seed, or of a plan that was kept."""
    if asked.plan is not None:
        plan = read_plan(Path(asked.plan))
    else:
        plan = draw(asked.seed, profile=asked.store)
    dropped = [name for name in asked.without.split(",") if name]
    outcome = simulate(without(plan, dropped) if dropped else plan)
    if not asked.quiet:
        print("\n".join(outcome.trace.lines))
    print(f"{asked.plan or f'seed {asked.seed}'}: trace {outcome.trace.hash}")
    if asked.coverage:
        print("\n".join(outcome.coverage.lines()))
    kept = outcome
    if outcome.broken:
        kept = _tell(outcome, asked)
    if asked.keep is not None:
        write_plan(kept.plan, Path(asked.keep), why=asked.why or kept.broken)
        print(f"Kept: {asked.keep}")
    return 1 if outcome.broken else 0


def _tell(outcome: Outcome, asked: argparse.Namespace) -> Outcome:
    """Say what failed; the smaller run that fails, too."""
    smaller = outcome if asked.keep_size else shrink(outcome)
    print("\n".join(describe(outcome, smaller, Path(asked.traces), asked.plan)))
    return smaller


def read_plan(file: Path) -> Plan:
    """A plan that was kept."""
    return from_json(json.loads(file.read_text(encoding="utf-8"))["plan"])


def write_plan(plan: Plan, file: Path, *, why: str) -> None:
    """Keep a plan as data, with the reason."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"why": why, "plan": to_json(plan)}, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m nexus_sdk.testing.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one, and show its trace")
    parser.add_argument("--plan", metavar="FILE", help="run this plan, and show its trace")
    parser.add_argument("--keep", metavar="FILE", help="keep the plan that was run (made smaller, if it fails) as data")
    parser.add_argument("--why", help="with --keep: which bug it has found")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="run so many (default: 100)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="from this one on (default: 0)")
    parser.add_argument("--store", choices=PROFILES, help="this one, instead of what the seed says")
    parser.add_argument("--without", default="", metavar="NAMES", help="leave out faults, programs, acts")
    parser.add_argument("--coverage", action="store_true", help="say what was reached, and what was not")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--traces", default="build/simulation", metavar="FOLDER", help="where failing traces are kept")
    parser.add_argument("--keep-size", action="store_true", help="do not make failing runs smaller")
    parser.add_argument("--quiet", action="store_true", help="with --seed or --plan: no trace")
    parser.add_argument("--shown", type=int, default=3, metavar="N", help="so many failing seeds are looked into")
    return parser


def run_many(seeds: range, store: str | None, processes: int) -> tuple[list[int], Coverage]:
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


def describe(outcome: Outcome, smaller: Outcome, folder: Path, plan: str | None = None) -> Iterator[str]:
    """A failing run in words. Keeps the trace of the smaller one, which may be the same, in the folder."""
    yield f"\nseed {outcome.plan.seed} on {outcome.plan.profile} failed:\n{outcome.broken}"
    yield f"Again: {command(outcome.plan, plan)}"
    if smaller is not outcome:
        yield f"Smaller: {command(smaller.plan, plan)}\nwhere {smaller.broken}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seed-{outcome.plan.seed}-{outcome.plan.profile}.txt"
    told = [command(smaller.plan, plan), smaller.broken, "", *smaller.trace.lines, "", *smaller.said]
    file.write_text("\n".join(told) + "\n", encoding="utf-8")
    yield f"Trace: {file}"


if __name__ == "__main__":
    sys.exit(main())
