"""Values that nothing but Python can say: pickled by cloudpickle, under a seal. Opt-in, and never on the default path.

Loading a pickle runs whatever its writer wanted. So nothing is loaded before its seal was checked: an HMAC-SHA256 by a
secret key over the bytes and the instance that they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac
from io import BytesIO
from typing import Any

from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX
from nexus_sdk.codec.keys import Keyring, keyring_of
from nexus_sdk.codec.secret import is_secret_class
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.errors import PayloadError, PayloadTooLarge, PayloadUnreadable, SealBroken

CLOUDPICKLE = "cloudpickle"
_SEAL_BYTES = 32


class CloudpickleCodec:
    """Writes what `values` refuses as a sealed pickle: functions, locks of your own making, live objects of any class.

    What `values` takes is written by it, and reads without any pickle. Who has the key can run code in every worker
    and client of the app: keep it as you keep a deployment key. Pickles tie histories to the versions of the classes in
    them.

    Args:
        keys: a `Keyring`, or keys of 32 bytes by id.
        primary: the id of the key to seal with, where `keys` is a mapping with several.
        values: what makes bytes of ordinary values; msgpack by default.
        payload_bytes_max: a pickle with more bytes is refused.

    Raises:
        DefinitionError: the keys are no keys.
    """

    __slots__ = ("_keyring", "_owner", "_values", "payload_bytes_max")

    def __init__(
        self,
        keys: Keyring | Mapping[str, bytes],
        *,
        primary: str | None = None,
        values: Codec | None = None,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
    ) -> None:
        self._keyring = keyring_of(keys, primary)
        self._owner = ""
        self._values: Codec = values if values is not None else MsgpackCodec()
        self.payload_bytes_max = payload_bytes_max

    def bound_to(self, owner: str) -> CloudpickleCodec:
        """See `Codec.bound_to`."""
        bound = CloudpickleCodec(
            self._keyring, values=self._values.bound_to(owner), payload_bytes_max=self.payload_bytes_max
        )
        bound._owner = owner
        return bound

    def encode(self, value: Any) -> Payload:
        """See `Codec.encode`. Pickles of equal values may differ from process to process.

        Raises:
            PayloadError: no pickle can hold it either, or it holds a secret: a seal does not hide what is in a pickle.
        """
        try:
            return self._values.encode(value)
        except PayloadTooLarge:
            raise
        except PayloadError as refused:
            return self._pickled(value, refused)

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """See `Codec.decode`. A pickled value is itself already: it is validated against the type.

        Raises:
            KeyMissing: it was sealed with a key that is not among ours.
            SealBroken: the seal does not fit: nothing was loaded.
            PayloadUnreadable: it cannot be loaded here: a module or class is missing, for example.
        """
        if payload.encoding != CLOUDPICKLE:
            return self._values.decode(payload, type_)
        return self._values.convert(self._loaded(payload), type_)

    def can_read(self, encoding: str) -> bool:
        """See `Codec.can_read`."""
        return encoding == CLOUDPICKLE or self._values.can_read(encoding)

    def convert(self, value: Any, type_: Any) -> Any:
        """See `Codec.convert`."""
        return self._values.convert(value, type_)

    def _pickled(self, value: Any, refused: PayloadError) -> Payload:
        try:
            pickled = _pickle(value)
        except PayloadError:
            raise
        except Exception as error:  # the value's own code, or a thing that no pickle can hold
            raise PayloadError(
                f"{refused.message} cloudpickle cannot write it either ({type(error).__name__}).", hint=refused.hint
            ) from error
        if len(pickled) > self.payload_bytes_max:
            raise PayloadTooLarge(
                f"the pickled value has {len(pickled):,} bytes, {self.payload_bytes_max:,} are allowed.",
                hint="Keep large data elsewhere and pass a reference to it.",
            )
        key_id = self._keyring.primary
        name = key_id.encode()
        data = bytes([len(name)]) + name + self._seal(key_id, pickled) + pickled
        return Payload(CLOUDPICKLE, data, sha256(data).digest(), len(data), key_id=key_id)

    def _loaded(self, payload: Payload) -> Any:
        if payload.data is None:
            return self._values.decode(payload)  # says what became of the bytes
        # The key's id stands in the bytes: a link behind this codec has an id of its own for the payload.
        length = payload.data[0] if payload.data else 0
        key_id = payload.data[1 : 1 + length].decode("utf-8", "replace")
        sealed = payload.data[1 + length :]
        seal, pickled = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not compare_digest(seal, self._seal(key_id, pickled)):
            raise SealBroken(
                f"the seal of a pickle of {self._owner!r} does not fit ({payload.size:,} bytes, key "
                f"{key_id!r:.80}): it was altered, or sealed for another instance or with another key. "
                "It was not loaded.",
                hint="Compare the keys of all workers and clients; restore the store from a backup if it was altered.",
            )
        import cloudpickle

        try:
            return cloudpickle.loads(pickled)
        except Exception as error:  # whatever the classes in it raise
            raise PayloadUnreadable(
                f"a pickled value cannot be loaded here ({type(error).__name__}: {error!s:.200}).",
                hint="Deploy the code that wrote it, or the versions of the packages that did.",
            ) from error

    def _seal(self, key_id: str, pickled: bytes) -> bytes:
        return hmac(self._keyring.derived(key_id, b"pickle", self._owner), pickled, "sha256")

    def __repr__(self) -> str:
        return f"CloudpickleCodec({self._keyring!r})"


def _pickle(value: Any) -> bytes:
    """What cloudpickle makes of a value.

    Raises:
        PayloadError: there is a secret in it: a seal hides nothing.
    """
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, part: Any) -> Any:
            if is_secret_class(type(part)):
                raise PayloadError(
                    f"a secret ({type(part).__name__}) is in what only a pickle can hold, and a seal hides nothing.",
                    hint="Pass it in a value of its own, by a codec that encrypts.",
                )
            return super().reducer_override(part)

    written = BytesIO()
    Pickler(written).dump(value)
    return written.getvalue()
