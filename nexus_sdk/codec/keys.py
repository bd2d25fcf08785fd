"""Keys by id: one that new payloads are written with, and older ones that stay readable."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import lru_cache
from hmac import digest as hmac

from nexus_sdk.errors import DefinitionError, KeyMissing

KEY_BYTES = 32
KEY_ID_CHARACTERS_MAX = 64
_EXAMPLE = 'python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'


class Keyring:
    """Secret keys of 32 bytes by id. To rotate: add the new key everywhere, then make it the primary one.

    Args:
        keys: by id.
        primary: the id of the key that new payloads are written with; the only one by default.

    Raises:
        DefinitionError: no key, one of another length, or a primary that is not among them.
    """

    __slots__ = ("_keys", "primary")

    def __init__(self, keys: Mapping[str, bytes], *, primary: str | None = None) -> None:
        if not isinstance(keys, Mapping) or not keys:
            raise DefinitionError("a keyring takes keys by id: {'2026-01': 32 bytes}.", hint=f"Make one: {_EXAMPLE}")
        for id, key in keys.items():
            _check(id, key)
        if primary is None:
            if len(keys) > 1:
                raise DefinitionError(
                    f"which of the keys {_listed(keys)} writes? Name it: primary=….",
                    hint="The others stay readable.",
                )
            primary = next(iter(keys))
        if primary not in keys:
            raise DefinitionError(f"the id of the primary key is one of {_listed(keys)}, got {_shown(primary)}.")
        self._keys = {id: bytes(key) for id, key in keys.items()}
        self.primary = primary

    @classmethod
    def from_environment(cls, name: str = "NEXUS_KEYS") -> Keyring:
        """The keys of an environment variable: ``id=base64`` and more of them after commas; the first one writes.

        Raises:
            DefinitionError: it is not set, or is no such list. Its text is never shown.
        """
        text = os.environ.get(name, "").strip()
        if not text:
            raise DefinitionError(
                f"the environment variable {name} is not set.",
                hint=f"Set it to id=base64 of 32 random bytes. Make one: {_EXAMPLE}",
            )
        keys: dict[str, bytes] = {}
        for number, part in enumerate(text.split(","), start=1):
            id, is_there, encoded = part.strip().partition("=")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not is_there or len(key) != KEY_BYTES:
                raise DefinitionError(
                    f"part {number} of the environment variable {name} is not id=base64 of {KEY_BYTES} bytes.",
                    hint=f"Make one: {_EXAMPLE}",
                )
            if id in keys:
                raise DefinitionError(f"the environment variable {name} has two keys of one id.")
            keys[id] = key
        return cls(keys, primary=next(iter(keys)))

    def derived(self, key_id: str, purpose: bytes, owner: str) -> bytes:
        """32 bytes for one purpose and owner, made of a key. They tell nothing of it.

        Raises:
            KeyMissing: there is no key of this id.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise KeyMissing(
                f"a payload was written with the key {key_id!r:.80}; this app has {_listed(self._keys)}.",
                hint="Add that key to the codec of this app; the instance goes on when it is resumed.",
            )
        return _derived(key, purpose, owner)

    def __repr__(self) -> str:
        return f"<keyring of {_listed(self._keys)}, {self.primary!r} writes>"


def keyring_of(keys: Keyring | Mapping[str, bytes], primary: str | None) -> Keyring:
    """What a codec was given as its keys, as a keyring."""
    if isinstance(keys, Keyring):
        if primary is not None:
            raise DefinitionError("a keyring knows its primary key already: leave primary= away.")
        return keys
    return Keyring(keys, primary=primary)


@lru_cache(maxsize=4096)
def _derived(key: bytes, purpose: bytes, owner: str) -> bytes:
    return hmac(key, b"nexus-sdk\0" + purpose + b"\0" + owner.encode("utf-8", "surrogatepass"), "sha256")


def _check(id: object, key: object) -> None:
    is_id = isinstance(id, str) and 0 < len(id) <= KEY_ID_CHARACTERS_MAX and id.isprintable() and id.isascii()
    if not is_id:
        raise DefinitionError(
            f"the id of a key is 1 to {KEY_ID_CHARACTERS_MAX} printable ASCII characters, got {_shown(id)}."
        )
    if not isinstance(key, bytes | bytearray) or len(key) != KEY_BYTES:
        found = f"{len(key)} bytes" if isinstance(key, bytes | bytearray) else f"a {type(key).__name__}"
        raise DefinitionError(
            f"the key {id!r} has {found}; a key is {KEY_BYTES} random bytes.", hint=f"Make one: {_EXAMPLE}"
        )


def _shown(id: object) -> str:
    """What was given as an id. Bytes may be the key itself."""
    return f"{id!r:.80}" if isinstance(id, str) else f"a {type(id).__name__}"


def _listed(keys: Mapping[str, bytes]) -> str:
    return ", ".join(map(repr, keys))
