"""`python -m benchmarks compare A B`: two revisions of this repository, in turn, so that both meet the same moments."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measures import Numbers
from benchmarks.measuring import ROOT, Bench, Effort, a_folder
from benchmarks.workloads.base import Workload

WORKING_TREE = "."
"""What stands for the files as they are now."""

Pairs = dict[str, tuple[list[Numbers], list[Numbers]]]


def compare(
    revisions: tuple[str, str],
    workloads: Sequence[Workload],
    store: str,
    effort: Effort,
    parent: Path | None,
    say: Callable[[str], None],
) -> Pairs:
    """The runs of both, by workload. Both are driven by the workloads of this tree.

    Raises:
        subprocess.CalledProcessError: no such revision, or a workload fails in it.
    """
    found: Pairs = {workload.name: ([], []) for workload in workloads}
    with a_folder(parent) as folder:
        benches = [
            _checked_out(revision, folder / side, store, effort) for side, revision in zip("ab", revisions, strict=True)
        ]
        for workload in workloads:
            for bench in benches:
                bench.prepare(workload)
        for rep in range(effort.reps):
            for workload in workloads:
                say(f"{workload.name}, pair {rep + 1} of {effort.reps}")
                for runs, bench in zip(found[workload.name], benches, strict=True):
                    runs.append(bench.run(workload))
    return found


def _checked_out(revision: str, folder: Path, store: str, effort: Effort) -> Bench:
    """A bench of the revision's `nexus_sdk`, with this `benchmarks`."""
    tree = folder / "tree"
    tree.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    if revision == WORKING_TREE:
        shutil.copytree(ROOT / "nexus_sdk", tree / "nexus_sdk", ignore=ignored)
    else:
        archive = folder / "revision.tar"
        subprocess.run(["git", "-C", str(ROOT), "archive", "-o", str(archive), revision, "nexus_sdk"], check=True)
        shutil.unpack_archive(archive, tree, filter="data")
    shutil.copytree(ROOT / "benchmarks", tree / "benchmarks", ignore=ignored)
    return Bench(folder / "runs", store, effort, tree)
