"""What all codecs of values have in common: None, sizes, bytes that are gone, and types. Yours begins here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha256
from typing import Any, ClassVar

from nexus_sdk.codec.conversion import convert
from nexus_sdk.codec.paths import ROOT
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.errors import PayloadError, PayloadTooLarge, PayloadUnreadable

PAYLOAD_BYTES_MAX = 8_000_000

NO_VALUE = Payload(encoding="", data=b"", digest=sha256(b"").digest(), size=0)
"""The payload of None."""


_FIELDS = (("encoding", str), ("size", int), ("data", (bytes, type(None))), ("key_id", (str, type(None))))


def check_fields(payload: Payload) -> None:
    """What a codec does first with a payload: what lies in a store may be anybody's, and of any type.

    Raises:
        PayloadUnreadable: its encoding, bytes, size or key are not of the types that they should be.
    """
    for name, kind in _FIELDS:
        value = getattr(payload, name)
        if not isinstance(value, kind):
            raise PayloadUnreadable(
                f"this is not a payload: its {name} is of type {type(value).__name__}.",
                hint="The stored bytes were changed, or something else than this package wrote them.",
            )


class ValueCodec(ABC):
    """A codec that makes bytes of values. Subclass it, name it, and say how:

    ```python
    class JsonCodec(ValueCodec):
        name = "json"

        def pack(self, value):
            return json.dumps(value, sort_keys=True).encode()

        def unpack(self, data):
            return json.loads(data)
    ```

    What `unpack` gives is converted to the annotated type, so it need only be plain data.

    Args:
        payload_bytes_max: a value whose bytes are more is refused.

    Attributes:
        name: stored beside the bytes; one that a release has written is never given to another form. Without ``+``.
    """

    __slots__ = ("payload_bytes_max",)
    name: ClassVar[str]

    def __init__(self, *, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self.payload_bytes_max = payload_bytes_max

    @abstractmethod
    def pack(self, value: Any) -> bytes:
        """The bytes of a value that is not None. The same value must give the same bytes in every process.

        Raises:
            PayloadError: it cannot be encoded. What else this raises becomes one.
        """

    @abstractmethod
    def unpack(self, data: bytes) -> Any:
        """The value of bytes that `pack` made, as plain data at least.

        Raises:
            PayloadUnreadable: they are not the bytes of a value. What else this raises becomes one.
        """

    def bound_to(self, owner: str) -> Codec:
        """Itself: nothing in these bytes depends on whose they are."""
        return self

    def encode(self, value: Any) -> Payload:
        """Encode a value. The same value gives the same bytes, in every process.

        Raises:
            PayloadError: it holds something that cannot be encoded; the message names the path.
            PayloadTooLarge: it has more bytes than `payload_bytes_max`.
        """
        if value is None:
            return NO_VALUE
        try:
            data = self.pack(value)
        except PayloadError:
            raise
        except Exception as error:  # the subclass's code, or the value's own
            raise PayloadError(
                f"{ROOT}: a value of type {type(value).__name__} cannot be encoded as {self.name!r} "
                f"({type(error).__name__}: {error!s:.200}).",
                hint="Pass plain data; keep live objects inside activities.",
            ) from error
        if len(data) > self.payload_bytes_max:
            raise self.too_large(value, len(data))
        return Payload(self.name, data, sha256(data).digest(), len(data))

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """Decode a payload to the annotated type (`Any`: to plain data).

        Raises:
            PayloadUnreadable: the bytes are missing, or are no value that this codec wrote.
            PayloadError: they do not fit the type; the message names the path.
        """
        data = payload.data
        if (
            type(data) is bytes
            and payload.encoding == self.name
            and payload.key_id is None
            and type(payload.size) is int
        ):
            return self.convert(self._read(data), type_)  # nearly every one: a replay decodes thousands
        check_fields(payload)
        return self.convert(None if payload.encoding == NO_VALUE.encoding else self._unpacked(payload), type_)

    def can_read(self, encoding: str) -> bool:
        """See `Codec.can_read`."""
        return encoding in (NO_VALUE.encoding, self.name)

    def convert(self, value: Any, type_: Any) -> Any:
        """Plain decoded data to the annotated type; validates a value that is of that type already.

        Raises:
            PayloadError: the value does not fit; the message names the path.
        """
        return convert(value, type_)

    def too_large(self, value: Any, size: int) -> PayloadTooLarge:
        """The error for a value of so many bytes."""
        return PayloadTooLarge(
            f"the encoded value has {size:,} bytes, {self.payload_bytes_max:,} are allowed.",
            hint="Keep large data elsewhere and pass a reference to it.",
        )

    def _unpacked(self, payload: Payload) -> Any:
        if payload.data is None:
            place = "of a large payload are not in the store" if payload.reference else "of this payload were erased"
            raise PayloadUnreadable(f"the {payload.size:,} bytes {place}.")
        if payload.encoding != self.name:
            raise PayloadUnreadable(
                f"this payload is encoded as {payload.encoding!r}; this codec reads {self.name!r}.",
                hint="Give the app the codec that wrote it: Nexus(…, codec=…).",
            )
        return self._read(payload.data)

    def _read(self, data: bytes) -> Any:
        try:
            return self.unpack(data)
        except PayloadUnreadable:
            raise
        except Exception as error:  # bytes that are not its own fail in too many ways to list
            raise PayloadUnreadable(
                f"{ROOT}: these {len(data):,} bytes are not a value ({type(error).__name__}: {error!s:.200}).",
                hint="The stored bytes were changed or cut, or a newer version wrote them.",
            ) from error
