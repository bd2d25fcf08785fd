"""The codec of every app: a user's values to payloads and back, as msgpack.

The one rule: what is encoded comes back equal, or is refused with the place that stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX, ValueCodec
from nexus_sdk.codec.custom import NO_TYPES, CustomTypes, TypeCodec
from nexus_sdk.codec.paths import ROOT, explain, largest_part
from nexus_sdk.errors import PayloadTooLarge, PayloadUnreadable

MSGPACK = "msgpack"


class MsgpackCodec(ValueCodec):
    """The default `Codec`.

    Without an annotation these come back exactly: None, bool, int, float, complex, str, bytes, list, dict, tuple, set,
    frozenset, range, datetime (naive, aware, with its zone), date, time, timedelta, Decimal, Fraction, UUID, paths,
    secrets, and the classes of `types`. Dataclasses, pydantic models and attrs classes come back as dicts that know
    their class, enums as their values, NamedTuples as tuples, subclasses and other containers as the plain type; and
    all of them as themselves where an annotation names them, or a base, or a union with them in it.

    In a union, an object is the member of its class; a value that an enum beside it has is that enum. Pydantic decides
    the order of a TypedDict's keys, and that a `collections.abc.Set` is a frozenset.

    Nothing that is not a field is written: private attributes of models, cached properties, whatever `__post_init__`
    sets beside the fields. Models are validated again when they are read, so a validator must accept what it made.

    Args:
        payload_bytes_max: a value whose bytes are more is refused.
        allow_secrets: whether secrets are written. Only a codec that encrypts the bytes should.
        types: how values of further classes are written.

    Raises:
        DefinitionError: two of the `types` have one name or one class.
    """

    __slots__ = ("allow_secrets", "types")
    name = MSGPACK

    def __init__(
        self,
        *,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
        allow_secrets: bool = False,
        types: Iterable[TypeCodec[Any]] = (),
    ) -> None:
        super().__init__(payload_bytes_max=payload_bytes_max)
        self.allow_secrets = allow_secrets
        self.types = CustomTypes(types, exact=plain.comes_back_exactly) if types else NO_TYPES

    def pack(self, value: Any) -> bytes:
        """See `ValueCodec.pack`. The error names the place in the value."""
        try:
            return plain.pack(value, types=self.types, allow_secrets=self.allow_secrets)
        except Exception as error:  # msgpack's, ours, or the value's own code's: all mean that it cannot be encoded
            raise explain(value, error, types=self.types, allow_secrets=self.allow_secrets) from error

    def unpack(self, data: bytes) -> Any:
        """See `ValueCodec.unpack`."""
        try:
            return plain.unpack(data, types=self.types)
        except plain.NotRestored as error:
            raise PayloadUnreadable(
                f"{ROOT}: {error.reason}.",
                hint="Give the app the codec that wrote it: MsgpackCodec(types=[…]). "
                "What to_plain ever made, from_plain must take.",
            ) from error

    def too_large(self, value: Any, size: int) -> PayloadTooLarge:
        """See `ValueCodec.too_large`. The error names the largest part."""
        error = super().too_large(value, size)
        path, part = largest_part(value, types=self.types, allow_secrets=self.allow_secrets)
        where = "" if path == ROOT else f" {path} has {part:,} of them."
        return PayloadTooLarge(f"{error.message}{where}", hint=error.hint)
