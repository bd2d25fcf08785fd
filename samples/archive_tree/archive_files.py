"""Files on disk, without any workflow: walking a tree, storing contents by their hash, checking them again.

The rules: nothing is ever read into memory whole; whatever is written appears under its name only when it is complete
and on the disk; and a file that cannot be archived is recorded with the reason, it does not end the archive.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

PIECE_BYTES = 1 << 20
"""So much of a file is in memory at a time."""

CHUNK_FILES = 8
CHUNK_BYTES = 16 << 20
CHUNK_ENTRIES = 500
"""What one activity is given: few enough to be done again after a crash, enough to keep the history short."""

Entry = dict[str, Any]
"""A line of a listing or of the manifest: `path`, `type` (file, link, directory, skipped), and what is known of it."""


# --- names ----------------------------------------------------------------------------------------------------------


def name_fields(path: bytes) -> Entry:
    """A path as JSON can carry it: text where it is UTF-8, base64 where it is not."""
    try:
        return {"path": path.decode()}
    except UnicodeDecodeError:
        return {"path_base64": base64.b64encode(path).decode()}


def path_of(entry: Entry) -> bytes:
    """The path again, to the byte."""
    return base64.b64decode(entry["path_base64"]) if "path_base64" in entry else entry["path"].encode()


# --- walking --------------------------------------------------------------------------------------------------------


def walk_tree(source: Path, target: Path, exclude: Iterable[str]) -> Iterator[Entry]:
    """Every entry below `source`, sorted by the parts of its path, so that a directory precedes what is in it.

    Symbolic links are recorded and not followed, so loops are harmless. `target` is left out, and so are names that
    match a pattern of `exclude`. What is neither file, link nor directory is skipped with the reason, and so is a
    directory that cannot be read.
    """
    patterns, root, avoided = list(exclude), os.fsencode(source), _identity(target)
    waiting = [iter(_scan(root))]
    while waiting:
        item = next(waiting[-1], None)
        if item is None:
            waiting.pop()
            continue
        if any(fnmatchcase(os.fsdecode(item.name), pattern) for pattern in patterns):
            continue
        entry = _look_at(item, os.path.relpath(item.path, root))
        if entry["type"] == "directory":
            if _identity(item.path) == avoided:
                continue
            try:
                waiting.append(iter(_scan(item.path)))
            except OSError as error:
                entry = {**_named(entry), "type": "skipped", "reason": reason_of(error)}
        yield entry


def _scan(folder: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda item: item.name)


def _look_at(item: os.DirEntry[bytes], path: bytes) -> Entry:
    named = name_fields(path)
    try:
        found = item.stat(follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            aim = os.readlink(item.path)
            return {**named, "type": "link", **{f"to_{key}": value for key, value in name_fields(aim).items()}}
    except OSError as error:
        return {**named, "type": "skipped", "reason": reason_of(error)}
    if stat.S_ISDIR(found.st_mode):
        return {**named, "type": "directory", "mode": stat.S_IMODE(found.st_mode)}
    if stat.S_ISREG(found.st_mode):
        return {**named, "type": "file", "size": found.st_size}
    return {**named, "type": "skipped", "reason": f"it is a {kind_of(found.st_mode)}"}


def kind_of(mode: int) -> str:
    """What a file is that is no file."""
    kinds = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFBLK: "block device", stat.S_IFCHR: "device"}
    kinds |= {stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link"}
    return kinds.get(stat.S_IFMT(mode), "special file")


def reason_of(error: OSError) -> str:
    """Why something could not be read, without the path."""
    return (error.strerror or str(error)).lower()


def _identity(path: bytes | Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def chunks_of(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in portions that are each one activity's work."""
    chunk: list[Entry] = []
    files = size = 0
    for entry in entries:
        chunk.append(entry)
        if entry["type"] == "file":
            files, size = files + 1, size + entry["size"]
        if files >= CHUNK_FILES or size >= CHUNK_BYTES or len(chunk) >= CHUNK_ENTRIES:
            yield chunk
            chunk, files, size = [], 0, 0
    if chunk:
        yield chunk


# --- writing, whole or not at all -----------------------------------------------------------------------------------


@contextmanager
def appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which appears under its name, durable, when the block ends well; and not at all otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_lines(path: Path, entries: Iterable[Entry]) -> None:
    """Write JSON lines, atomically."""
    with appearing(path) as file:
        for entry in entries:
            file.write(line_of(entry))


def line_of(entry: Entry) -> bytes:
    """An entry as a line: the same entry always gives the same bytes."""
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def read_lines(path: Path) -> Iterator[Entry]:
    """The entries of a file of JSON lines."""
    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


