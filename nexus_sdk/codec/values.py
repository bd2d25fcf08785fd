"""The codec of every app: a user's values to payloads and back, as msgpack.

The one rule: what is encoded comes back equal, or is refused with the place that stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.codec.conversion import convert
from nexus_sdk.codec.custom import NO_TYPES, CustomTypes, TypeCodec
from nexus_sdk.codec.paths import ROOT, explain, largest_part
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import PayloadTooLarge, PayloadUnreadable

MSGPACK = "msgpack"
PAYLOAD_BYTES_MAX = 8_000_000

NO_VALUE = Payload(encoding="", data=b"", digest=sha256(b"").digest(), size=0)
"""The payload of None."""


class MsgpackCodec:
    """The default `Codec`.

    Without an annotation these come back exactly: None, bool, int, float, complex, str, bytes, list, dict, tuple, set,
    frozenset, range, datetime (naive, aware, with its zone), date, time, timedelta, Decimal, Fraction, UUID, paths,
    secrets, and the classes of `types`. Dataclasses, pydantic models and attrs classes come back as dicts that know
    their class, enums as their values, NamedTuples as tuples, subclasses and other containers as the plain type; and
    all of them as themselves where an annotation names them, or a base, or a union with them in it.

    Nothing that is not a field is written: private attributes of models, cached properties, whatever `__post_init__`
    sets beside the fields. Models are validated again when they are read, so a validator must accept what it made.

    Args:
        payload_bytes_max: a value whose bytes are more is refused.
        allow_secrets: whether secrets are written. Only a codec that encrypts the bytes should.
        types: how values of further classes are written.

    Raises:
        DefinitionError: two of the `types` have one name or one class.
    """

    __slots__ = ("allow_secrets", "payload_bytes_max", "types")

    def __init__(
        self,
        *,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
        allow_secrets: bool = False,
        types: Iterable[TypeCodec[Any]] = (),
    ) -> None:
        self.payload_bytes_max = payload_bytes_max
        self.allow_secrets = allow_secrets
        self.types = CustomTypes(types, exact=plain.comes_back_exactly) if types else NO_TYPES

    def bound_to(self, owner: str) -> MsgpackCodec:
        """Itself: nothing in these bytes depends on whose they are."""
        return self

    def encode(self, value: Any) -> Payload:
        """Encode a value. The same value gives the same bytes, in every process.

        Raises:
            PayloadError: it holds something that cannot be encoded; the message names the path.
            PayloadTooLarge: it has more bytes than `payload_bytes_max`; the message names its largest part.
        """
        if value is None:
            return NO_VALUE
        try:
            data = plain.pack(value, types=self.types, allow_secrets=self.allow_secrets)
        except Exception as error:  # msgpack's, ours, or the value's own code's: all mean that it cannot be encoded
            raise explain(value, error, types=self.types, allow_secrets=self.allow_secrets) from error
        if len(data) > self.payload_bytes_max:
            raise self._too_large(value, len(data))
        return Payload(MSGPACK, data, sha256(data).digest(), len(data))

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """Decode a payload to the annotated type (`Any`: to plain data).

        Raises:
            PayloadUnreadable: the bytes are missing, or are no value that this codec wrote.
            PayloadError: they do not fit the type; the message names the path.
        """
        return convert(None if payload.encoding == "" else self._decode(payload), type_)

    def can_read(self, encoding: str) -> bool:
        """See `Codec.can_read`."""
        return encoding in (NO_VALUE.encoding, MSGPACK)

    def convert(self, value: Any, type_: Any) -> Any:
        """Plain decoded data to the annotated type; validates a value that is of that type already.

        Raises:
            PayloadError: the value does not fit; the message names the path.
        """
        return convert(value, type_)

    def _too_large(self, value: Any, size: int) -> PayloadTooLarge:
        path, part = largest_part(value, types=self.types, allow_secrets=self.allow_secrets)
        where = "" if path == ROOT else f" {path} has {part:,} of them."
        return PayloadTooLarge(
            f"the encoded value has {size:,} bytes, {self.payload_bytes_max:,} are allowed.{where}",
            hint="Keep large data elsewhere and pass a reference to it.",
        )

    def _decode(self, payload: Payload) -> Any:
        if payload.encoding != MSGPACK:
            raise PayloadUnreadable(
                f"this payload is encoded as {payload.encoding!r}; this codec reads {MSGPACK!r}.",
                hint="Give the app the codec that wrote it: Nexus(…, codec=…).",
            )
        if payload.data is None:
            place = "of a large payload are not in the store" if payload.reference else "of this payload were erased"
            raise PayloadUnreadable(f"the {payload.size:,} bytes {place}.")
        try:
            return plain.unpack(payload.data, types=self.types)
        except plain.NotRestored as error:
            raise PayloadUnreadable(
                f"{ROOT}: {error.reason}.",
                hint="Give the app the codec that wrote it: MsgpackCodec(types=[…]). "
                "What to_plain ever made, from_plain must take.",
            ) from error
        except Exception as error:  # an extension's reader may raise anything on bytes that are not its own
            raise PayloadUnreadable(
                f"{ROOT}: these {len(payload.data):,} bytes are not a value ({type(error).__name__}: {error}).",
                hint="The stored bytes were changed or cut, or a newer version wrote them.",
            ) from error
