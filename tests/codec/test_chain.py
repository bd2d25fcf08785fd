"""Chains of codecs: compression, encryption, sealed pickles; what opens, and what must not."""

from __future__ import annotations

import os
import threading
import zlib
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from nexus_sdk.codec.base import NO_VALUE
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.compression import Compression
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.keys import Keyring
from nexus_sdk.codec.pickles import CloudpickleCodec
from nexus_sdk.codec.secret import Secret
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.payload import APART, Payload
from nexus_sdk.errors import DefinitionError, KeyMissing, PayloadError, PayloadTooLarge, PayloadUnreadable, SealBroken

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))
KEYS = {"k1": ONE}
BOTH = Keyring({"k1": ONE, "k2": OTHER}, primary="k2")

CHAINS = {
    "compression": CodecChain(Compression(bytes_min=10)),
    "encryption": CodecChain(Encryption(KEYS)),
    "both": CodecChain(Compression(bytes_min=10), Encryption(KEYS)),
    "pickles": CloudpickleCodec(KEYS),
    "all": CodecChain(Compression(bytes_min=10), Encryption(BOTH), values=CloudpickleCodec(KEYS)),
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.dates() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@pytest.mark.parametrize("name", CHAINS)
@given(value=values)
@settings(max_examples=40)
def test_what_goes_through_a_chain_comes_back(name: str, value: Any) -> None:
    codec = CHAINS[name].bound_to("order-1")
    payload = codec.encode(value)
    assert codec.decode(payload) == value
    assert codec.encode(value) == payload, "pure: the same value, the same bytes"
    assert payload.digest == sha256(payload.data or b"").digest()
    assert payload.size == len(payload.data or b"")


@pytest.mark.parametrize("name", CHAINS)
def test_none_goes_through_no_link(name: str) -> None:
    codec = CHAINS[name].bound_to("order-1")
    assert codec.encode(None) == NO_VALUE
    assert codec.decode(NO_VALUE) is None


def test_types_are_asked_for_at_the_end_of_the_chain() -> None:
    codec = CHAINS["both"]
    assert codec.decode(codec.encode(["1", "2"]), tuple[str, ...]) == ("1", "2")
    with pytest.raises(PayloadError, match=r"\$\[0\]"):
        codec.decode(codec.encode(["1"]), list[int])


# --- chains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ((Compression(), Compression()), "each link once"),
        ((MsgpackCodec(),), "takes links"),
        (("zlib",), "takes links"),
    ],
)
def test_what_is_no_chain_is_refused(links: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        CodecChain(*links)


def test_what_was_written_before_a_link_was_added_is_read() -> None:
    before = MsgpackCodec().encode("x" * 2_000)
    assert CodecChain(Compression()).decode(before) == "x" * 2_000


class Faulty:
    """A link whose own code fails."""

    name, is_required, hides = "faulty", False, False

    def __init__(self, *, fails_at: str) -> None:
        self._fails_at = fails_at

    def apply(self, payload: Payload, owner: str) -> tuple[bytes, str | None]:
        if self._fails_at == "apply":
            raise OSError("the key service is away")
        return payload.data or b"", None

    def undo(self, payload: Payload, owner: str) -> bytes:
        raise OSError("the key service is away")


def test_what_a_link_of_ones_own_raises_is_told_as_ours() -> None:
    with pytest.raises(PayloadError, match=r"link 'faulty' \(OSError: the key service is away\)"):
        CodecChain(Faulty(fails_at="apply")).encode("x")
    codec = CodecChain(Faulty(fails_at="undo"))
    with pytest.raises(PayloadUnreadable, match=r"link 'faulty' \(OSError: the key service is away\)"):
        codec.decode(codec.encode("x"))


@pytest.mark.parametrize("more", ["+zlib", "+zlib+zlib", "+aes-gcm"])
def test_links_are_undone_once_and_in_their_order(more: str) -> None:
    """Or whoever can write to the store could have bytes unpacked, as often as he likes, before any seal is checked."""
    codec = CodecChain(Compression(), Encryption(KEYS)).bound_to("i")
    payload = codec.encode("x")
    data = payload.data or b""
    for _ in more.split("+")[1:]:
        data = zlib.compress(data)
    encoding = payload.encoding + more
    with pytest.raises(PayloadUnreadable, match="in this order"):
        codec.decode(replace(payload, encoding=encoding, data=data))
    assert not codec.can_read(encoding)


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": 7},
        {"encoding": None},
        {"encoding": b"msgpack"},
        {"data": "text"},
        {"data": 7},
        {"data": None, "size": "many"},
        {"key_id": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [*CHAINS, "msgpack"])
def test_what_is_no_payload_at_all_is_told_as_such(name: str, fields: dict[str, Any]) -> None:
    """Whoever can write to the store can write anything."""
    codec = (CHAINS | {"msgpack": MsgpackCodec()})[name].bound_to("i")
    with pytest.raises(PayloadUnreadable, match="is not a payload"):
        codec.decode(replace(codec.encode(["x" * 20]), **fields))


@pytest.mark.parametrize("name", CHAINS)
def test_bytes_that_are_gone_are_told_as_such(name: str) -> None:
    codec = CHAINS[name].bound_to("i")
    payload = codec.encode("x" * 1_000 if name != "pickles" else [Point(1)])
    with pytest.raises(PayloadUnreadable, match="of a large payload are not in the store"):
        codec.decode(replace(payload, data=None, reference=APART))
    with pytest.raises(PayloadUnreadable, match="of this payload were erased"):
        codec.decode(replace(payload, data=None))


def test_a_link_that_is_not_known_is_named() -> None:
    packed = CodecChain(Compression()).encode("x" * 2_000)
    assert packed.encoding == "msgpack+zlib"
    with pytest.raises(PayloadUnreadable, match=r"'msgpack\+zlib'; this app's codec has no 'zlib'"):
        CodecChain(Encryption(KEYS, reads_plain=True)).decode(packed)
    with pytest.raises(PayloadUnreadable, match="msgpack"):
        MsgpackCodec().decode(packed)


# --- compression ------------------------------------------------------------------------------------------------------


def test_only_what_is_large_and_compresses_is_compressed() -> None:
    codec = CodecChain(Compression(bytes_min=100))
    assert codec.encode("x" * 90).encoding == "msgpack"
    assert codec.encode("x" * 110).encoding == "msgpack+zlib"
    assert codec.encode(os.urandom(500)).encoding == "msgpack"
    assert codec.encode("x" * 100_000).size < 300


def test_a_bomb_is_not_unpacked() -> None:
    bomb = CodecChain(Compression()).encode("x" * 1_000_000)
    with pytest.raises(PayloadUnreadable, match="more than 10,000 bytes"):
        CodecChain(Compression(bytes_max=10_000)).decode(bomb)


def test_what_could_not_be_unpacked_is_not_packed() -> None:
    codec = CodecChain(Compression(bytes_max=10_000))
    text = "x" * (10_000 - 3)  # msgpack says in 3 bytes that it is a text, and how long
    assert codec.decode(codec.encode(text)) == text
    with pytest.raises(PayloadTooLarge, match="10,001 bytes is to be compressed, 10,000 are allowed"):
        codec.encode(text + "x")


@pytest.mark.parametrize("change", [lambda d: d[:-3], lambda d: d + b"x", lambda d: b"", lambda d: b"\0" + d])
def test_damaged_compressed_data_is_unreadable(change: Any) -> None:
    codec = CodecChain(Compression())
    payload = codec.encode("x" * 5_000)
    with pytest.raises(PayloadUnreadable, match="compressed data"):
        codec.decode(replace(payload, data=change(payload.data)))


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 10}, {"bytes_min": -1}, {"bytes_max": 0}])
def test_impossible_compression_is_refused(options: Any) -> None:
    with pytest.raises(DefinitionError, match="Compression"):
        Compression(**options)


