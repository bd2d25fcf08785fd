"""What can be read off a process: time, memory, and what it wrote."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

Numbers: TypeAlias = dict[str, float]
"""What a run measured, by name. Units are the names' last words; what was not measured is left out."""


class Stopwatch:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> Numbers:
        """So many were done in this time."""
        seconds, cpu_seconds = time.perf_counter() - self._wall, time.process_time() - self._processor
        return {
            "per_s": count / seconds,
            "us_each": seconds / count * 1e6,
            "cpu_us_each": cpu_seconds / count * 1e6,
            "seconds": seconds,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies_ms(seconds: Sequence[float]) -> Numbers:
    """Median and the slowest hundredth."""
    return {"p50_ms": statistics.median(seconds) * 1e3, "p99_ms": percentile(seconds, 0.99) * 1e3}


def peak_mb() -> float:
    """The most memory this process had so far, Python and all libraries included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_kb() -> float:
    """The memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def written_bytes() -> float:
    """What this process has handed to `write` and its kin so far: files, and a little for pipes."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return float(fields["wchar"])


def processor_seconds(pid: int) -> float:
    """The processor time that another process has used so far, all its threads together."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
