"""Source lines: where workflow code stands, as people look it up."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from nexus_sdk.core.program import Program, Site, line_of


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source. `text` is the line without its indent; empty where the source is not at hand."""

    file: str
    line: int
    text: str = ""

    @property
    def short(self) -> str:
        """As histories write it: ``orders.py:31``."""
        return f"{self.file.replace(chr(92), '/').rpartition('/')[2]}:{self.line}"


def place_at(file: str, line: int) -> Place:
    """A line of a file."""
    return Place(file, line, linecache.getline(file, line).strip())


def place_of(site: Site | None) -> Place | None:
    """The place of a site of running code."""
    if site is None:
        return None
    return place_at(site[0].co_filename, int(line_of(site).rpartition(":")[2]))


def place_named(short: str, files: dict[str, str]) -> Place | None:
    """The place that a history names ``orders.py:31``; its text where that file is among those of the code.

    Args:
        files: whole paths by bare name.
    """
    name, _, line = short.rpartition(":")
    if not name or not line.isdigit():
        return None
    return place_at(files[name], int(line)) if name in files else Place(name, int(line))


def opening_of(code: CodeType) -> Place:
    """Where a function begins: its ``async def``, below its decorators."""
    for line in range(code.co_firstlineno, code.co_firstlineno + 20):
        place = place_at(code.co_filename, line)
        if place.text.startswith(("async def", "def")):
            return place
    return place_at(code.co_filename, code.co_firstlineno)


def lines_around(place: Place, *, before: int, after: int) -> list[tuple[int, str]]:
    """Numbered lines of the file around a place, as they are written; empty where the source is not at hand."""
    lines = linecache.getlines(place.file)
    first = max(1, place.line - before)
    return [
        (number, lines[number - 1].rstrip("\n")) for number in range(first, min(len(lines), place.line + after) + 1)
    ]


def frames_of(program: Program) -> list[FrameType]:
    """The frames of a suspended program that are the user's, outermost first."""
    frames = list(program.frames())
    return [frame for frame in frames if is_users(frame)] or frames[:1]


def running_frames(frame: FrameType | None) -> list[FrameType]:
    """The frames of the user that are being run right now, outermost first; empty when all of them are suspended."""
    found: list[FrameType] = []
    while frame is not None and frame.f_globals.get("__name__") != "nexus_sdk.core.execution":
        if is_users(frame):
            found.append(frame)
        frame = frame.f_back
    return found[::-1]


def is_users(frame: FrameType) -> bool:
    """Whether it is not one of this package's own."""
    return not str(frame.f_globals.get("__name__", "")).startswith("nexus_sdk.")


def where(frame: FrameType) -> Place:
    """The line on which a frame stands."""
    if frame.f_lineno == frame.f_code.co_firstlineno:  # it has not begun
        return opening_of(frame.f_code)
    return place_at(frame.f_code.co_filename, frame.f_lineno)


def files_of(fn: Any) -> dict[str, str]:
    """The file of a function, and those beside it, whole paths by bare name: where its helpers most likely are."""
    own = Path(fn.__code__.co_filename)
    beside = {path.name: str(path) for path in _python_files(own.parent)}
    return {**beside, own.name: str(own)}


def _python_files(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.glob("*.py")
    except OSError:
        return