# --- storing --------------------------------------------------------------------------------------------------------


def object_path(target: Path, digest: str) -> Path:
    """Where the contents with this hash lie."""
    return target / "objects" / digest[:2] / digest[2:]


def store_file(path: bytes, entry: Entry, target: Path, scratch: Path, alive: Callable[[], None]) -> Entry:
    """Store a file's contents by their hash, compressed; the line of the manifest.

    A file that vanished, cannot be read, or changes while it is read (twice) is skipped with the reason.

    Raises:
        OSError: the target cannot be written.
    """
    for _ in range(2):
        try:
            stored = _store_once(path, target, scratch, alive)
        except _Unreadable as problem:
            return {**_named(entry), "type": "skipped", "reason": str(problem)}
        if stored is not None:
            return {**_named(entry), "type": "file", **stored}
    return {**_named(entry), "type": "skipped", "reason": "it changed while it was read"}


class _Unreadable(Exception):
    """The file cannot be archived; the message says why."""


def _named(entry: Entry) -> Entry:
    return {key: entry[key] for key in ("path", "path_base64") if key in entry}


@contextmanager
def _reading() -> Iterator[None]:
    """What goes wrong in here is the source's fault."""
    try:
        yield
    except OSError as error:
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        raise _Unreadable("it vanished during the run" if gone else reason_of(error)) from error


def open_file(path: bytes) -> int:
    """Open for reading: never through a link, and never waiting for a fifo's writer."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _store_once(path: bytes, target: Path, scratch: Path, alive: Callable[[], None]) -> Entry | None:
    """Read, hash and compress in one pass; None when the file changed meanwhile."""
    with _reading():
        handle = open_file(path)
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        os.close(handle)
        raise _Unreadable(f"it has become a {kind_of(before.st_mode)}")
    with open(handle, "rb", buffering=0) as file:
        scratch.mkdir(parents=True, exist_ok=True)
        part, temporary = tempfile.mkstemp(dir=scratch)
        try:
            with open(part, "wb") as packed:
                digest, size = _pack(file, packed, alive)
                packed.flush()
                os.fsync(packed.fileno())
            after = os.fstat(handle)
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or size != after.st_size:
                return None
            compressed = _keep(Path(temporary), object_path(target, digest))
        finally:
            Path(temporary).unlink(missing_ok=True)
    return {
        "size": size,
        "sha256": digest,
        "compressed": compressed,
        "mode": stat.S_IMODE(before.st_mode),
        "mtime_ns": before.st_mtime_ns,
    }


def _pack(file: IO[bytes], packed: IO[bytes], alive: Callable[[], None]) -> tuple[str, int]:
    digest, packing, size = hashlib.sha256(), zlib.compressobj(), 0
    while True:
        with _reading():
            piece = file.read(PIECE_BYTES)
        if not piece:
            break
        alive()
        digest.update(piece)
        packed.write(packing.compress(piece))
        size += len(piece)
    packed.write(packing.flush())
    return digest.hexdigest(), size


def _keep(part: Path, place: Path) -> int:
    """Move a finished part to its place, unless the same contents lie there already; the size there."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, place)
        sync_folder(place.parent)
    return place.stat().st_size


# --- verifying ------------------------------------------------------------------------------------------------------


class Damaged(Exception):
    """An object is not what its name says."""


def check_object(target: Path, entry: Entry, alive: Callable[[], None]) -> None:
    """Decompress an object and compare its hash and size with the manifest's.

    Raises:
        Damaged: it is missing, does not decompress, or is something else.
    """
    place = object_path(target, entry["sha256"])
    try:
        with open(place, "rb") as packed:
            digest, size = _unpack(packed, alive)
    except (OSError, zlib.error) as error:
        raise Damaged(f"object {entry['sha256']}: {error}") from error
    if digest != entry["sha256"] or size != entry["size"]:
        raise Damaged(f"object {entry['sha256']} holds {size:,} bytes with the hash {digest}")


def _unpack(packed: IO[bytes], alive: Callable[[], None]) -> tuple[str, int]:
    digest, unpacking, size = hashlib.sha256(), zlib.decompressobj(), 0
    waiting = b""
    while not unpacking.eof:
        waiting = waiting or packed.read(PIECE_BYTES)
        if not waiting:
            raise zlib.error("it ends too early")
        # Bounded, because a small damaged object could unpack to anything.
        piece = unpacking.decompress(waiting, PIECE_BYTES)
        waiting = unpacking.unconsumed_tail
        alive()
        digest.update(piece)
        size += len(piece)
    if unpacking.unused_data or packed.read(1):
        raise zlib.error("it goes on behind its end")
    return digest.hexdigest(), size
