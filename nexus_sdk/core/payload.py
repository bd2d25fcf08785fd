"""A payload is a user's value on its way through storage: never bare bytes, encoded once, decoded where looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from nexus_sdk.core.frozen import quick

APART = "apart"
"""The `Payload.reference` of bytes that the store keeps apart."""


@quick
@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded value.

    Attributes:
        encoding: the codec chain that made the bytes, e.g. ``msgpack``; empty for "no value" (None).
        data: the bytes; None when they were erased or lie under `reference`.
        digest: sha-256 of the encoded bytes. The hash chain of a history covers this, not the bytes.
        size: bytes, of the encoded value.
        schema: a name for the value's shape, for readers in other languages.
        key_id: the key it is encrypted with.
        reference: `APART` when the bytes are too large to travel with the history and lie among the instance's blobs,
            under their digest.
    """

    encoding: str
    data: bytes | None
    digest: bytes
    size: int
    schema: str | None = None
    key_id: str | None = None
    reference: str | None = None


DETAILS = "nexus:details"
"""What the details of failures are bound to: they travel from instance to instance with their failure."""


class Codec(Protocol):
    """Values to payloads and back. Pure: the same value, bound to the same owner, gives the same bytes."""

    def bound_to(self, owner: str) -> Codec:
        """This codec for the values of one instance (its id), or for `DETAILS`.

        A codec that encrypts or seals binds the bytes to the owner, so that they cannot be passed off as another's.
        Others return themselves.
        """

    def encode(self, value: Any) -> Payload:
        """Encode a value.

        Raises:
            PayloadError: it holds something that cannot be encoded; the message names the path.
        """

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """Decode a payload to the annotated type (`Any`: to plain data).

        Raises:
            PayloadError: the bytes do not fit the type; the message names the path.
        """

    def can_read(self, encoding: str) -> bool:
        """Whether `decode` would take payloads of this encoding, as far as can be told without one."""

    def convert(self, value: Any, type_: Any) -> Any:
        """Plain decoded data to the annotated type; validates a value that is of that type already.

        Raises:
            PayloadError: the value does not fit; the message names the path.
        """
