"""W5: what a process pays before its first line of work."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
PACKAGE = Path(nexus_sdk.__file__).parent
COUNTING = "\nimport sys\nprint(len(sys.modules))"


async def imported(place: Place, count: int) -> Numbers:
    """Importing nexus_sdk and defining an activity and a workflow, over a bare interpreter; medians of so many."""
    bytecode = place.folder / "bytecode"
    start = _Starter(bytecode)
    start(PROGRAM)
    pairs = [(start("pass"), start(PROGRAM)) for _ in range(count)]
    installed = [*_installed(), *bytecode.rglob("nexus_sdk/**/*.pyc")]
    return {
        "cpu_ms_over_bare": statistics.median(ours.cpu_ms - bare.cpu_ms for bare, ours in pairs),
        "ms_over_bare": statistics.median(ours.ms - bare.ms for bare, ours in pairs),
        "cpu_ms_bare": statistics.median(bare.cpu_ms for bare, _ in pairs),
        "modules": pairs[0][1].modules,
        "modules_bare": pairs[0][0].modules,
        "installed_mb": sum(_size(path) for path in installed) / 2**20,
    }


@dataclass(frozen=True)
class Start:
    """One start of an interpreter: how long it took, and how many modules it had at the end."""

    ms: float
    cpu_ms: float
    modules: int


class _Starter:
    """Starts interpreters. What they import is compiled beforehand, as what is installed is."""

    def __init__(self, bytecode: Path) -> None:
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._run("-m", "compileall", "-q", str(PACKAGE))

    def __call__(self, program: str) -> Start:
        began, used = time.perf_counter(), _children_seconds()
        modules = int(self._run("-c", program + COUNTING))
        return Start((time.perf_counter() - began) * 1e3, (_children_seconds() - used) * 1e3, modules)

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _children_seconds() -> float:
    """The processor time of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _installed() -> Iterator[Path]:
    """The files of the core, its bytecode left out, and of what it depends on."""
    yield from (path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".typed"))
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
