"""W5: what a process pays before its first line of work."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

import nexus_sdk
from benchmarks.measures import Numbers
from benchmarks.workloads.base import Place

PROGRAM = """
from nexus_sdk import Context, activity, workflow

@activity
async def charge(order: int) -> int:
    return order

@workflow
async def fulfil(ctx: Context, order: int):
    yield charge(order)
"""
COUNTING = "\nimport sys\nprint(len(sys.modules))"


async def imported(place: Place, count: int) -> Numbers:
    """Importing nexus_sdk and defining an activity and a workflow, over a bare interpreter; medians of so many."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(place.folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled, too

    def run(program: str) -> tuple[float, int]:
        began = time.perf_counter()
        command = [sys.executable, "-c", program + COUNTING]
        ended = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return (time.perf_counter() - began) * 1e3, int(ended.stdout)

    run(PROGRAM)
    pairs = [(run("pass"), run(PROGRAM)) for _ in range(count)]
    (_, bare), (_, loaded) = pairs[0]
    return {
        "ms_over_bare": statistics.median(ours - none for (none, _), (ours, _) in pairs),
        "ms_bare": statistics.median(none for (none, _), _ in pairs),
        "modules": loaded,
        "modules_over_bare": loaded - bare,
        "installed_mb": sum(_size(path) for path in _installed()) / 2**20,
    }


def _installed() -> Iterator[Path]:
    """The files of the core and of what it depends on."""
    yield from (path for path in Path(nexus_sdk.__file__).parent.rglob("*") if path.suffix in (".py", ".typed"))
    for found in _closure("nexus-sdk").values():
        yield from (Path(str(found.locate_file(file))) for file in found.files or ())


def _closure(name: str) -> dict[str, Distribution]:
    """What a distribution depends on, directly or not, without itself."""
    found: dict[str, Distribution] = {}
    new = [name]
    while new:
        for text in distribution(new.pop()).requires or ():
            requirement = Requirement(text)
            is_wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if is_wanted and requirement.name not in found:
                found[requirement.name] = distribution(requirement.name)
                new.append(requirement.name)
    return found


def _size(path: Path) -> int:
    """Whole blocks, as the disk counts."""
    return path.stat().st_blocks * 512 if path.is_file() else 0
