"""W6: what a step costs the disk. Counted from outside, where strace may trace."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.apart import command_of
from benchmarks.measures import Numbers
from benchmarks.workloads import many, steps
from benchmarks.workloads.base import Place

FEW = 100
"""What so many do is taken off: opening the store, the first turn, the end."""


async def of_one(place: Place, count: int) -> Numbers:
    """Transactions, fsyncs and bytes of a step, one workflow alone."""
    counted = await steps.warm(place, count)
    kept = {name: counted[name] for name in ("transactions_each", "bytes_each") if name in counted}
    return kept | _fsyncs(place, "W1/1000", count)


async def of_many(place: Place, count: int) -> Numbers:
    """Fsyncs and bytes of a step with 100 workflows of three steps in flight."""
    counted = await many.in_flight(place, count)
    return {"bytes_each": counted["bytes_each"]} | _fsyncs(place, "W3/1000", count, many.STEPS)


def _fsyncs(place: Place, workload: str, count: int, steps_each: int = 1) -> Numbers:
    if not _may_trace() or place.store == "memory":
        return {}
    more, few = (_traced(place, workload, so_many) for so_many in (FEW + count, FEW))
    return {"fsyncs_each": (more - few) / (count * steps_each)}


def _traced(place: Place, workload: str, count: int) -> int:
    with TemporaryDirectory(dir=place.folder) as folder:
        trace = Path(folder) / "trace"
        tracing = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", str(trace)]
        command = command_of(workload, Place(place.store, Path(folder)), count)
        subprocess.run([*tracing, *command], check=True, stdout=subprocess.DEVNULL)
        return len(re.findall(r"\b(?:fsync|fdatasync)\(", trace.read_text()))


def _may_trace() -> bool:
    found = shutil.which("strace")
    return (
        found is not None and subprocess.run([found, "-e", "trace=none", "true"], capture_output=True).returncode == 0
    )
