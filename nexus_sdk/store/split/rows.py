"""What a provider of rows supplies: reads, and one write of several rows that holds together or not at all.

An instance is a head and rows around it, under one key. The one rule: **a write is taken whole, on its conditions, or
not at all**; what it is made of is the same for every database (`row_item`), and so is when it is made (`row_table`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

HEAD = "head"
"""The key of the row that every instance has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read."""

    key: str
    version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """What becomes of a row.

    Attributes:
        data: what it holds from now on; None: it goes, or (with `is_check`) stays as it is.
        expected: the version that it must have; 0: there must be none; None: whatever there is.
        is_check: nothing is written; the row has to be as expected, or just there.
        look_at_us: where it stands in the index of what needs a look, if it does.
        created_us: where it stands in the index of all instances, if it does.
        is_blocked: whether it stands there among the blocked ones, which are looked for often and found apart.
        may_precede: nobody asks for it before the head says so: it may be there already when the others are written.
    """

    key: str
    data: bytes | None = None
    expected: int | None = None
    is_check: bool = False
    look_at_us: int | None = None
    created_us: int | None = None
    is_blocked: bool = False
    may_precede: bool = False

    @property
    def is_mere_erasure(self) -> bool:
        """Whether it takes away what nobody asks for any more: it may as well follow later, or never."""
        return self.data is None and self.expected is None and not self.is_check


class Rows(Protocol):
    """The rows of a database, by instance and key. All reads are strongly consistent but for the indexes.

    `row_bytes_max`: so much fits into the data of a row; `transaction_bytes_max`, `transaction_rows_max`: so much, and
    so many rows, fit into a write.
    """

    row_bytes_max: int
    transaction_bytes_max: int
    transaction_rows_max: int

    async def get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        """Those of these rows that are there."""

    async def range(self, instance_id: str, first: str, last: str) -> Sequence[Row]:
        """The rows from the first key to the last, in the order of their keys."""

    async def transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """Make all these writes, or none; False when something was not as expected."""

    async def delete(self, instance_id: str, keys: Sequence[str]) -> None:
        """Erase rows, one by one."""

    async def late(self, *, before_us: int, limit: int) -> Sequence[tuple[str, str]]:
        """Instance ids and keys of rows that need a look; from an index that may lag."""

    def newest(self, before_us: int | None, *, only_blocked: bool = False) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """Instances by the time they were created, newest first, in portions; from an index that may lag.

        With `only_blocked` those that are blocked, at a cost that does not grow with the number of the others: every
        sweep asks for them.
        """

    async def heads(self, instance_ids: Sequence[str]) -> Mapping[str, Row]:
        """The heads of these instances, as far as they are there."""

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes]) -> None:
        """Keep large payloads."""

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Those that are there."""

    async def delete_blobs(self, instance_id: str) -> None:
        """Erase all of an instance."""
