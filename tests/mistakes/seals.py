"""Payloads that cannot be read, or may not be written: the wrong key, the wrong instance, an altered seal, a secret.

A row's thing does it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nexus_sdk import Nexus
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.pickles import CloudpickleCodec
from nexus_sdk.codec.secret import Secret
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.payload import Payload
from tests.mistakes import orders
from tests.mistakes.bench import SECRET, Python, Row

KEY, OTHER_KEY = SECRET.encode().ljust(32, b"1"), SECRET.encode().ljust(32, b"2")

PICKLES = CloudpickleCodec({"2024": KEY})
ENCRYPTED = CodecChain(Encryption({"2024": KEY}))
_WRITERS = {"sealed": PICKLES, "encrypted": ENCRYPTED}


class Unknown:
    """Something that only a pickle keeps."""


def written(kind: str, owner: str = "order-42") -> Payload:
    """A payload of an instance, sealed or encrypted with the key of 2024."""
    return _WRITERS[kind].bound_to(owner).encode(Unknown() if kind == "sealed" else {"password": SECRET})


def _altered(payload: Payload) -> Payload:
    assert payload.data is not None
    return replace(payload, data=payload.data[:-1] + bytes([payload.data[-1] ^ 1]))


def _reader(kind: str, keys: dict[str, bytes]) -> Any:
    codec = CloudpickleCodec(keys) if kind == "sealed" else CodecChain(Encryption(keys))
    return codec.bound_to("order-42")


_CODEC = (Python("codec", lambda bench, do: do()),)


def _row(name: str, do: Callable[[], Any], *words: str, code: str) -> Row:
    return Row(name, do, code, words, _CODEC)


def _rows(kind: str) -> list[Row]:
    return [
        _row(
            f"{kind}: with a key that is missing",
            lambda: _reader(kind, {"2025": KEY}).decode(written(kind)),
            "'2024'",
            "'2025'",
            "Add that key",
            code="NX504",
        ),
        _row(
            f"{kind}: with another key of that id",
            lambda: _reader(kind, {"2024": OTHER_KEY}).decode(written(kind)),
            "order-42",
            "'2024'",
            code="NX505",
        ),
        _row(
            f"{kind}: for another instance",
            lambda: _reader(kind, {"2024": KEY}).decode(written(kind, "order-43")),
            "'order-42'",
            "another instance",
            code="NX505",
        ),
        _row(
            f"{kind}: and altered",
            lambda: _reader(kind, {"2024": KEY}).decode(_altered(written(kind))),
            "altered",
            "backup",
            code="NX505",
        ),
        _row(
            f"{kind}: read by an app that has no such codec",
            lambda: MsgpackCodec().decode(written(kind)),
            "codec that wrote it",
            code="NX503",
        ),
    ]


ROWS = [
    *_rows("sealed"),
    *_rows("encrypted"),
    _row(
        "a plain payload where all are encrypted",
        lambda: ENCRYPTED.decode(MsgpackCodec().encode(1)),
        "'aes-gcm'",
        "plain payloads",
        code="NX503",
    ),
    _row(
        "bytes that are no value",
        lambda: MsgpackCodec().decode(Payload("msgpack", b"\xc1\xff", b"", 2)),
        "2 bytes are not a value",
        code="NX503",
    ),
    _row("a key that is too short", lambda: Encryption({"2024": SECRET.encode()}), "32", code="NX101"),
    Row(
        "a secret that nobody encrypts",
        lambda: {"login": {"password": Secret(SECRET)}},
        "NX501",
        ("login.password", "encrypts"),
        (
            Python("start", lambda bench, make: bench.fresh.start(orders.keep, make())),
            Python("event", lambda bench, make: bench.client.get("waiting").send_event("approved", make())),
            Python(
                "an app", lambda bench, make: Nexus("memory://", workflows=[orders.keep]).run_async(orders.keep, make())
            ),
        ),
    ),
]
