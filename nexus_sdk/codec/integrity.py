"""Whether encoded things hold together, told from their bytes and without knowing what they mean.

A replay looks at what it needs; this looks at every byte that the chain of hashes does not cover: how head and payloads
are put together, that each payload has its place and fits its digest, those of events that a newer version wrote too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgpack

from nexus_sdk.errors import HistoryCorruptedError

ALTERED = "The stored bytes were changed or lost after they were written. Restore them from a backup."


@dataclass(frozen=True, slots=True)
class Bodies:
    """What stands for the payloads' bytes.

    Attributes:
        apart: the digests of those that lie apart.
        erased: how many were erased: their digest is there, and nothing else.
    """

    apart: tuple[bytes, ...]
    erased: int


def check_batch(data: bytes) -> Bodies:
    """Check the bytes of a batch, but for its hash: that only the next batch or the record can vouch for.

    Raises:
        HistoryCorruptedError: they are not what was written.
    """
    (head, bodies) = _whole(data, 2)
    try:
        rows = msgpack.unpackb(head, use_list=False)[3]
    except Exception as error:  # garbage fails in too many ways to list
        raise _altered(f"the head of a batch does not decode ({type(error).__name__}: {error})") from error
    return _check(rows, bodies)


def check_encoded(data: bytes) -> Bodies:
    """Check the bytes of a message, or of a failure or payload of a record.

    Raises:
        HistoryCorruptedError: they are not what was written.
    """
    _, row, bodies = _whole(data, 3)
    return _check((row,), bodies)


def _whole(data: bytes, size: int) -> tuple[Any, ...]:
    """The parts of encoded things. One form for each: bytes that mean the same were not written by us."""
    try:
        parts = msgpack.unpackb(data, use_list=False)
        if type(parts) is tuple and len(parts) == size and type(parts[-1]) is tuple and msgpack.packb(parts) == data:
            return parts
    except Exception as error:  # garbage fails in too many ways to list
        raise _altered(f"{len(data):,} bytes do not decode ({type(error).__name__}: {error!s:.200})") from error
    raise _altered(f"{len(data):,} bytes are not put together as they were written")


def _check(rows: Any, bodies: Sequence[Any]) -> Bodies:
    digests: list[bytes] = []
    if type(rows) is tuple:
        _find_digests(rows, digests)
    if len(digests) != len(bodies):
        raise _altered(f"there are {len(bodies)} payloads for {len(digests)} places")
    apart, erased = [], 0
    for number, (digest, body) in enumerate(zip(digests, bodies, strict=True), start=1):
        if body is None:
            erased += 1
        elif type(body) is tuple and body == (digest,):
            apart.append(digest)
        elif type(body) is not bytes or sha256(body).digest() != digest:
            raise _altered(f"payload {number} of {len(bodies)} does not fit its digest")
    return Bodies(tuple(apart), erased)


def _find_digests(rows: tuple[Any, ...], digests: list[bytes]) -> None:
    """Append the digests of the payloads in nested arrays. That of a payload begins with its number, its encoding and
    its digest, and they are numbered in the order in which they stand there."""
    for row in rows:
        if type(row) is not tuple:
            continue
        is_payload = len(row) >= 4 and type(row[2]) is bytes and type(row[0]) is int and row[0] == len(digests)
        if is_payload and len(row[2]) == 32 and type(row[1]) is str:
            digests.append(row[2])
        else:
            _find_digests(row, digests)


def _altered(what: str) -> HistoryCorruptedError:
    return HistoryCorruptedError(f"{what}.", hint=ALTERED)