# --- encryption -------------------------------------------------------------------------------------------------------


def test_nothing_of_the_value_is_in_the_bytes_nor_in_the_digest() -> None:
    codec = CodecChain(Encryption(KEYS)).bound_to("order-1")
    value = {"card": "4111 1111 1111 1111"}
    payload = codec.encode(value)
    plain = MsgpackCodec().encode(value)
    assert b"4111" not in (payload.data or b"")
    assert payload.digest != plain.digest
    assert (payload.encoding, payload.key_id) == ("msgpack+aes-gcm", "k1")


def test_a_payload_opens_only_for_its_owner() -> None:
    codec = CodecChain(Encryption(KEYS))
    payload = codec.bound_to("order-1").encode({"amount": 5})
    assert payload.data != codec.bound_to("order-2").encode({"amount": 5}).data
    with pytest.raises(SealBroken, match="'order-2' do not open"):
        codec.bound_to("order-2").decode(payload)


@given(st.integers(min_value=0), st.integers(1, 255))
@settings(max_examples=60)
def test_every_byte_is_covered(where: int, flip: int) -> None:
    codec = CodecChain(Encryption(KEYS)).bound_to("order-1")
    payload = codec.encode("some value")
    assert payload.data is not None
    data = bytearray(payload.data)
    data[where % len(data)] ^= flip
    with pytest.raises(SealBroken):
        codec.decode(replace(payload, data=bytes(data)))


