"""`python -m benchmarks`: every workload, so many times, and what came of it as a table and as JSON."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.apart import LIMIT_SECONDS, prepare, run_apart
from benchmarks.measures import Numbers
from benchmarks.report import medians
from benchmarks.workloads.base import Place, Workload

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Effort:
    """How much is run.

    Attributes:
        reps: how often each workload is run.
        is_tiny: only so much that each is seen to work.
    """

    reps: int = 3
    is_tiny: bool = False

    def count(self, workload: Workload) -> int:
        """How much of a workload."""
        return workload.tiny if self.is_tiny else workload.count

    @property
    def limit_seconds(self) -> float:
        """How long each raw limit is measured."""
        return 0.01 if self.is_tiny else LIMIT_SECONDS


@dataclass
class Series:
    """The runs of one workload."""

    workload: Workload
    runs: list[Numbers] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """See README.md."""
        middle = medians(self.runs)
        return {
            "name": self.workload.name,
            "summary": self.workload.summary,
            "runs": self.runs,
            "medians": middle,
            "targets": [
                {"target": str(target), "value": middle[target.metric], "met": target.is_met(middle[target.metric])}
                for target in self.workload.targets
                if target.metric in middle
            ],
        }


class Bench:
    """Workloads on one store, each in a folder of its own.

    Args:
        tree: the folder whose code is run.
    """

    def __init__(self, folder: Path, store: str, effort: Effort, tree: Path = ROOT) -> None:
        self._folder = folder
        self._store = store
        self._effort = effort
        self._tree = tree

    def prepare(self, workload: Workload) -> None:
        """Make what the runs of a workload share."""
        prepare(workload, self._place(workload), self._effort.count(workload), self._tree)

    def run(self, workload: Workload) -> Numbers:
        """Run it once. The files of the last run are gone."""
        place = self._place(workload)
        for left in place.folder.glob("*.db*"):
            left.unlink()
        count, seconds = self._effort.count(workload), self._effort.limit_seconds
        return run_apart(workload, place, count, limit_seconds=seconds, tree=self._tree)

    def _place(self, workload: Workload) -> Place:
        folder = self._folder / workload.name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return Place(self._store, folder)


@contextmanager
def a_folder(parent: Path | None) -> Iterator[Path]:
    """A folder to work in, on the disk that is to be measured; gone afterwards."""
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="nexus-bench-", dir=parent) as folder:
        yield Path(folder).resolve()


def measure(
    workloads: Sequence[Workload], store: str, effort: Effort, parent: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Run all in turn, `effort.reps` times over, so that a slow moment hits each of them alike.

    Args:
        parent: where the folder to work in is made; the system's place for temporary files by default.
    """
    all_series = [Series(workload) for workload in workloads]
    with a_folder(parent) as folder:
        bench = Bench(folder, store, effort)
        for workload in workloads:
            bench.prepare(workload)
        for rep in range(effort.reps):
            for series in all_series:
                say(f"{series.workload.name}, run {rep + 1} of {effort.reps}")
                series.runs.append(bench.run(series.workload))
    return {**surroundings(), "store": store, "reps": effort.reps, "workloads": [one.as_json() for one in all_series]}


def surroundings() -> dict[str, Any]:
    """When, of what, and where."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision_of(ROOT),
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "sqlite": sqlite3.sqlite_version,
            "executable": Path(sys.executable).name,
        },
    }


def revision_of(tree: Path) -> str:
    """Its commit, with a plus where files were changed since; empty where that cannot be said."""
    command = ["git", "-C", str(tree), "describe", "--always", "--dirty=+"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return found.stdout.strip()
