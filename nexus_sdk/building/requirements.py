"""What has to be installed beside a program: what its project requires, and what ours does.

The project says it in requirements.txt, or else in ``[project] dependencies`` of pyproject.toml, in the program's root.
The one rule: our own distribution is never asked for, because the artifact has the code that builds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nexus_sdk.building.program import Program
from nexus_sdk.errors import BuildError

DISTRIBUTION = "nexus-sdk"

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?")
_NESTED = re.compile(r"(?:-r|--requirement)[\s=]+(?P<file>.+)")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Lines of a requirements file.

    Attributes:
        lines: what is installed.
        origin: the file that says so, empty for none.
        provided: names of what the project asks for and the platform has already.
        nested: ``-r`` files have been read in; nothing refers to another file but constraints.
    """

    lines: tuple[str, ...]
    origin: str
    provided: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a file."""
        return "".join(f"{line}\n" for line in self.lines)


def requirements_of(program: Program, provided: Collection[str], extras_left_out: Collection[str] = ()) -> Requirements:
    """What has to be installed for a program.

    Args:
        provided: plain names of distributions that the platform has.
        extras_left_out: extras of ours that a project may ask for, and that are of no use where the program will run.

    Raises:
        BuildError: what the project says makes no sense.
    """
    origin, theirs = _theirs(program)
    kept: list[str] = []
    skipped: list[str] = []
    extras: set[str] = set()
    for line in theirs:
        found = _REQUIREMENT.match(line)
        name = plain_name(found["name"]) if found else ""
        if name == DISTRIBUTION and found is not None:
            extras |= {extra.strip() for extra in (found["extras"] or "").split(",") if extra.strip()}
        elif name in provided:
            skipped.append(name)
        else:
            kept.append(line)
    named = {plain_name(found["name"]) for line in kept if (found := _REQUIREMENT.match(line))}
    ours = [
        line
        for line in _ours(extras - set(extras_left_out))
        if (name := _name(line)) not in named and name not in provided
    ]
    return Requirements((*kept, *ours), origin, tuple(skipped))


def plain_name(name: str) -> str:
    """The name of a distribution, as names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- theirs -----------------------------------------------------------------------------------------------------------


def _theirs(program: Program) -> tuple[str, list[str]]:
    path = program.root / "requirements.txt"
    if path.is_file():
        return path.name, list(_lines(path, frozenset()))
    path = program.root / "pyproject.toml"
    if path.is_file():
        import tomllib

        try:
            project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
            return path.name, [str(line) for line in project.get("dependencies", [])]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise BuildError(
                f"{path} cannot be read: {error}.", hint="It says what is installed beside the program."
            ) from None
    return "", []


def _lines(path: Path, within: frozenset[Path]) -> Iterator[str]:
    """The lines of a requirements file and of those that it refers to."""
    path = path.resolve()
    if path in within:
        raise BuildError(f"{path} refers to itself.", hint="Take the line away, here or in a file in between.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(
            f"{path} cannot be read: {error}.", hint="It says what is installed beside the program."
        ) from None
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        nested = _NESTED.fullmatch(line)
        if nested is not None:
            yield from _lines(path.parent / nested["file"].strip(), within | {path})
        elif line:
            yield line


# --- ours -------------------------------------------------------------------------------------------------------------


def _ours(extras: Collection[str]) -> list[str]:
    """What our distribution requires by itself, and for the extras that were asked for."""
    try:
        said = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise BuildError(
            f"{DISTRIBUTION} runs from its source here, uninstalled: what it requires is not known.",
            hint="Install it: pip install -e .",
        ) from None
    lines = []
    for line in said:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        if extra is None:
            lines.append(line)
        elif extra[1] in extras:
            lines.append(requirement.strip())
    return lines


def _name(line: str) -> str:
    found = _REQUIREMENT.match(line)
    return plain_name(found["name"]) if found else line
