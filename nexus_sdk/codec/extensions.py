"""Types that msgpack does not know and that come back exactly, annotated or not: one row each, written and read.

The one rule: a code means the same for ever. Codes 1 to 11 are those of the first release; 12 is `plainer.KIND`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol
from uuid import UUID

import msgpack

from nexus_sdk.codec.plainer import Refused
from nexus_sdk.codec.secret import PydanticSecret, Secret

DIGITS_MAX = 4_300
"""Digits of an int, a Decimal or either part of a Fraction: more than these Python itself would not print."""
EXPONENT_MAX = 10_000
"""A Decimal's exponent, either way: a larger one makes a few bytes into a number that fills the memory."""

_INTEGER_BYTES_MAX = (10**DIGITS_MAX).bit_length() // 8 + 1
_USUAL = 100
"""Characters of a number that need no look at its digits."""
_SECOND = "~"
"""Marks the second of two equal wall-clock times, where clocks are put back (`fold`)."""

(_TUPLE, _SET, _FROZENSET, _DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _INTEGER, _PATH) = range(1, 12)
(_COMPLEX, _FRACTION, _RANGE, _POSIX_PATH, _WINDOWS_PATH, _SECRET, _PYDANTIC_SECRET, CUSTOM_CODE) = range(13, 21)


class Packing(Protocol):
    """What a writer may ask of the call of `pack` that it serves."""

    allow_secrets: bool

    def nest(self, value: Any) -> bytes:
        """The bytes of a part, one level deeper."""


class Unpacking(Protocol):
    """What a reader may ask of the call of `unpack` that it serves."""

    def nested(self, data: bytes) -> Any:
        """The value of a part's bytes, one level deeper."""

    def custom(self, data: bytes) -> Any:
        """The value that a `TypeCodec` wrote."""


def _members(packing: Packing, value: AbstractSet[Any]) -> bytes:
    # Sorted by their bytes: the order of a set differs from process to process.
    header: bytes = msgpack.Packer().pack_array_header(len(value))
    return header + b"".join(sorted(packing.nest(member) for member in value))


def _moment(packing: Packing, value: datetime | time) -> bytes:
    zone = getattr(value.tzinfo, "key", None)  # a ZoneInfo: its name says more than the offset
    return f"{value.isoformat()}{_SECOND * value.fold}{f'[{zone}]' if zone else ''}".encode()


def _integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    if len(data) > _INTEGER_BYTES_MAX or abs(value) >= 10**DIGITS_MAX:
        raise Refused(f"the number has more than {DIGITS_MAX:,} digits")
    return data


def _decimal(packing: Packing, value: Decimal) -> bytes:
    data = str(value).encode()
    if len(data) > _USUAL or b"E" in data:
        _check_decimal(value)
    return data


def _check_decimal(value: Decimal) -> None:
    _, digits, exponent = value.as_tuple()
    if len(digits) > DIGITS_MAX:
        raise Refused(f"the number has more than {DIGITS_MAX:,} digits")
    if isinstance(exponent, int) and abs(exponent) > EXPONENT_MAX:
        raise Refused(f"the number's exponent is beyond {EXPONENT_MAX:,}")


def _fraction(packing: Packing, value: Fraction) -> bytes:
    data: bytes = msgpack.packb([_integer(value.numerator), _integer(value.denominator)])
    return data


def _range(packing: Packing, value: range) -> bytes:
    data: bytes = msgpack.packb([_integer(value.start), _integer(value.stop), _integer(value.step)])
    return data


def _secret(packing: Packing, value: Any) -> bytes:
    if not packing.allow_secrets:
        raise Refused("a secret is not written in clear, and this codec does not encrypt")
    return packing.nest(value)


