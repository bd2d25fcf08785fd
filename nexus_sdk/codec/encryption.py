"""Encryption: a link of a codec chain. AES-256-GCM; needs the extra ``encryption``.

Each instance has a key of its own, made of the keyring's, and the authentication covers the instance's id, the key's id
and what the bytes are: a payload that is moved to another instance does not open. The nonce is made of the value
(by a keyed hash), not drawn: a codec is pure, so equal values of one instance give equal bytes, and a replay comes to
the bytes that it recorded. What that shows is which values of one instance are equal, and nothing between instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hmac import digest as hmac
from typing import Any

from nexus_sdk.codec.keys import Keyring, keyring_of
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import DefinitionError, SealBroken

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Encryption:
    """Encrypts payloads: arguments, results, events, details, custom statuses.

    Not encrypted: names, ids, attributes, times, None, and the messages and tracebacks of failures.

    Args:
        keys: a `Keyring`, or keys of 32 bytes by id.
        primary: the id of the key to write with, where `keys` is a mapping with several.
        reads_plain: also read payloads that are not encrypted: while instances live on that were started before
            encryption was switched on. Whoever can write to the store can then pass off values of his own.

    Raises:
        DefinitionError: the extra ``encryption`` is not installed, or the keys are no keys.
    """

    __slots__ = ("_keyring", "is_required")
    name = "aes-gcm"
    hides = True

    def __init__(
        self, keys: Keyring | Mapping[str, bytes], *, primary: str | None = None, reads_plain: bool = False
    ) -> None:
        try:
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
        except ImportError:
            raise DefinitionError(
                "Encryption needs the package 'cryptography'.", hint='pip install "nexus-sdk[encryption]"'
            ) from None
        self._keyring = keyring_of(keys, primary)
        self.is_required = not reads_plain

    def apply(self, payload: Payload, owner: str) -> tuple[bytes, str | None] | None:
        """See `Link.apply`."""
        assert payload.data is not None
        key_id = self._keyring.primary
        bound = _bound(payload, key_id, owner)
        nonce_key = self._keyring.derived(key_id, b"nonce", owner)
        nonce = hmac(nonce_key, len(bound).to_bytes(4, "big") + bound + payload.data, "sha256")[:_NONCE_BYTES]
        cipher = _cipher(self._keyring.derived(key_id, b"data", owner))
        return _FORMAT + nonce + cipher.encrypt(nonce, payload.data, bound), key_id

    def undo(self, payload: Payload, owner: str) -> bytes:
        """See `Link.undo`.

        Raises:
            KeyMissing: the key is not among ours.
            SealBroken: the bytes were altered, or belong to another instance.
        """
        from cryptography.exceptions import InvalidTag

        assert payload.data is not None
        key_id = payload.key_id or ""
        cipher = _cipher(self._keyring.derived(key_id, b"data", owner))
        data = memoryview(payload.data)
        nonce = bytes(data[1 : 1 + _NONCE_BYTES])
        try:
            if data[:1] != _FORMAT or len(data) < 1 + _NONCE_BYTES + _TAG_BYTES:
                raise InvalidTag
            opened: bytes = cipher.decrypt(nonce, data[1 + _NONCE_BYTES :], _bound(payload, key_id, owner))
        except InvalidTag:
            raise SealBroken(
                f"{payload.size:,} encrypted bytes of {owner!r} do not open with the key {key_id!r}: they were "
                "altered, belong to another instance, or were written with another key of that id.",
                hint="Compare the keys of all workers and clients; restore the store from a backup if it was altered.",
            ) from None
        return opened

    def __repr__(self) -> str:
        return f"Encryption({self._keyring!r})"


def _bound(payload: Payload, key_id: str, owner: str) -> bytes:
    """What the authentication covers besides the bytes. NUL stands between: ids and encodings hold none."""
    return "\0".join(("nexus-sdk", payload.encoding, key_id, owner)).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1024)
def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
