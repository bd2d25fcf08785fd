"""A zip of a folder that depends on nothing but the folder's content: neither on time, nor on order, nor on rights."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip can tell."""

_MODE = 0o100644 << 16
_MODE_OF_LIBRARIES = 0o100755 << 16


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is in an artifact: the project, our code, or a distribution. Bytes, packed and unpacked."""

    name: str
    packed_bytes: int
    unpacked_bytes: int

    def as_json(self) -> dict[str, Any]:
        """As data."""
        return {"name": self.name, "packed_bytes": self.packed_bytes, "unpacked_bytes": self.unpacked_bytes}


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that was written.

    Attributes:
        digest: SHA-256 of its bytes, in hex.
        parts: the largest first.
    """

    path: Path
    digest: str
    packed_bytes: int
    unpacked_bytes: int
    parts: Sequence[Part]


def write_archive(folder: Path, path: Path, owners: Mapping[str, str]) -> Archive:
    """Zip a folder.

    Args:
        owners: the part that each file belongs to, by its path in the folder. Bytecode belongs to its source.
    """
    sizes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    files = sorted((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file())
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = _MODE_OF_LIBRARIES if ".so" in file.suffixes else _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=9)
            packed, unpacked = sizes[_owner(name, owners)], entry
            packed[0] += unpacked.compress_size
            packed[1] += unpacked.file_size
    parts = sorted(
        (Part(name, *both) for name, both in sizes.items()), key=lambda part: (-part.packed_bytes, part.name)
    )
    digest = sha256(path.read_bytes()).hexdigest()
    return Archive(path, digest, path.stat().st_size, sum(part.unpacked_bytes for part in parts), parts)


def _owner(name: str, owners: Mapping[str, str]) -> str:
    if name in owners:
        return owners[name]
    folder, _, cached = name.rpartition("__pycache__/")
    return owners.get(f"{folder}{cached.partition('.')[0]}.py", "other") if cached else "other"
