"""Which files are linted, and which are only looked into because the linted ones import them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nexus_sdk.errors import InvalidArgument
from nexus_sdk.lint.source import Source, Unreadable, read_source

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})


class Project:
    """The files of one lint.

    Attributes:
        given: those that are linted, in order.
        unreadable: those that could not be read: how they are shown, and why.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self.given: list[Source] = []
        self.unreadable: list[tuple[str, Unreadable]] = []
        self._sources: dict[Path, Source | None] = {}
        self._found: dict[tuple[Path, str], Source | None] = {}
        for path in _files_of(targets):
            self._read_given(path)

    def find(self, module: str, importer: Source) -> Source | None:
        """The file of a module that is imported by another one, if it lies beside it or in the current folder."""
        key = (importer.root, module)
        if key not in self._found:
            self._found[key] = self._find(module, (importer.root, importer.path.parent, Path.cwd()))
        return self._found[key]

    def _find(self, module: str, roots: Sequence[Path]) -> Source | None:
        parts = module.split(".")
        if parts[0] == "nexus_sdk" or not all(part.isidentifier() for part in parts):
            return None  # its names are in the tables
        for root in roots:
            place = root.joinpath(*parts)
            for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if path.is_file():
                    return self._look_into(path.resolve())
        return None

    def _look_into(self, path: Path) -> Source | None:
        if path not in self._sources:
            try:
                self._sources[path] = read_source(path, _shown(path), is_given=False)
            except Unreadable:
                self._sources[path] = None
        return self._sources[path]

    def _read_given(self, path: Path) -> None:
        try:
            source = read_source(path, _shown(path), is_given=True)
        except Unreadable as problem:
            self.unreadable.append((_shown(path), problem))
            self._sources[path] = None
            return
        self._sources[path] = source
        self.given.append(source)


def _shown(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _files_of(targets: Sequence[str]) -> list[Path]:
    """The files that targets name: each a file, a folder, or a dotted module.

    Raises:
        InvalidArgument: one names nothing.
    """
    found: dict[Path, None] = {}
    for target in targets:
        for path in _files_of_one(target):
            found[path.resolve()] = None
    return list(found)


def _files_of_one(target: str) -> Iterator[Path]:
    path = Path(target or "nothing was named")
    if path.is_file():
        yield path
        return
    folder = path if path.is_dir() else None
    if folder is None:
        module = _module_file(target.partition(":")[0])
        if module is None:
            raise InvalidArgument(
                f"nexus lint: {target!r} is no file, no folder, and no module that is found from here ({Path.cwd()}).",
                hint="For example: nexus lint orders, nexus lint src/orders.py, or nexus lint src.",
            )
        if module.name != "__init__.py":
            yield module
            return
        folder = module.parent
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.endswith((".py", ".pyw")))


def _module_file(module: str) -> Path | None:
    """The file of a dotted module, looked for as an import would, without importing anything."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for root in (Path.cwd(), *(Path(entry) for entry in sys.path if entry)):
        place = root.joinpath(*parts)
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
    return None
