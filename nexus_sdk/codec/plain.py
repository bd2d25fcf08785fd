"""Python values to msgpack bytes and back. The one rule: what msgpack would lose, an extension keeps.

Three tables say everything. `extensions`: types that msgpack does not know and that come back exactly, even where
nobody says which type is expected. `plainer`: types that are written as a plainer value (a dataclass as a map of its
fields, an enum as its value); an annotation brings them back (see `conversion`). `custom`: what a user taught the
codec. What no table knows is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

from nexus_sdk.codec.custom import NO_TYPES, CustomTypes, TypeCodec
from nexus_sdk.codec.depth import DEPTH_MAX, check_bytes, check_value, is_flat, refuse_depth
from nexus_sdk.codec.extensions import CUSTOM_CODE, EXTENSIONS, READERS
from nexus_sdk.codec.plainer import KIND_CODE, KIND_READ, Fields, Refused, simplifier

_NATIVE = frozenset({type(None), bool, int, float, str, bytes, list, dict, msgpack.ExtType})
_LOOK_EVERY = 8
"""Between so many extensions within each other msgpack may recurse through lists as deep as it likes: some thousand
levels, which every stack has room for."""
_KIND_BYTES = b"\xd4\x0c\x00"
"""How `KIND` is written: without these bytes there is no object to look for."""


_SCALARS = frozenset(
    bytes([first])
    for firsts in (
        range(0x80),
        range(0xA0, 0xC1),
        range(0xC2, 0xC7),
        range(0xCA, 0xD4),
        range(0xD9, 0xDC),
        range(0xE0, 0x100),
    )
    for first in firsts
)
"""How nil, booleans, numbers, text and bytes begin, which hold nothing else."""


class NotRestored(Refused):
    """What a `TypeCodec` wrote cannot be made into an object: there is none of that name, or its function raises."""


def pack(value: Any, *, types: CustomTypes = NO_TYPES, allow_secrets: bool = False) -> bytes:
    """The bytes of a value. The same value gives the same bytes in every process.

    Raises:
        Refused: it holds something that cannot be written. Other exceptions of msgpack, and of the value's own code,
            pass as they are; `paths.explain` makes sense of all of them.
    """
    packing = _Packing(types, allow_secrets)
    data = packing.pack(value)
    if packing.has_doubtful_key:
        _check_keys(data)
    if not is_flat(data) and (packing.has_nested or not check_bytes(data)):
        check_value(look(data) if packing.has_object else value)
    return data


def unpack(data: bytes, *, types: CustomTypes = NO_TYPES) -> Any:
    """The value that `pack` wrote; dataclasses and models come back as `Fields`, enums as their values.

    Raises:
        ValueError, TypeError, Refused: these are not the bytes of a value.
    """
    return msgpack.unpackb(data) if data[:1] in _SCALARS else _unpack(data, types)


def look(data: bytes) -> Any:
    """The same for those who only look: what a `TypeCodec` wrote comes back `Unread`, whatever its name."""
    return _unpack(data, None)


class Unread:
    """What a `TypeCodec` wrote, not made into an object: equal when the bytes are."""

    __slots__ = ("data", "name", "plain")

    def __init__(self, name: str, plain: Any, data: bytes) -> None:
        self.name = name
        self.plain = plain
        self.data = data

    def __repr__(self) -> str:
        return f"{self.name}({self.plain!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unread) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)


def is_extension(kind: type) -> bool:
    """Whether values of exactly this class are written as an extension, and come back exactly."""
    return kind in EXTENSIONS


def comes_back_exactly(kind: type) -> bool:
    """Whether values of exactly this class need no annotation and no `TypeCodec`."""
    return kind in EXTENSIONS or kind in _NATIVE


def plain_of(value: Any, codec: TypeCodec[Any]) -> Any:
    """What a `TypeCodec` writes of a value.

    Raises:
        Refused: its function raises.
    """
    try:
        return codec.to_plain(value)
    except Exception as error:  # the user's function may raise anything
        raise Refused(f"to_plain of the TypeCodec {codec.name!r} raises {type(error).__name__}: {error}") from error


def codec_of(kind: type, types: CustomTypes) -> TypeCodec[Any] | None:
    """The `TypeCodec` for values of a class, or None.

    Raises:
        Refused: only a base of it has one, which takes no subclasses.
    """
    try:
        return types.of(kind)
    except TypeError as error:
        raise Refused(str(error)) from None


# --- writing ----------------------------------------------------------------------------------------------------------


class _Packing:
    """One call of `pack`: what it may write, how deep it is, and what it met that needs another look."""

    depth = 0
    has_nested = False
    has_object = False
    has_doubtful_key = False

    def __init__(self, types: CustomTypes, allow_secrets: bool) -> None:
        self.types = types
        self.allow_secrets = allow_secrets

    def pack(self, value: Any) -> bytes:
        # Nearly every value is small; by default each call has the system map, and take back, a quarter of a megabyte.
        packed: bytes = msgpack.Packer(default=self.write, strict_types=True, buf_size=256).pack(value)
        return packed

    def nest(self, value: Any) -> bytes:
        if self.depth >= DEPTH_MAX:
            raise refuse_depth()
        self.has_nested = True
        self.depth += 1
        if self.depth % _LOOK_EVERY == 0:
            check_value(value)
        try:
            return self.pack(value)
        finally:
            self.depth -= 1

    def write(self, value: Any) -> Any:
        """What msgpack asks for each value that it cannot write by itself."""
        while True:
            kind = type(value)
            extension = EXTENSIONS.get(kind)
            if extension is not None:
                code, data_of = extension
                return msgpack.ExtType(code, data_of(self, value))
            self.has_object = True
            if self.types.by_type and (codec := codec_of(kind, self.types)) is not None:
                return msgpack.ExtType(CUSTOM_CODE, self.nest([codec.name, plain_of(value, codec)]))
            simplify, is_doubtful_key = simplifier(kind)  # type: ignore[arg-type]  # classes are hashable
            value = simplify(value)
            if is_doubtful_key:
                self.has_doubtful_key = True
            if type(value) in _NATIVE and not (type(value) is int and not -(2**63) <= value < 2**64):
                return value


def _check_keys(data: bytes) -> None:
    """Objects may be keys of a dict, or members of a set, where what they are written as may not or is not unique."""
    try:
        reading = _Unpacking(None, None)
        reading.pairs = _distinct
        reading.unpack(data)
    except TypeError as error:
        raise Refused("an object that is written as a dict or list cannot be a key, or a member of a set") from error


def _distinct(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    pairs = list(pairs)
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Refused("two keys of a dict become equal when they are written")
    return made


# --- reading ----------------------------------------------------------------------------------------------------------


def _unpack(data: bytes, types: CustomTypes | None) -> Any:
    reading = _Unpacking(types, _object if _KIND_BYTES in data else None)
    value = reading.unpack(data)
    if not is_flat(data) and (reading.has_nested or not check_bytes(data)):
        check_value(value)
    return value


class _Unpacking:
    """One call of `unpack`: what it may read, and how deep it is."""

    pairs: Any = None
    depth = 0
    has_nested = False

    def __init__(self, types: CustomTypes | None, hook: Any) -> None:
        self.types = types
        self.hook = hook

    def unpack(self, data: bytes) -> Any:
        return msgpack.unpackb(
            data,
            ext_hook=self.read,
            object_hook=self.hook,
            object_pairs_hook=self.pairs,
            strict_map_key=False,
            timestamp=3,
        )

    def nested(self, data: bytes) -> Any:
        if self.depth >= DEPTH_MAX:
            raise refuse_depth()
        self.has_nested = True
        self.depth += 1
        try:
            return self.unpack(data)
        finally:
            self.depth -= 1

    def read(self, code: int, data: bytes) -> Any:
        if code == KIND_CODE:  # the most frequent by far
            return KIND_READ
        reader = READERS.get(code)
        if reader is None:
            raise Refused(f"unknown extension {code}: a newer version wrote this value")
        return reader(self, data)

    def custom(self, data: bytes) -> Any:
        name, plain = self.nested(data)
        check_value(plain)
        if self.types is None:
            return Unread(name, plain, data)
        codec = self.types.by_name.get(name)
        if codec is None:
            known = ", ".join(map(repr, self.types.by_name)) or "none"
            raise NotRestored(f"it holds a {name!r}, and this codec has no TypeCodec of that name (it has {known})")
        try:
            return codec.from_plain(plain)
        except Exception as error:  # the user's function may raise anything
            raise NotRestored(f"from_plain of the TypeCodec {name!r} raises {type(error).__name__}: {error}") from error


def _object(values: dict[Any, Any]) -> Any:
    kind = values.pop(KIND_READ, None)
    if kind is None:
        return values
    made = Fields(values)
    made.kind = kind
    return made
