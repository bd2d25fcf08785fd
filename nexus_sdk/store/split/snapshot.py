"""Rows of one instance as far as they were read, and the names that rows have.

The one rule: what was not read is neither there nor absent; asking for it raises `NotRead`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from nexus_sdk.store.split.lazy import NotRead
from nexus_sdk.store.split.rows import Row

GRAVES = "grave/"

NAME_BYTES_MAX = 700
"""Longer names stand in keys by their digests."""


@dataclass(slots=True)
class Snapshot:
    """Rows of one instance as far as they were read. `guessed`: not read, but taken to be so."""

    rows: dict[str, Row | None] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)
    guessed: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        """Whether it is known what this row is."""
        return key in self.rows or any(key.startswith(prefix) for prefix in self.prefixes)

    def row(self, key: str) -> Row | None:
        """The row, or None when there is none.

        Raises:
            NotRead: it was not looked up yet.
        """
        if not self.has(key):
            raise NotRead(key)
        return self.rows.get(key)

    def under(self, prefix: str) -> Iterator[Row]:
        """All rows whose keys begin so."""
        if prefix not in self.prefixes:
            raise NotRead(prefix=prefix)
        return (row for key, row in sorted(self.rows.items()) if row is not None and key.startswith(prefix))


def key_name(name: str) -> str:
    """A name as it stands in a key: as it is, unless it is too long for one."""
    data = name.encode()
    return name if len(data) <= NAME_BYTES_MAX else f"#{sha256(data).hexdigest()}"


def task_key(task_id: str) -> str:
    """The key of a task."""
    return f"t/{key_name(task_id)}"


def grave_key(request_id: str) -> str:
    """The key of a tombstone."""
    return f"{GRAVES}{sha256(request_id.encode()).hexdigest()[:32]}"
