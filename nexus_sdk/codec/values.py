"""The codec of every app: a user's values to payloads and back, as msgpack.

The one rule: what is encoded comes back equal, or is refused with the place that stands in the way.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.codec.conversion import convert
from nexus_sdk.codec.paths import ROOT, explain
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import PayloadError, PayloadTooLarge

MSGPACK = "msgpack"
PAYLOAD_BYTES_MAX = 2_000_000

NO_VALUE = Payload(encoding="", data=b"", digest=sha256(b"").digest(), size=0)
"""The payload of None."""


class MsgpackCodec:
    """The default `Codec`.

    Without an annotation these come back exactly: None, bool, int of any size, float, str, bytes, list, dict, tuple,
    set, frozenset, datetime (naive, aware, with its zone), date, time, timedelta, Decimal, UUID and Path. Dataclasses,
    pydantic models, attrs classes and enums come back as dicts and values, and as themselves where an annotation names
    them; NamedTuples as tuples.

    Args:
        payload_bytes_max: a value whose bytes are more is refused.
    """

    __slots__ = ("payload_bytes_max",)

    def __init__(self, *, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self.payload_bytes_max = payload_bytes_max

    def encode(self, value: Any) -> Payload:
        """Encode a value. The same value gives the same bytes, in every process.

        Raises:
            PayloadError: it holds something that cannot be encoded; the message names the path.
            PayloadTooLarge: it has more bytes than `payload_bytes_max`.
        """
        if value is None:
            return NO_VALUE
        try:
            data = plain.pack(value)
        except Exception as error:  # msgpack's, ours, or the value's own code's: all mean that it cannot be encoded
            raise explain(value, error) from error
        if len(data) > self.payload_bytes_max:
            raise PayloadTooLarge(
                f"the encoded value has {len(data):,} bytes, {self.payload_bytes_max:,} are allowed.",
                hint="Keep large data elsewhere and pass a reference to it.",
            )
        return Payload(MSGPACK, data, sha256(data).digest(), len(data))

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """Decode a payload to the annotated type (`Any`: to plain data).

        Raises:
            PayloadError: the bytes are missing, are no value, or do not fit the type; the message names the path.
        """
        return convert(None if payload.encoding == "" else _decode(payload), type_)

    def convert(self, value: Any, type_: Any) -> Any:
        """Plain decoded data to the annotated type; validates a value that is of that type already.

        Raises:
            PayloadError: the value does not fit; the message names the path.
        """
        return convert(value, type_)


def _decode(payload: Payload) -> Any:
    if payload.encoding != MSGPACK:
        raise PayloadError(
            f"this payload is encoded as {payload.encoding!r}; this codec reads {MSGPACK!r}.",
            hint="Give the app the codec that wrote it: Nexus(…, codec=…).",
        )
    if payload.data is None:
        place = "of a large payload are not in the store" if payload.reference else "were erased"
        raise PayloadError(f"the {payload.size:,} bytes {place}.")
    try:
        return plain.unpack(payload.data)
    except Exception as error:  # an extension's reader may raise anything on bytes that are not its own
        raise PayloadError(
            f"{ROOT}: these {len(payload.data):,} bytes are not a value ({type(error).__name__}: {error}).",
            hint="The stored bytes were changed or cut, or a newer version wrote them.",
        ) from error
