"""One workload in a process of its own, the raw limits measured right before and right after it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import limits
from benchmarks.measures import Numbers
from benchmarks.workloads.base import Place, Workload

LIMIT_SECONDS = 0.25


def command_of(
    name: str, place: Place, count: int, *, limit_seconds: float = 0, is_preparing: bool = False
) -> list[str]:
    """What runs a workload by its name, or prepares it. Its last line of output is JSON: the numbers."""
    command = [sys.executable, "-m", "benchmarks.apart", name, str(count)]
    command += ["--store", place.store, "--folder", str(place.folder), "--limit-seconds", str(limit_seconds)]
    return [*command, "--prepare"] if is_preparing else command


def prepare(workload: Workload, place: Place, count: int, tree: Path | None = None) -> None:
    """Make what all runs of a workload share, if anything."""
    if workload.prepare is not None:
        _run(command_of(workload.name, place, count, is_preparing=True), place, tree)


def run_apart(
    workload: Workload, place: Place, count: int, *, limit_seconds: float = LIMIT_SECONDS, tree: Path | None = None
) -> Numbers:
    """The numbers of one run.

    Args:
        tree: the folder whose `nexus_sdk` and `benchmarks` are run; those of this process by default.
    """
    numbers: Numbers = json.loads(
        _run(command_of(workload.name, place, count, limit_seconds=limit_seconds), place, tree)
    )
    return numbers


def _run(command: list[str], place: Place, tree: Path | None) -> str:
    """Its last line. The code is compiled beforehand, as that of an installed package is."""
    environment = {"PYTHONPYCACHEPREFIX": str(place.folder.parent / "bytecode"), **os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = tree or Path(__file__).parent.parent
    ended = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout.splitlines()[-1]


def measured(workload: Workload, place: Place, count: int, limit_seconds: float) -> Numbers:
    """The numbers of one run in this process, with the limits of the same moments where any time is given to them."""
    if not limit_seconds:
        return asyncio.run(workload.run(place, count))
    before = limits.measure(place.folder, limit_seconds)
    numbers = asyncio.run(workload.run(place, count))
    after = limits.measure(place.folder, limit_seconds)
    numbers |= {f"raw_{name}_per_s": (before[name] + after[name]) / 2 for name in before}
    if "per_s" in numbers:
        numbers["of_raw_commits"] = numbers["per_s"] / numbers["raw_commits_of_one_row_per_s"]
    return numbers


def main() -> None:
    """See the module."""
    from benchmarks.catalogue import BY_NAME  # which run this module, some of them

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=BY_NAME)
    parser.add_argument("count", type=int)
    parser.add_argument("--store", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--limit-seconds", type=float, default=LIMIT_SECONDS)
    parser.add_argument("--prepare", action="store_true")
    asked = parser.parse_args()
    workload, place = BY_NAME[asked.workload], Place(asked.store, asked.folder)
    if not asked.prepare:
        print(json.dumps(measured(workload, place, asked.count, asked.limit_seconds)))
    elif workload.prepare is not None:
        asyncio.run(workload.prepare(place, asked.count))
        print("prepared")


if __name__ == "__main__":
    main()