@pytest.mark.parametrize("length", [0, 1, 12, 13, 28, 29])
def test_cut_bytes_do_not_open(length: int) -> None:
    codec = CodecChain(Encryption(KEYS)).bound_to("order-1")
    payload = codec.encode("some value")
    with pytest.raises(SealBroken):
        codec.decode(replace(payload, data=(payload.data or b"")[:length]))


def test_what_the_bytes_are_is_covered_too() -> None:
    """A compressed payload cannot be passed off as one that was not, nor under another key's id."""
    codec = CodecChain(Compression(bytes_min=10), Encryption(Keyring({"k1": ONE, "k2": ONE}, primary="k1")))
    payload = codec.encode("x" * 1_000)
    with pytest.raises(SealBroken):
        codec.decode(replace(payload, encoding="msgpack+aes-gcm"))
    with pytest.raises(SealBroken):
        codec.decode(replace(payload, key_id="k2"))


def test_keys_rotate() -> None:
    old = CodecChain(Encryption(KEYS)).bound_to("i")
    both = CodecChain(Encryption(BOTH)).bound_to("i")
    assert both.decode(old.encode("before")) == "before"
    after = both.encode("after")
    assert after.key_id == "k2"
    with pytest.raises(KeyMissing, match="the key 'k2'; this app has 'k1'"):
        old.decode(after)


def test_another_key_of_the_same_id_does_not_open() -> None:
    payload = CodecChain(Encryption(KEYS)).encode("x")
    with pytest.raises(SealBroken, match="another key of that id"):
        CodecChain(Encryption({"k1": OTHER})).decode(payload)


def test_plain_payloads_are_refused_unless_they_are_allowed() -> None:
    plain = MsgpackCodec().encode("x")
    with pytest.raises(PayloadUnreadable, match="takes only what went through 'aes-gcm'"):
        CodecChain(Encryption(KEYS)).decode(plain)
    assert CodecChain(Encryption(KEYS, reads_plain=True)).decode(plain) == "x"


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(DefinitionError, match=r"nexus-sdk\[encryption\]"):
        Encryption(KEYS)


def test_secrets_are_encrypted_or_refused() -> None:
    with pytest.raises(PayloadError, match=r"\$\.password"):
        CodecChain(Compression()).encode({"password": Secret("s3cr3t")})
    codec = CodecChain(Encryption(KEYS))
    back = codec.decode(codec.encode({"password": Secret("s3cr3t")}))
    assert back["password"].reveal() == "s3cr3t"
    assert "s3cr3t" not in repr(back)


def test_no_key_shows_in_a_repr_or_an_error() -> None:
    chain = CodecChain(Compression(), Encryption(KEYS))
    assert "k1" in repr(chain)
    assert repr(ONE)[2:12] not in repr(chain)


# --- sealed pickles ---------------------------------------------------------------------------------------------------

LOADED: list[str] = []


def tell() -> None:
    LOADED.append("loaded")


class Telltale:
    """Says when it is loaded."""

    def __reduce__(self) -> Any:
        return tell, ()


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def test_what_msgpack_takes_is_not_pickled() -> None:
    assert CloudpickleCodec(KEYS).encode({"a": (1, 2)}).encoding == "msgpack"


def test_what_nothing_else_can_say_is_pickled_and_comes_back() -> None:
    codec = CloudpickleCodec(KEYS).bound_to("i")
    payload = codec.encode({"point": Point(3), "fn": lambda x: x + 1})
    assert payload.encoding == "cloudpickle"
    back = codec.decode(payload)
    assert (back["point"].x, back["fn"](1)) == (3, 2)
    assert codec.decode(codec.encode(Point(4)), Point).x == 4
    with pytest.raises(PayloadError):
        codec.decode(codec.encode(Point(4)), int)


