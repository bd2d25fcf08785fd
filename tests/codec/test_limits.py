"""No value and no bytes make the codec recurse, fill the memory or fall silent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_sdk.codec import MsgpackCodec, Secret
from nexus_sdk.codec.depth import DEPTH_MAX, check_bytes
from nexus_sdk.codec.extensions import DIGITS_MAX, EXPONENT_MAX
from nexus_sdk.core.payload import Payload
from nexus_sdk.errors import PayloadError, PayloadTooLarge

CODEC = MsgpackCodec(allow_secrets=True)


@dataclass
class Node:
    next: Any = None


def nested(wrap: Callable[[Any], Any], levels: int, value: Any = 1) -> Any:
    for _ in range(levels):
        value = wrap(value)
    return value


WRAPS: dict[str, tuple[Callable[[Any], Any], int, str]] = {
    "list": (lambda value: [value], 1, "[0]"),
    "dict": (lambda value: {"a": value}, 1, ".a"),
    "tuple": (lambda value: (value,), 1, "[0]"),
    "frozenset": (lambda value: frozenset([value]), 1, " member "),
    "object": (Node, 1, ".next"),
    "list of tuples": (lambda value: [(value,)], 2, "[0]"),
    "object with a list": (lambda value: Node([value]), 2, ".next[0]"),
    "dict beside much else": (lambda value: {"x": b"\x91" * 9, "a": value}, 1, ".a"),
}


@pytest.mark.parametrize("name", WRAPS)
def test_values_may_be_nested_100_levels_deep_and_no_more(name: str) -> None:
    wrap, levels, step = WRAPS[name]
    value = nested(wrap, DEPTH_MAX // levels)
    payload = CODEC.encode(value)
    assert CODEC.encode(CODEC.decode(payload)) == payload
    for deeper in (wrap(value), nested(wrap, 1_000)):
        with pytest.raises(PayloadError, match="nested more than 100 levels") as caught:
            CODEC.encode({"z": deeper})
        assert caught.value.message.startswith(f"$.z{step}")
        assert len(caught.value.message) < 300
        assert "flat" in caught.value.hint


@pytest.mark.parametrize("levels", [2_000, 100_000])
def test_what_is_nested_beyond_all_measure_is_refused_too(levels: int) -> None:
    for wrap in (lambda value: [value], lambda value: (value,)):
        with pytest.raises(PayloadError, match="nested more than 100 levels"):
            CODEC.encode(nested(wrap, levels))


def test_lists_within_tuples_within_lists_do_not_overflow_the_stack() -> None:
    with pytest.raises(PayloadError, match="nested more than 100 levels"):
        CODEC.encode(nested(lambda value: nested(lambda inner: [inner], 900, (value,)), 90))


def extension(code: int, data: bytes) -> bytes:
    packed: bytes = msgpack.packb(msgpack.ExtType(code, data))
    return packed


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 101 + b"\x01",
        b"\x91" * 1_000 + b"\x01",
        b"\x91" * 1_000_000,
        b"\x81" * 1_000_000,
        nested(lambda data: extension(1, b"\x91" + data), 101, b"\x01"),
        nested(lambda data: extension(1, b"\x91" * 900 + data), 100, b"\x01"),
        nested(lambda data: extension(18, data), 5_000, b"\x01"),
        nested(lambda data: extension(2, data), 5_000, b"\x01"),
        extension(20, b"\x92\xa1m" + b"\x91" * 101 + b"\x01"),
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        extension(7, b"\x91" * 5_000),
        extension(8, b"1E+999999999"),
        extension(8, b"9" * 1_000_000),
        extension(8, b"1E-99999"),
        extension(10, b"\x7f" * 1_000_000),
        extension(14, b"\x92\xc4\x01\x01\xc4\x01\x00"),
        extension(15, b"\x90"),
        extension(19, b"\x92\xa6system\x01"),
        extension(2, b"\x92\x01\x01"),
        extension(4, b"2020-01-01[../../etc/passwd]"),
        extension(6, b"10:00:00[Nowhere/Land]"),
        b"\x81\x90\x01",
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PayloadError, match=r"^\[NX503\] \$: "):
        CODEC.decode(Payload("msgpack", data, b"", len(data)))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    with contextlib.suppress(PayloadError):
        CODEC.decode(Payload("msgpack", data, b"", len(data)))


@pytest.mark.parametrize("number", [10**DIGITS_MAX - 1, -(10**DIGITS_MAX) + 1], ids=["largest", "smallest"])
def test_the_largest_numbers_come_back(number: int) -> None:
    digits = Decimal(f"1.{'1' * (DIGITS_MAX - 1)}")
    for value in (number, Decimal(f"1E+{EXPONENT_MAX}"), Decimal(f"-1E-{EXPONENT_MAX}"), digits, Fraction(number, 7)):
        assert CODEC.decode(CODEC.encode(value)) == value
        assert CODEC.decode(CODEC.encode([value]), list[type(value)]) == [value]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (10**DIGITS_MAX, "more than 4,300 digits"),
        (-(10**DIGITS_MAX), "more than 4,300 digits"),
        (1 << 10_000_000, "more than 4,300 digits"),
        (Decimal("1" * (DIGITS_MAX + 1)), "more than 4,300 digits"),
        (Decimal("1E+10001"), "exponent is beyond 10,000"),
        (Decimal("1E-999999"), "exponent is beyond 10,000"),
        (Fraction(1, 10**DIGITS_MAX), "more than 4,300 digits"),
        (range(10**DIGITS_MAX), "more than 4,300 digits"),
    ],
    ids=lambda parameter: type(parameter).__name__,
)
def test_larger_numbers_are_refused_with_their_place(number: Any, said: str) -> None:
    with pytest.raises(PayloadError, match=rf"\$\.items\[1\]\.n: the number.* {said}") as caught:
        CODEC.encode({"items": [1, {"n": number}]})
    assert len(caught.value.message) < 100
    with pytest.raises(PayloadError) as caught:
        CODEC.convert({"a": number}, dict[str, bytes])
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            {"items": [1, {"photo": b"x" * 2_000, "n": 1}], "o": "y" * 100},
            r"\. \$\.items\[1\]\.photo has 2,003 of them",
        ),
        ({"a": {"b": list(range(1_000))}}, r"\. \$\.a\.b has 2,6\d\d of them"),
        ([Node(Node("x" * 3_000))], r"\. \$\[0\]\.next\.next has 3,003 of them"),
        ({"k" * 3_000: 1}, r"\. \$ key 'k{58}… has 3,003 of them"),
        (list(range(1_000)), r"1,000 are allowed\.\n"),
        (b"x" * 1_000, r"has 1,003 bytes, 1,000 are allowed\.\n"),
        ({"s": Secret("hunter2" * 300)}, r"\. \$\.s has 2,10\d of them"),
    ],
)
def test_a_value_that_is_too_large_names_its_largest_part(value: Any, said: str) -> None:
    codec = MsgpackCodec(payload_bytes_max=1_000, allow_secrets=True)
    with pytest.raises(PayloadTooLarge, match=said) as caught:
        codec.encode(value)
    assert "xxx" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_msgpack_can_tell_how_deep_bytes_are() -> None:
    assert check_bytes(b"\x91" * DEPTH_MAX + b"\x01"), "otherwise large values take longer"
