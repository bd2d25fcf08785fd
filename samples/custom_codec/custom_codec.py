"""Teach NEXUS a type of your own: sums of money come back as what they were, annotated or not.

$ nexus run custom_codec:split_bill --input '{"total": {"cents": 10000, "currency": "EUR"}, "guests": ["Ada", "Bob"]}'

`json_codec.py` serves the same workflow in a form of your own.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.codec import MsgpackCodec, TypeCodec


@dataclass(frozen=True)
class Money:
    """An exact sum: cents are not split."""

    cents: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} do not add up")
        return Money(self.cents + other.cents, self.currency)

    def __str__(self) -> str:
        return f"{Decimal(self.cents).scaleb(-2)} {self.currency}"


MONEY = TypeCodec(
    Money,
    to_plain=lambda money: [money.cents, money.currency],
    from_plain=lambda plain: Money(*plain),
    name="money",  # stored beside each sum: the class may be renamed and moved, this may not
)


# --- the world --------------------------------------------------------------------------------------------------------


@activity
def divide(total: Money, guests: list[str]) -> dict[str, Any]:
    """Who pays what. No annotation says that there is money in it, and it comes back as money all the same."""
    share, rest = divmod(total.cents, len(guests))
    return {guest: Money(share + (number < rest), total.currency) for number, guest in enumerate(guests)}


@activity
async def collect(guest: str, share: Money) -> None:
    """Ask for it, and get it."""
    print(guest, "pays", share)


# --- the process ------------------------------------------------------------------------------------------------------


@workflow
async def split_bill(ctx: Context, total: Money, guests: list[str]):
    """Divide a bill among guests, to the cent."""
    shares = yield divide(total, guests)
    yield ctx.sleep("3s")  # kill the process here
    yield ctx.gather(*(collect(guest, share) for guest, share in shares.items()))
    yield ctx.complete({"shares": shares, "exact": reduce(add, shares.values()) == total})


app = Nexus(workflows=[split_bill], activities=[divide, collect], codec=MsgpackCodec(types=[MONEY]))
