"""The files of a project that its program needs: its module, and what that imports from the same folder.

Imports are read, not executed, those inside functions too. A package that is reached comes as a whole, with its data;
a module comes alone. What is found in no other way is named: ``[tool.nexus] include = ["templates/**"]``. The one rule:
nothing else of the folder is packed, so that keys, notes and tests stay where they are.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nexus_sdk.building.program import Program
from nexus_sdk.errors import BuildError

LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


@dataclass(frozen=True, slots=True)
class Import:
    """A module that is imported at the top of a file, come what may: what is missing there ends the import."""

    name: str
    place: str


@dataclass(slots=True)
class Project:
    """What was found.

    Attributes:
        files: each file by its path in the artifact.
        needed: modules of others that are imported unconditionally.
        mentioned: all dotted names of modules that are imported anywhere.
    """

    files: dict[str, Path] = field(default_factory=dict)
    needed: list[Import] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)


def project_of(program: Program) -> Project:
    """The files that the program needs, of its own project.

    Raises:
        BuildError: a file cannot be parsed, or what is to be included is not there.
    """
    project = Project()
    waiting = [program.module]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        for path in _files_of(program.root, module):
            name = path.relative_to(program.root).as_posix()
            if name in project.files:
                continue
            project.files[name] = path
            if path.suffix != ".py":
                continue
            for found, is_needed in _imports(path, program.root):
                project.mentioned.add(found.name)
                top = found.name.partition(".")[0]
                if _place(program.root, top) is not None:
                    if found.name not in seen:
                        seen.add(found.name)
                        waiting.append(found.name)
                elif is_needed and top not in sys.stdlib_module_names:
                    project.needed.append(found)
    project.files |= _included(program)
    return project


def _included(program: Program) -> Mapping[str, Path]:
    patterns = program.configuration.get("include", [])
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise BuildError("[tool.nexus] include is a list of patterns.", hint='include = ["templates/**"]')
    files: dict[str, Path] = {}
    for pattern in patterns:
        try:
            matching = [path for path in sorted(program.root.glob(pattern)) if path.is_file()]
        except (ValueError, NotImplementedError) as error:
            raise BuildError(
                f"[tool.nexus] include: {pattern!r} is no pattern: {error}.", hint='include = ["templates/**"]'
            ) from None
        if not matching:
            raise BuildError(
                f"[tool.nexus] include: {pattern!r} matches no file in {program.root}.",
                hint="Patterns are relative to that folder; take away those that are of no use.",
            )
        files |= {path.relative_to(program.root).as_posix(): path for path in matching if _is_packed(path)}
    return files


# --- modules ----------------------------------------------------------------------------------------------------------


def _place(root: Path, name: str) -> Path | None:
    """The file, or the folder of the package, that a module has under a folder."""
    place = root.joinpath(*name.split("."))
    if place.with_name(f"{place.name}.py").is_file():
        return place.with_name(f"{place.name}.py")
    has_code = place.is_dir() and next(place.glob("**/*.py"), None) is not None
    return place if has_code and place.name not in LEFT_OUT else None


def _files_of(root: Path, module: str) -> Iterator[Path]:
    """The files that come with a module: itself, or the whole of the outermost package that it is in."""
    place = _place(root, module.partition(".")[0])
    if place is None:
        return
    if place.is_file():
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("."))
        yield from (path for name in sorted(names) if _is_packed(path := Path(folder, name)))


def _is_packed(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix not in (".pyc", ".pyo") and "__pycache__" not in path.parts


# --- imports ----------------------------------------------------------------------------------------------------------


def _imports(path: Path, root: Path) -> Iterator[tuple[Import, bool]]:
    """The modules that a file imports, and whether it does so unconditionally when it is imported."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise BuildError(f"{path}:{line} cannot be parsed: {error}.", hint="It would be packed: mend it.") from None
    unconditional = {id(node) for node in tree.body}
    relative = path.relative_to(root)
    package = relative.parent.parts
    for node in ast.walk(tree):
        place = f"{relative.as_posix()}:{getattr(node, 'lineno', 1)}"
        for name in _names(node, package):
            yield Import(name, place), id(node) in unconditional


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package[: len(package) - level + 1] if level else ()
            base = ".".join([*above, *([module] if module else [])])
            if base:
                yield base
            yield from (f"{base}.{alias.name}" for alias in names if base and level and not module)
