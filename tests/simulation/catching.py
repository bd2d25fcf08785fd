"""How many seeds it takes the simulation to notice each planted bug, and by which law: `make mutants`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from nexus_sdk.errors import NexusError
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.world import simulate
from tests.simulation.mutants import MUTANTS, planted

SEEDS_MAX = 500


@dataclass(frozen=True, slots=True)
class Hunt:
    """What came of looking for a planted bug.

    Attributes:
        seed: the first one that noticed it; None: all of them were run in vain.
        broken: what did not hold there.
        calls: how often the changed code ran; 0: the bug was never met at all.
        seconds: of processor time.
    """

    name: str
    seed: int | None
    broken: str
    calls: int
    seconds: float

    def __str__(self) -> str:
        if self.seed is not None:
            return f"{self.name}: seed {self.seed}: {self.broken.splitlines()[0][:150]} ({self.seconds:.1f} s)"
        met = f"was met {self.calls:,} times" if self.calls else "was never met"
        return f"{self.name}: SURVIVED, {met} ({self.seconds:.1f} s)"


def hunt(name: str, seeds: Iterable[int] = range(SEEDS_MAX)) -> Hunt:
    """Look for the first of these seeds that breaks a law with the bug, and none without it."""
    began, calls = time.process_time(), Counter[str]()
    for seed in seeds:
        with planted(name) as counted:
            broken = _broken_by(seed)
        calls += counted
        if broken and not _broken_by(seed):
            return Hunt(name, seed, broken, calls.total(), time.process_time() - began)
    return Hunt(name, None, "", calls.total(), time.process_time() - began)


def _broken_by(seed: int) -> str:
    """What does not hold with this seed; an error of ours that nobody expected is as good."""
    try:
        return simulate(draw(seed)).broken
    except NexusError as error:
        return f"{type(error).__name__}: {error}"


def hunt_all(names: Iterable[str], seeds: range, processes: int) -> Iterator[Hunt]:
    """Each as soon as it is found."""
    with ProcessPoolExecutor(processes) as pool:
        for hunted in as_completed([pool.submit(hunt, name, seeds) for name in names]):
            yield hunted.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt what the command line names; 1 when something survived."""
    parser = argparse.ArgumentParser("python -m tests.simulation.catching", description=__doc__)
    parser.add_argument("names", nargs="*", help="of the bugs (default: all of them)")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, metavar="N", help=f"(default: {SEEDS_MAX})")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    asked = parser.parse_args(arguments)
    survived, names = [], asked.names or list(MUTANTS)
    for name in names:
        with planted(name):
            pass  # one that cannot be planted any more is told at once
    for hunted in hunt_all(names, range(asked.seeds), asked.processes):
        print(hunted, flush=True)
        survived += [hunted.name] if hunted.seed is None else []
    print(f"{len(names)} planted bugs, {len(survived)} survived: {', '.join(survived) or 'none'}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