def test_without_being_enabled_a_pickle_is_never_loaded() -> None:
    payload = CloudpickleCodec(KEYS).encode(Telltale())
    LOADED.clear()
    for codec in (MsgpackCodec(), CodecChain(Compression()), CodecChain(Encryption(KEYS, reads_plain=True))):
        with pytest.raises(PayloadUnreadable, match="cloudpickle"):
            codec.decode(payload)
    assert LOADED == []


def _sealed() -> Payload:
    payload = CloudpickleCodec(KEYS).bound_to("i").encode(Telltale())
    LOADED.clear()
    return payload


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d[:-1], id="cut"),
        pytest.param(lambda d: d + b".", id="longer"),
        pytest.param(lambda d: d[:3] + bytes([d[3] ^ 1]) + d[4:], id="another seal"),
        pytest.param(lambda d: d[:-1] + bytes([d[-1] ^ 1]), id="another pickle"),
        pytest.param(lambda d: b"", id="nothing"),
        pytest.param(lambda d: d[35:], id="without a seal"),
        pytest.param(lambda d: b"\xff" + d[1:], id="an id that is too long"),
    ],
)
def test_a_wrong_seal_is_refused_before_anything_is_loaded(change: Any) -> None:
    payload = _sealed()
    codec = CloudpickleCodec(KEYS).bound_to("i")
    with pytest.raises((SealBroken, KeyMissing)):
        codec.decode(replace(payload, data=change(payload.data)))
    assert LOADED == []


def test_a_replayed_seal_is_refused_before_anything_is_loaded() -> None:
    """A true pickle of one instance is not taken for another's."""
    with pytest.raises(SealBroken, match="It was not loaded"):
        CloudpickleCodec(KEYS).bound_to("j").decode(_sealed())
    assert LOADED == []


def test_a_key_that_is_missing_is_named_before_anything_is_loaded() -> None:
    payload = _sealed()
    with pytest.raises(KeyMissing, match="'k1'; this app has 'k2'"):
        CloudpickleCodec({"k2": OTHER}).bound_to("i").decode(payload)
    with pytest.raises(SealBroken):
        CloudpickleCodec({"k1": OTHER}).bound_to("i").decode(payload)
    assert LOADED == []
    assert CloudpickleCodec(BOTH).bound_to("i").decode(payload) is None
    assert LOADED == ["loaded"]


def test_what_cannot_be_pickled_is_refused_with_its_path() -> None:
    with pytest.raises(PayloadError, match=r"\$\.lock: .* cloudpickle cannot write it either"):
        CloudpickleCodec(KEYS).encode({"lock": threading.Lock()})


PASSWORD = SecretStr("hunter2")


class Login(BaseModel):
    password: SecretStr


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"password": PASSWORD}, id="as it is"),
        pytest.param([Login(password=PASSWORD), Point(1)], id="in a model"),
        pytest.param({"fn": lambda: PASSWORD}, id="in a function"),
        pytest.param([Point(1), Secret("hunter2")], id="ours"),
    ],
)
def test_a_secret_is_not_pickled(value: Any) -> None:
    """A sealed pickle is authentic; it is not encrypted."""
    with pytest.raises(PayloadError, match="secret") as raised:
        CloudpickleCodec(KEYS).encode(value)
    assert "hunter2" not in str(raised.value)


def test_a_pickle_that_is_too_large_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="pickled value"):
        CloudpickleCodec(KEYS, payload_bytes_max=1_000).encode([Point(1), b"x" * 1_000])


def test_a_pickle_of_a_class_that_is_gone_is_unreadable() -> None:
    codec = CloudpickleCodec(KEYS)
    payload = codec.encode(Point(1))
    original = Point
    try:
        del globals()["Point"]
        with pytest.raises(PayloadUnreadable, match=r"cannot be loaded here \(AttributeError"):
            codec.decode(payload)
    finally:
        globals()["Point"] = original


def test_pickles_go_through_links_and_keep_their_own_key() -> None:
    codec = CHAINS["all"].bound_to("i")
    payload = codec.encode([Point(3), "x" * 1_000])
    assert (payload.encoding, payload.key_id) == ("cloudpickle+zlib+aes-gcm", "k2")
    assert codec.decode(payload)[0].x == 3
