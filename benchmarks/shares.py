"""Where the processor's time goes: a workload under py-spy, its samples shared out among the parts of the engine."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.apart import command_of, prepare
from benchmarks.workloads.base import Place, Workload

SAMPLES_PER_SECOND = 500

PARTS = (
    ("statements of SQLite, and what builds them", r"nexus_sdk/store/sqlite/"),
    ("other stores, and what a store is handed", r"nexus_sdk/store/"),
    ("the core: fibers, operations, the ledger", r"nexus_sdk/(core|authoring)/"),
    ("codec: values, and the form of what is stored", r"nexus_sdk/codec/|msgpack/|hashlib"),
    ("the worker: turns, attempts, the outbox", r"nexus_sdk/(engine|runtimes)/"),
    ("the client", r"nexus_sdk/"),
    ("asyncio, and threads that wake each other", r"asyncio/|selectors|threading|concurrent/|queue"),
    ("the workload itself", r"benchmarks/"),
)
"""By the file of the innermost Python frame: what C code takes counts for whoever called it."""

REST = "everything else"
_NOT_THE_WORKLOAD = re.compile(r"_find_and_load|importlib|<module> \(nexus_sdk|prepare|record \(benchmarks")


class NoProfiler(Exception):
    """py-spy is not installed, or may not look at other processes here."""


def part_of(stack: str) -> str | None:
    """The part that a sampled stack counts for; None for what happens before the workload begins."""
    if _NOT_THE_WORKLOAD.search(stack):
        return None
    innermost = stack.rpartition(";")[2]
    return next((name for name, pattern in PARTS if re.search(pattern, innermost)), REST)


def shared_out(lines: Iterable[str]) -> Counter[str]:
    """Samples by part. `lines`: folded stacks, each with its count behind it."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        part = part_of(stack)
        if part is not None:
            found[part] += int(count)
    return found


def profile(workload: Workload, store: str, folder: Path | None, *, times: int) -> Counter[str]:
    """The samples of one run, of `times` the usual size, so that starting the process is nothing beside it.

    Raises:
        NoProfiler: there is no py-spy, or it may not.
    """
    with tempfile.TemporaryDirectory(dir=folder) as own:
        place, samples = Place(store, Path(own)), Path(own) / "samples"
        count = workload.count * times
        prepare(workload, place, count)
        command = ["py-spy", "record", "--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--output", str(samples)]
        try:
            done = subprocess.run(
                [*command, "--", *command_of(workload.name, place, count)], capture_output=True, text=True
            )
        except FileNotFoundError:
            raise NoProfiler("py-spy is not installed: pip install py-spy") from None
        if not samples.exists():
            raise NoProfiler(done.stderr.strip()[-300:])
        return shared_out(samples.read_text(encoding="utf-8").splitlines())


def table(found: Sequence[tuple[Workload, Counter[str]]]) -> str:
    """Percent of each workload's samples, part by part."""
    names = [name for name, _ in PARTS] + [REST]
    lines = [f"| part | {' | '.join(workload.name for workload, _ in found)} |", f"|---|{'---|' * len(found)}"]
    for name in names:
        cells = [f"{100 * counted[name] / max(counted.total(), 1):.0f} %" for _, counted in found]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(f"| samples | {' | '.join(f'{counted.total():,}' for _, counted in found)} |")
    return "\n".join(lines)
