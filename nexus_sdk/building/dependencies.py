"""Installing what a program requires, for the platform it will run on: wheels only, into a folder.

uv does it where it is on the PATH, else pip. The one rule: what would differ between two machines that install the same
wheels (who installed them, and where) is not kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from nexus_sdk.building.requirements import Requirements, plain_name
from nexus_sdk.building.target import Target
from nexus_sdk.errors import BuildError

TRACES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
"""Files of a distribution's metadata that tell of its installation."""

SAID_LINES_MAX = 12
"""So much of what the installer says is told."""

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def install(requirements: Requirements, target: Target, folder: Path, *, run: Run | None = None) -> Mapping[str, str]:
    """Install into a folder; which distribution each of its files belongs to, by path.

    Raises:
        BuildError: something is not to be had for the platform, or there is nothing to install with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not requirements.lines:
        return {}
    listed = folder.parent / "requirements.txt"
    listed.write_text(requirements.text, encoding="utf-8")
    done = (run or _run)(command_of(target, listed, folder))
    if done.returncode:
        raise _refused(done.stderr or done.stdout, requirements, target)
    return _settled(folder, target.provided)


def command_of(target: Target, listed: Path, folder: Path) -> list[str]:
    """The command that installs for a target.

    Raises:
        BuildError: neither uv nor pip is here.
    """
    if uv := shutil.which("uv"):
        platform = f"{target.machine}-{target.wheels[0].removesuffix('_' + target.machine)}"
        return [
            *(uv, "pip", "install", "--quiet", "--no-progress", "--only-binary", ":all:"),
            *("--python-platform", platform, "--python-version", target.python),
            *("--target", str(folder), "--requirement", str(listed)),
        ]
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        raise BuildError(
            "Neither uv nor pip is here, and what the program requires has to be installed with one of them.",
            hint="python -m ensurepip, or install uv.",
        ) from None
    platforms = [word for wheel in target.wheels for word in ("--platform", wheel)]
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-compile", "--only-binary=:all:", "--implementation", "cp", "--python-version", target.python),
        *platforms,
        *("--target", str(folder), "--requirement", str(listed)),
    ]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _refused(said: str, requirements: Requirements, target: Target) -> BuildError:
    missing = re.search(r"No matching distribution found for (?P<what>[^\s(]+)", said)
    if missing is None:  # as uv says it
        missing = re.search(r"Because (?P<what>\S+) .*(?:no wheels|not found)", said)
    origin = requirements.origin or "what nexus-sdk requires"
    if missing is not None:
        return BuildError(
            f"{missing['what']} ({origin}) has no wheel for Python {target.python} on {target.machine} Linux.",
            hint="Require a version that has one, or choose another architecture or Python: see the platform's "
            f"settings. Nothing is compiled here.\n{_end_of(said)}",
        )
    return BuildError(f"What the program requires ({origin}) could not be installed.", hint=_end_of(said))


def _end_of(said: str) -> str:
    lines = [line.rstrip() for line in said.splitlines() if line.strip() and "[notice]" not in line]
    return "\n".join(lines[-SAID_LINES_MAX:])


# --- what is kept -----------------------------------------------------------------------------------------------------


def _settled(folder: Path, provided: Collection[str]) -> Mapping[str, str]:
    """Take away what is not to be packed; the owner of each file that stays."""
    owners: dict[str, str] = {}
    for found in sorted(folder.glob("*.dist-info")):
        name = plain_name(found.name.removesuffix(".dist-info").rpartition("-")[0])
        files = [path for path in _recorded(found) if (folder / path).is_file()]
        if name in provided:
            for path in files:
                (folder / path).unlink()
            shutil.rmtree(found, ignore_errors=True)
            continue
        owners |= dict.fromkeys(files, name)
        for trace in TRACES:
            (found / trace).unlink(missing_ok=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)  # scripts, that begin with the path of an interpreter
    for cache in [*folder.rglob("__pycache__")]:
        shutil.rmtree(cache)
    (folder / ".lock").unlink(missing_ok=True)
    for place in sorted(folder.rglob("*"), reverse=True):  # what is inside comes first
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    return owners


def _recorded(dist_info: Path) -> list[str]:
    import csv

    record = dist_info / "RECORD"
    if not record.is_file():
        return []
    with record.open(encoding="utf-8", newline="") as lines:
        return [row[0] for row in csv.reader(lines) if row and not row[0].startswith(("..", "/"))]
