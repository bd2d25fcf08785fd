"""Values, failures and histories to bytes and back. The one rule: a byte that is written stays readable.

- `base`, `values`: a user's values to payloads; `custom`: what a user taught it; `secret`: what nobody may see.
- `failures`: exceptions to data.
- `chain`: links behind that: `compression`, `encryption`; `pickles` is a codec for what nothing else can say.
- `wire`: batches, messages and requests to their stable form; `wire_json` shows them to people.

The names that users take from here are loaded where they are first used: a cold start pays only for what it uses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from nexus_sdk.codec.base import ValueCodec as ValueCodec
    from nexus_sdk.codec.chain import CodecChain as CodecChain
    from nexus_sdk.codec.chain import Link as Link
    from nexus_sdk.codec.compression import Compression as Compression
    from nexus_sdk.codec.custom import TypeCodec as TypeCodec
    from nexus_sdk.codec.encryption import Encryption as Encryption
    from nexus_sdk.codec.keys import Keyring as Keyring
    from nexus_sdk.codec.pickles import CloudpickleCodec as CloudpickleCodec
    from nexus_sdk.codec.secret import Secret as Secret
    from nexus_sdk.codec.values import MsgpackCodec as MsgpackCodec
    from nexus_sdk.core.payload import Codec as Codec
    from nexus_sdk.core.payload import Payload as Payload

_HOMES = {
    "CloudpickleCodec": "nexus_sdk.codec.pickles",
    "Codec": "nexus_sdk.core.payload",
    "CodecChain": "nexus_sdk.codec.chain",
    "Compression": "nexus_sdk.codec.compression",
    "Encryption": "nexus_sdk.codec.encryption",
    "Keyring": "nexus_sdk.codec.keys",
    "Link": "nexus_sdk.codec.chain",
    "MsgpackCodec": "nexus_sdk.codec.values",
    "Payload": "nexus_sdk.core.payload",
    "Secret": "nexus_sdk.codec.secret",
    "TypeCodec": "nexus_sdk.codec.custom",
    "ValueCodec": "nexus_sdk.codec.base",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nexus_sdk.codec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
