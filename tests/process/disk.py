"""A disk that loses power: what `strace` saw a run write, and what is left of it when the power goes at any moment.

What was written lies in a cache until it is synced. When the power goes, of what lies there nothing is left, or all, or
any part: sectors are written whole, in any order. Names (a file made, a file removed) are kept in order, up to any one.
The one rule: what `fsync` or `fdatasync` has returned for is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR_BYTES = 512

TRACED = "openat,write,pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat2"
STRACE = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", "10000000", "-e", f"trace={TRACED}"]
"""What `strace` must be told, so that its output can be read here."""


# --- reading a trace --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A system call. One that takes its time is there twice: when it begins, without a result, and when it ends."""

    name: str
    path: str
    arguments: str
    result: str | None
    is_beginning: bool


_LINE = re.compile(r"^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")
_NAMED = re.compile(r'"((?:\\x[0-9a-f]{2})+)"')
_OPENED = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
_UNFINISHED = " <unfinished ...>"


def read_trace(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace, in order."""
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue  # a signal, the end of a process
        process, name, rest, resumed, ending = found.groups()
        if name is None:
            arguments, result = _split(begun.pop(process) + ending)
            yield _call(resumed, arguments, result, is_beginning=False)
        elif rest.endswith(_UNFINISHED):
            begun[process] = rest.removesuffix(_UNFINISHED)
            yield _call(name, begun[process], None, is_beginning=True)
        else:
            arguments, result = _split(rest)
            yield _call(name, arguments, None, is_beginning=True)
            yield _call(name, arguments, result, is_beginning=False)


def _split(text: str) -> tuple[str, str]:
    arguments, _, result = text.rpartition(") = ") if ") = " in text else text.rpartition(")")
    if not arguments:
        arguments, _, result = text.rpartition("= ")
    return arguments.rstrip(") "), result.strip()


def _call(name: str, arguments: str, result: str | None, *, is_beginning: bool) -> Call:
    found = (_NAMED if name in ("openat", "unlink", "unlinkat") else _OPENED).search(arguments)
    path = _bytes(found.group(1)).decode(errors="replace") if found else ""
    return Call(name, path, arguments, result, is_beginning)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _data(arguments: str) -> tuple[bytes, list[int]]:
    """The data of a write, and the numbers behind it."""
    _, data, rest = arguments.split('"')
    return _bytes(data), [int(number) for number in re.findall(r"\d+", rest)]


# --- the disk ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """Bytes at an offset; without bytes: the file ends there."""

    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        """Make it."""
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
            return
        content.extend(bytes(max(0, self.offset - len(content))))
        content[self.offset : self.offset + len(self.data)] = self.data

    def sectors(self) -> Iterator[Change]:
        """What is written whole, if at all."""
        if self.data is None:
            yield self
            return
        start = 0
        while start < len(self.data):
            end = start + SECTOR_BYTES - (self.offset + start) % SECTOR_BYTES
            yield Change(self.offset + start, self.data[start:end])
            start = end


@dataclass(eq=False, slots=True)
class File:
    """What of a file is safe, and what lies in the cache."""

    safe: bytearray = field(default_factory=bytearray)
    cached: list[Change] = field(default_factory=list)

    def sync(self, count: int) -> None:
        """So many of the oldest changes are safe."""
        for change in self.cached[:count]:
            change.apply(self.safe)
        del self.cached[:count]


class Disk:
    """The files of one directory whose names begin with a prefix. See the module.

    Args:
        lies_about: names of files whose syncs return and do nothing, for a disk that is not to be trusted.
    """

    def __init__(self, prefix: str, lies_about: Collection[str] = ()) -> None:
        self._prefix = prefix
        self._lies_about = lies_about
        self._folder = str(Path(prefix).parent)
        self._names: dict[str, File] = {}
        self._safe_names: dict[str, File] = {}
        self._cached_names: list[tuple[str, File | None]] = []
        self._syncing: dict[str, tuple[File, int]] = {}
        self.synced: list[str] = []
        """The names of what was synced so far, a sync at a time."""

    def happen(self, call: Call) -> bool:
        """Take note of a call; whether a sync of something in the cache is about to end with it."""
        is_ours = call.path.startswith(self._prefix) and not call.path.endswith("-shm") and "-bells" not in call.path
        if call.path == self._folder and call.name in ("fsync", "fdatasync") and not call.is_beginning:
            self._safe_names, self._cached_names = dict(self._names), []
        if not is_ours or (call.result is not None and call.result.startswith("-1")):
            return False
        path = call.path
        match call.name:
            case "openat":
                if "O_CREAT" in call.arguments and not call.is_beginning and path not in self._names:
                    self._rename(path, File())
            case "unlink" | "unlinkat":
                if not call.is_beginning and path in self._names:
                    self._rename(path, None)
            case "pwrite64":
                if call.is_beginning:
                    data, (_, offset) = _data(call.arguments)
                    self._names[path].cached.append(Change(offset, data))
            case "ftruncate":
                if call.is_beginning:
                    self._names[path].cached.append(Change(int(call.arguments.rpartition(", ")[2]), None))
            case "fsync" | "fdatasync":
                return self._sync(path, call)
            case other:
                raise LookupError(f"SQLite has never done this before: {other} {path}")
        return False

    def end_sync(self, call: Call) -> None:
        """A sync has returned: what it found in the cache is safe, and so is the file's name."""
        file, count = self._syncing.pop(call.path)
        if Path(call.path).name not in self._lies_about:
            file.sync(count)
        self.synced.append(Path(call.path).name)
        self._safe_names[call.path] = file
        self._cached_names = [(path, made) for path, made in self._cached_names if made is not file]

    def image(self, chance: Random | None, *, keeps: float) -> dict[str, bytes]:
        """The files that are found when the power comes back, by path.

        Args:
            chance: what decides about each sector in the cache, and how many names were kept.
            keeps: how likely a sector was written: 0.0, nothing of the cache; 1.0, all of it.
        """
        names = dict(self._safe_names)
        kept = len(self._cached_names) if keeps == 1 else chance.randint(0, len(self._cached_names)) if chance else 0
        for path, file in self._cached_names[:kept]:
            if file is not None:
                names[path] = file
            else:
                names.pop(path, None)
        return {path: _content(file, chance, keeps) for path, file in names.items()}

    def _rename(self, path: str, file: File | None) -> None:
        self._cached_names.append((path, file))
        if file is not None:
            self._names[path] = file
        else:
            del self._names[path]

    def _sync(self, path: str, call: Call) -> bool:
        if call.is_beginning:
            self._syncing[path] = (self._names[path], len(self._names[path].cached))
            return False
        return path in self._syncing


def _content(file: File, chance: Random | None, keeps: float) -> bytes:
    content = bytearray(file.safe)
    for change in file.cached:
        for sector in change.sectors():
            if keeps == 1 or (chance is not None and chance.random() < keeps):
                sector.apply(content)
    return bytes(content)


# --- the moments at which the power may go ----------------------------------------------------------------------------


@dataclass(slots=True)
class Moment:
    """Just before a sync returns. Valid until the next one is asked for.

    Attributes:
        number: how many syncs had returned.
        disk: as it is.
        told: what the run had written to files beside the disk by then, by path: the world outside, which does not
            forget.
    """

    number: int
    disk: Disk
    told: dict[str, str]


def moments(trace: Path, prefix: str, outside: Iterable[Path], lies_about: Collection[str] = ()) -> Iterator[Moment]:
    """Every moment just before a sync of these files returns, and the end of the run. See `Disk`."""
    disk, told = Disk(prefix, lies_about), {str(path): "" for path in outside}
    with trace.open(encoding="ascii") as lines:
        for call in read_trace(lines):
            if call.path in told:
                if call.name == "write" and call.is_beginning:
                    told[call.path] += _data(call.arguments)[0].decode()
            elif disk.happen(call):
                yield Moment(len(disk.synced), disk, told)
                disk.end_sync(call)
    yield Moment(len(disk.synced), disk, told)
