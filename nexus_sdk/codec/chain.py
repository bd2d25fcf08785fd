"""A chain of codecs: values become bytes, and the bytes go through links that compress or encrypt them.

    Nexus(…, codec=CodecChain(Compression(), Encryption(keys)))

A payload names the links that it went through (``msgpack+zlib+aes-gcm``), so what was written before a link was added
stays readable, unless the link forbids it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Protocol

from nexus_sdk.codec.base import NO_VALUE, check_fields
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.errors import DefinitionError, PayloadError, PayloadUnreadable


class Link(Protocol):
    """One transformation of bytes, and its reverse. Pure: the same bytes and owner give the same bytes.

    Attributes:
        name: what payloads that went through it are marked with; without ``+``.
        is_required: a payload that did not go through it is refused.
        hides: what comes out of it tells nothing of what went in, so that values may hold a `Secret`.
    """

    name: str
    is_required: bool
    hides: bool

    def apply(self, payload: Payload, owner: str) -> tuple[bytes, str | None] | None:
        """The new bytes and the id of the key that they need, if any; None to leave the payload as it is."""

    def undo(self, payload: Payload, owner: str) -> bytes:
        """The bytes that went in. `payload.encoding` is the chain that made those.

        Raises:
            PayloadUnreadable: they cannot be had.
        """


class CodecChain:
    """Encodes by `values`, then applies the links in order.

    None stays None: it goes through no link.

    Args:
        links: for example `Compression()`, `Encryption(keys)`: in this order, as encrypted bytes do not compress.
        values: what makes bytes of values; msgpack by default.

    Raises:
        DefinitionError: two links of one name, or something that is no link.
    """

    __slots__ = ("_links", "_owner", "_values")

    def __init__(self, *links: Link, values: Codec | None = None) -> None:
        _check(links)
        self._links = links
        self._owner = ""
        hides = any(link.hides for link in links)
        self._values: Codec = values if values is not None else MsgpackCodec(allow_secrets=hides)

    def bound_to(self, owner: str) -> CodecChain:
        """See `Codec.bound_to`."""
        bound = object.__new__(CodecChain)
        bound._links = self._links
        bound._owner = owner
        bound._values = self._values.bound_to(owner)
        return bound

    def encode(self, value: Any) -> Payload:
        """See `Codec.encode`."""
        payload = self._values.encode(value)
        if payload.encoding == NO_VALUE.encoding:
            return payload
        for link in self._links:
            try:
                made = link.apply(payload, self._owner)
            except PayloadError:
                raise
            except Exception as error:  # a link of the user's own
                raise PayloadError(_failed(link, error)) from error
            if made is not None:
                data, key_id = made
                payload = Payload(
                    f"{payload.encoding}+{link.name}",
                    data,
                    sha256(data).digest(),
                    len(data),
                    payload.schema,
                    key_id if key_id is not None else payload.key_id,
                )
        return payload

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """See `Codec.decode`.

        Raises:
            PayloadUnreadable: a link is not known here or cannot undo its work; the payload did not go through a link
                that is required; a key is missing or does not fit; it is none at all.
        """
        check_fields(payload)
        if payload.encoding == NO_VALUE.encoding:
            return self._values.decode(payload, type_)
        first, *names = payload.encoding.split("+")
        for link in self._links:
            if link.is_required and link.name not in names:
                raise PayloadUnreadable(
                    f"this payload is encoded as {payload.encoding!r}; this codec takes only what went through "
                    f"{link.name!r}.",
                    hint=f"Was it written before {type(link).__name__} was added? Let that read plain payloads, too.",
                )
        if names and payload.data is not None:
            payload = self._undone(payload, first, names)
        return self._values.decode(payload, type_)

    def can_read(self, encoding: str) -> bool:
        """See `Codec.can_read`."""
        if encoding == NO_VALUE.encoding:
            return True
        first, *names = encoding.split("+")
        links = self._went_through(names)
        is_whole = links is not None and all(link in links for link in self._links if link.is_required)
        return is_whole and self._values.can_read(first)

    def convert(self, value: Any, type_: Any) -> Any:
        """See `Codec.convert`."""
        return self._values.convert(value, type_)

    def _went_through(self, names: Sequence[str]) -> list[Link] | None:
        """The links of these names; None when there are others among them, or one twice, or in another order.

        Nothing is undone that `encode` would not have done: what lies in the store may be anybody's.
        """
        links = [link for link in self._links if link.name in names]
        return links if [link.name for link in links] == list(names) else None

    def _undone(self, payload: Payload, first: str, names: list[str]) -> Payload:
        links = self._went_through(names)
        if links is None:
            known = [link.name for link in self._links]
            strange = next((name for name in names if name not in known), None)
            raise PayloadUnreadable(
                f"this payload is encoded as {payload.encoding!r}; this app's codec has "
                + (f"no {strange!r}." if strange is not None else f"{', '.join(map(repr, known))}, in this order."),
                hint="Give the app the codec that wrote it: Nexus(…, codec=…).",
            )
        for number, link in reversed(list(enumerate(links))):
            inner = "+".join([first, *names[:number]])
            try:
                data = link.undo(replace(payload, encoding=inner), self._owner)
            except PayloadUnreadable:
                raise
            except Exception as error:  # a link of the user's own, or bytes of somebody else's
                raise PayloadUnreadable(_failed(link, error)) from error
            payload = replace(payload, encoding=inner, data=data, size=len(data), digest=sha256(data).digest())
        return payload

    def __repr__(self) -> str:
        return f"CodecChain({', '.join(map(repr, self._links))})"


def _failed(link: Link, error: Exception) -> str:
    return f"a payload does not go through the link {link.name!r} ({type(error).__name__}: {error!s:.200})."


def _check(links: Sequence[Link]) -> None:
    for link in links:
        if not all(hasattr(link, name) for name in ("name", "apply", "undo", "is_required", "hides")):
            raise DefinitionError(
                f"a codec chain takes links, such as Compression() and Encryption(keys), got {type(link).__name__}.",
                hint="What makes bytes of values goes in by name: CodecChain(…, values=…).",
            )
        if "+" in link.name:
            raise DefinitionError(f"the name of a link holds no '+', got {link.name!r:.60}.")
    names = [link.name for link in links]
    if len(set(names)) < len(names):
        raise DefinitionError(f"a codec chain has each link once, got {', '.join(names)}.")
