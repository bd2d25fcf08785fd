"""Installs what is installed here, instead of asking an index: the same wheels, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def install_from_here(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What pip would do: the requirements of the command and all that they require, in its target folder."""
    words = list(command)
    target, listed = (Path(words[words.index(option) + 1]) for option in ("--target", "--requirement"))
    waiting = [line for line in listed.read_text().splitlines() if line]
    done: set[str] = set()
    while waiting:
        name = REQUIREMENT.match(waiting.pop())[0]  # type: ignore[index]
        if name.lower() in done:
            continue
        done.add(name.lower())
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return subprocess.CompletedProcess(command, 1, "", f"ERROR: No matching distribution found for {name}\n")
        waiting += [line for line in found.requires or [] if "extra ==" not in line and _applies(line)]
        for path in found.files or []:
            if ".." not in path.parts and path.suffix != ".pyc":
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(path.locate()), place)
    return subprocess.CompletedProcess(command, 0, "", "")


def install_little(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The same without the large ones, which take seconds to pack and add nothing to most tests."""
    listed = Path(list(command)[list(command).index("--requirement") + 1])
    lines = listed.read_text().splitlines()
    listed.write_text("".join(f"{line}\n" for line in lines if not line.startswith(("pydantic", "structlog"))))
    return install_from_here(command)


def _applies(line: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(line).marker
    return marker is None or marker.evaluate()
