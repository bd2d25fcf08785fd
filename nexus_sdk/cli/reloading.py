"""Which files a reload hangs on, and when they have changed. The one rule: only the user's own code counts.

Files are looked at, not subscribed to: a handful of `stat` calls works on every file system, network mounts and
containers included, and needs no package.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import nexus_sdk

REST_SECONDS = 0.1
"""A file counts as changed when it has not moved for so long: editors write in several strokes."""

GONE_SECONDS = 1.0
"""So long a file may be missing before it counts as removed: editors put a new one in its place."""

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of these names hold what was installed."""

Sight = tuple[int, int, int] | None
"""What a look at a file shows: when it was modified, its size and its inode; None where there is none."""


@dataclass(frozen=True)
class Request:
    """What the serving process is told to serve.

    Attributes:
        app: ``MODULE[:APP]``, as it was typed.
        verbosity: how much is logged, as for `set_up_logs`.
        changed: the files that have changed; empty at the first start.
        noticed_at: when that was seen, in seconds since the epoch.
    """

    app: str
    store: str | None
    queues: list[str] | None
    concurrency: int
    is_json: bool
    verbosity: int
    changed: Sequence[str] = ()
    noticed_at: float = 0.0


class Watch:
    """Files, and which of them have changed since they were taken note of."""

    def __init__(self) -> None:
        self._known: dict[str, Sight] = {}
        self._moving: dict[str, Sight] = {}
        self._moving_since = 0.0

    @property
    def files(self) -> frozenset[str]:
        """Those that are watched."""
        return frozenset(self._known)

    @property
    def is_moving(self) -> bool:
        """Whether something has changed that has not come to rest yet."""
        return bool(self._moving)

    def follow(self, files: Iterable[str], since_ns: int | None = None) -> None:
        """Watch these files from now on, and no others.

        Args:
            files: absolute paths; one that does not exist yet changes by being made.
            since_ns: when they began to be read, in nanoseconds since the epoch. A file that was not watched until now
                and was modified later than that has changed already.
        """
        self._known = {file: self._known[file] if file in self._known else _first(file, since_ns) for file in files}
        self._moving = {}

    def poll(self, now: float) -> list[str]:
        """The files that have changed and come to rest, once; empty while there are none.

        Args:
            now: seconds, of any clock that only goes forward.
        """
        changed = {file: sight for file, known in self._known.items() if (sight := see(file)) != known}
        if changed != self._moving:
            self._moving, self._moving_since = changed, now
            return []
        patience = GONE_SECONDS if None in changed.values() else REST_SECONDS
        if not changed or now - self._moving_since < patience:
            return []
        self._known.update(changed)
        self._moving = {}
        return sorted(changed)


def see(file: str) -> Sight:
    """What a look at the file shows."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _first(file: str, since_ns: int | None) -> Sight:
    sight = see(file)
    is_newer = sight is not None and since_ns is not None and sight[0] > since_ns
    return None if is_newer else sight


# --- whose files ------------------------------------------------------------------------------------------------------


def own_files(modules: Mapping[str, object] = sys.modules) -> set[str]:
    """The files of the imported modules that are the user's own."""
    files = {
        getattr(module, "__file__", None)
        # The main module is the command itself.
        for name, module in list(modules.items())
        if name != "__main__"
    }
    return {os.path.abspath(file) for file in files if isinstance(file, str) and is_own(file)}


def is_own(file: str) -> bool:
    """Whether a file is the user's: not Python's, not installed, not this package's, and really there."""
    path = os.path.abspath(file)
    return not _is_others(path) and os.path.isfile(path)


def _is_others(path: str) -> bool:
    return not INSTALLED.isdisjoint(path.split(os.sep)) or path.startswith(_libraries())


@cache
def _libraries() -> tuple[str, ...]:
    library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    found = {*library, *map(os.path.realpath, library), os.path.dirname(os.path.abspath(nexus_sdk.__file__))}
    return tuple(folder + os.sep for folder in found)


# --- what an import failed of -----------------------------------------------------------------------------------------


def files_of_failure(error: BaseException | None) -> set[str]:
    """The files that have to do with a failed import; also those where a module that was not found would be."""
    files: set[str] = set()
    for one in _chain(error):
        files |= {os.path.abspath(frame.filename) for frame in _own_frames(one)}
        if isinstance(one, SyntaxError) and one.filename and is_own(one.filename):
            files.add(os.path.abspath(one.filename))
        if isinstance(one, ModuleNotFoundError) and one.name:
            files |= set(_places_of(one.name))
    return files


def place_of(error: BaseException) -> str:
    """Where in the user's code it went wrong, as ``file:line``; empty where that is unknown."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{short(error.filename)}:{error.lineno}"
    frames = _own_frames(error)
    return f"{short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def short(file: str) -> str:
    """A path as it is seen from the current folder, where it lies below it."""
    path, here = os.path.abspath(file), os.getcwd() + os.sep
    return path.removeprefix(here)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]


def _places_of(name: str) -> Iterator[str]:
    """The files that would make a module of this name, or of a package above it, be found."""
    parts = name.split(".")
    for folder in {os.path.abspath(entry or os.curdir) for entry in sys.path}:
        if not os.path.isdir(folder) or _is_others(folder + os.sep):
            continue
        for depth in range(1, len(parts) + 1):
            stem = os.path.join(folder, *parts[:depth])
            for place in (f"{stem}.py", os.path.join(stem, "__init__.py")):
                if not os.path.exists(place):
                    yield place
