"""A user teaches the codec a type of his own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_sdk.codec import MsgpackCodec, TypeCodec
from nexus_sdk.codec.wire_json import event_to_json
from nexus_sdk.core.events import EventReceived
from nexus_sdk.errors import DefinitionError, PayloadError


class Money:
    def __init__(self, cents: int, currency: str) -> None:
        self.cents = cents
        self.currency = currency

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(self.cents)


class Tip(Money):
    pass


@dataclass
class Price:
    amount: int


@dataclass
class Bill:
    total: Money
    parts: dict[str, Money | None]


class Invoice(BaseModel, arbitrary_types_allowed=True):
    total: Money


def money_codec(**changes: Any) -> TypeCodec[Any]:
    given: dict[str, Any] = {
        "type": Money,
        "to_plain": lambda money: [money.cents, money.currency],
        "from_plain": lambda plain: Money(*plain),
        "name": "money",
    }
    return TypeCodec(**(given | changes))


CODEC = MsgpackCodec(types=[money_codec()])
EUR = Money(5, "EUR")


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (EUR, Any),
        (EUR, Money),
        ({"a": [EUR, (EUR,)], EUR: {EUR}}, Any),
        ([EUR, None], list[Money | None]),
        (Bill(EUR, {"a": EUR, "b": None}), Bill),
        (Invoice(total=EUR), Invoice),
    ],
)
def test_it_comes_back_annotated_or_not(value: Any, type_: Any) -> None:
    decoded = CODEC.decode(CODEC.encode(value), type_)
    assert decoded == value
    assert type(decoded) is type(value)


def test_the_same_value_gives_the_same_bytes() -> None:
    assert CODEC.encode({EUR}) == CODEC.encode({Money(5, "EUR")})


def test_it_goes_before_what_the_codec_would_do_itself() -> None:
    codec = MsgpackCodec(types=[TypeCodec(Price, to_plain=lambda p: p.amount, from_plain=Price, name="price")])
    assert codec.decode(codec.encode([Price(3)])) == [Price(3)]


def test_types_may_hold_others_and_themselves() -> None:
    class Pair:
        def __init__(self, *items: Any) -> None:
            self.items = items

    pair = TypeCodec(Pair, to_plain=lambda p: p.items, from_plain=lambda items: Pair(*items), name="pair")
    codec = MsgpackCodec(types=[pair, money_codec()])
    decoded = codec.decode(codec.encode(Pair(EUR, Pair(1, Price(2)))))
    assert decoded.items[0] == EUR
    assert decoded.items[1].items == (1, {"amount": 2})


def test_a_subclass_is_refused_or_written_too() -> None:
    with pytest.raises(PayloadError, match=r"\$\[0\]: Tip is a subclass of Money, .*'money' does not take subclasses"):
        CODEC.encode([Tip(1, "EUR")])
    own = TypeCodec(Tip, to_plain=lambda tip: tip.cents, from_plain=lambda cents: Tip(cents, "EUR"), name="tip")
    for types in ([money_codec(), own], [own, money_codec(subclasses=True)]):
        codec = MsgpackCodec(types=types)
        assert codec.decode(codec.encode([Tip(1, "EUR"), EUR])) == [Tip(1, "EUR"), EUR]
    codec = MsgpackCodec(types=[money_codec(subclasses=True)])
    assert codec.decode(codec.encode(Tip(1, "EUR"))) == Money(1, "EUR")


def test_without_its_codec_the_name_is_told() -> None:
    other = MsgpackCodec(types=[TypeCodec(Tip, to_plain=str, from_plain=str, name="tip")])
    with pytest.raises(PayloadError, match=r"\$: it holds a 'money', and this codec has .*\(it has 'tip'\)") as caught:
        other.decode(CODEC.encode({"a": EUR}))
    assert "types=" in caught.value.hint
    with pytest.raises(PayloadError, match=r"\$\.a: a value of type .*Money cannot be encoded"):
        MsgpackCodec().encode({"a": EUR})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to_plain": lambda money: 1 / 0}, r"\$\.price: to_plain of the TypeCodec 'money' raises ZeroDivisionError"),
        ({"to_plain": lambda money: object()}, r"\$\.price: a value of type object cannot be encoded"),
        ({"to_plain": lambda money: {"x": [lambda: 1]}}, r"\$\.price\.x\[0\]: a value of type function"),
        ({"to_plain": lambda money: money}, r"\$\.price: the value contains itself"),
        ({"to_plain": lambda money: Money(1, "EUR")}, r"\$\.price: the value is nested more than 100 levels"),
        ({"from_plain": lambda plain: 1 / 0}, r"\$: from_plain of the TypeCodec 'money' raises ZeroDivisionError"),
    ],
)
def test_functions_that_fail_are_told_with_their_name(changes: Any, said: str) -> None:
    codec = MsgpackCodec(types=[money_codec(**changes)])
    with pytest.raises(PayloadError, match=said):
        codec.decode(codec.encode({"price": EUR}))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MsgpackCodec(types=[money_codec(), money_codec(type=Price)]), "two TypeCodecs have the name 'money'"),
        (lambda: MsgpackCodec(types=[money_codec(), money_codec(name="m2")]), "two TypeCodecs have the class Money"),
        (lambda: MsgpackCodec(types=[money_codec(type=int)]), "int comes back exactly without one"),
        (lambda: MsgpackCodec(types=[Money]), "takes TypeCodec objects, found type"),  # type: ignore[list-item]
        (lambda: money_codec(type="Money"), "type must be a class, found str"),
        (lambda: money_codec(name=""), "1 to 100 printable characters"),
        (lambda: money_codec(name="a\n"), "1 to 100 printable characters"),
        (lambda: money_codec(to_plain=None), "must be functions"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()


def test_a_history_shows_it_without_its_codec() -> None:
    assert event_to_json(EventReceived("paid", CODEC.encode({"a": EUR}), None))["payload"] == {"a": "money([5, 'EUR'])"}