EXTENSIONS: Mapping[type, tuple[int, Callable[[Any, Any], bytes]]] = {
    tuple: (_TUPLE, lambda packing, value: packing.nest(list(value))),
    set: (_SET, _members),
    frozenset: (_FROZENSET, _members),
    datetime: (_DATETIME, _moment),
    date: (_DATE, lambda packing, value: value.isoformat().encode()),
    time: (_TIME, _moment),
    timedelta: (_TIMEDELTA, lambda packing, value: msgpack.packb([value.days, value.seconds, value.microseconds])),
    Decimal: (_DECIMAL, _decimal),
    UUID: (_UUID, lambda packing, value: value.bytes),
    int: (_INTEGER, lambda packing, value: _integer(value)),  # only those beyond 64 bits come here
    type(Path()): (_PATH, lambda packing, value: str(value).encode("utf-8", "surrogateescape")),
    complex: (_COMPLEX, lambda packing, value: struct.pack(">dd", value.real, value.imag)),
    Fraction: (_FRACTION, _fraction),
    range: (_RANGE, _range),
    PurePosixPath: (_POSIX_PATH, lambda packing, value: str(value).encode("utf-8", "surrogateescape")),
    PureWindowsPath: (_WINDOWS_PATH, lambda packing, value: str(value).encode("utf-8", "surrogateescape")),
    Secret: (_SECRET, lambda packing, value: _secret(packing, value.reveal())),
    PydanticSecret: (_PYDANTIC_SECRET, lambda packing, value: _secret(packing, [value.kind, value.value])),
}
"""By the exact class of a value."""


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_moment(kind: type[datetime] | type[time], data: bytes) -> datetime | time:
    text, _, zone = data.decode().partition("[")
    moment = kind.fromisoformat(text.removesuffix(_SECOND))
    if text.endswith(_SECOND):
        moment = moment.replace(fold=1)
    if not zone:
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = zone.removesuffix("]")
    try:
        place = ZoneInfo(name)
    except ZoneInfoNotFoundError:
        if moment.tzinfo is None:  # a time of day in a zone has no offset of its own
            raise Refused(f"this machine does not know the time zone {name!r}") from None
        return moment  # the offset is right for this moment
    there = moment.replace(tzinfo=place)
    if isinstance(moment, time) or there.utcoffset() == moment.utcoffset():
        return there
    return moment.astimezone(place)  # the rules of the zone have changed since: the moment stays, the wall clock moves


def _read_integer(data: bytes) -> int:
    if len(data) > _INTEGER_BYTES_MAX:
        raise Refused(f"a number has more than {DIGITS_MAX:,} digits")
    return int.from_bytes(data, "big", signed=True)


def _read_decimal(data: bytes) -> Decimal:
    if len(data) > DIGITS_MAX + 40:
        raise Refused(f"a number has more than {DIGITS_MAX:,} digits")
    value = Decimal(data.decode())
    if len(data) > _USUAL or b"E" in data:
        _check_decimal(value)
    return value


def _read_set(unpacking: Unpacking, data: bytes, kind: type[set[Any]] | type[frozenset[Any]]) -> Any:
    members = unpacking.nested(data)
    made = kind(members)
    if len(made) != len(members):
        raise Refused("two members of a set become equal when they are written")
    return made


READERS: Mapping[int, Callable[[Any, bytes], Any]] = {
    _TUPLE: lambda unpacking, data: tuple(unpacking.nested(data)),
    _SET: lambda unpacking, data: _read_set(unpacking, data, set),
    _FROZENSET: lambda unpacking, data: _read_set(unpacking, data, frozenset),
    _DATETIME: lambda unpacking, data: _read_moment(datetime, data),
    _DATE: lambda unpacking, data: date.fromisoformat(data.decode()),
    _TIME: lambda unpacking, data: _read_moment(time, data),
    _TIMEDELTA: lambda unpacking, data: timedelta(*msgpack.unpackb(data)),
    _DECIMAL: lambda unpacking, data: _read_decimal(data),
    _UUID: lambda unpacking, data: UUID(bytes=data),
    _INTEGER: lambda unpacking, data: _read_integer(data),
    _PATH: lambda unpacking, data: Path(data.decode("utf-8", "surrogateescape")),
    _COMPLEX: lambda unpacking, data: complex(*struct.unpack(">dd", data)),
    _FRACTION: lambda unpacking, data: Fraction(*map(_read_integer, msgpack.unpackb(data))),
    _RANGE: lambda unpacking, data: range(*map(_read_integer, msgpack.unpackb(data))),
    _POSIX_PATH: lambda unpacking, data: PurePosixPath(data.decode("utf-8", "surrogateescape")),
    _WINDOWS_PATH: lambda unpacking, data: PureWindowsPath(data.decode("utf-8", "surrogateescape")),
    _SECRET: lambda unpacking, data: Secret(unpacking.nested(data)),
    CUSTOM_CODE: lambda unpacking, data: unpacking.custom(data),
    _PYDANTIC_SECRET: lambda unpacking, data: PydanticSecret(*unpacking.nested(data)).restored(),
}
