"""Compression: a link of a codec chain."""

from __future__ import annotations

import zlib

from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import DefinitionError, PayloadTooLarge, PayloadUnreadable

_WORTH_IT = 0.9
_MORE = "Compression(bytes_max=…) allows more."


class Compression:
    """Compresses payloads by zlib, where that saves a tenth or more.

    Args:
        bytes_min: smaller payloads are left as they are.
        level: 1 (fast) to 9 (small).
        bytes_max: a payload with more bytes is refused, and none is unpacked to more. Raise it together with that of
            the codec before it.

    Raises:
        DefinitionError: a number is out of its range.
    """

    __slots__ = ("_bytes_max", "_bytes_min", "_level")
    name = "zlib"
    is_required = False
    hides = False

    def __init__(self, *, bytes_min: int = 1_000, level: int = 6, bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        if not 1 <= level <= 9:
            raise DefinitionError(f"Compression: level is from 1 to 9, got {level!r:.40}.")
        if bytes_min < 0 or bytes_max < 1:
            raise DefinitionError(
                f"Compression: bytes_min is 0 or more and bytes_max 1 or more, got {bytes_min}, {bytes_max}."
            )
        self._bytes_min = bytes_min
        self._level = level
        self._bytes_max = bytes_max

    def apply(self, payload: Payload, owner: str) -> tuple[bytes, str | None] | None:
        """See `Link.apply`.

        Raises:
            PayloadTooLarge: it has more than `bytes_max`, and could not be unpacked again.
        """
        data = payload.data
        assert data is not None
        if len(data) < self._bytes_min:
            return None
        if len(data) > self._bytes_max:
            raise PayloadTooLarge(
                f"a value of {len(data):,} bytes is to be compressed, {self._bytes_max:,} are allowed.", hint=_MORE
            )
        packed = zlib.compress(data, self._level)
        return (packed, None) if len(packed) <= len(data) * _WORTH_IT else None

    def undo(self, payload: Payload, owner: str) -> bytes:
        """See `Link.undo`. Unpacks no further than `bytes_max`, whatever the bytes claim."""
        assert payload.data is not None
        unpacking = zlib.decompressobj()
        try:
            data = unpacking.decompress(payload.data, self._bytes_max + 1)
        except zlib.error as error:
            raise PayloadUnreadable(
                f"these {payload.size:,} bytes are not compressed data ({error}).",
                hint="The stored bytes were changed or cut.",
            ) from error
        if len(data) > self._bytes_max:
            raise PayloadUnreadable(f"unpacked, this payload has more than {self._bytes_max:,} bytes.", hint=_MORE)
        if not unpacking.eof or unpacking.unused_data:
            raise PayloadUnreadable(
                f"these {payload.size:,} bytes are not all of the compressed data, or more than it.",
                hint="The stored bytes were changed or cut.",
            )
        return data

    def __repr__(self) -> str:
        return "Compression()"
