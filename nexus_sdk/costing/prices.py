"""Price tables: dated, each price with its source, and replaceable.

    {"format": "nexus-prices/1", "cloud": "aws", "region": "us-east-1", "currency": "USD", "as_of": "2026-09-20",
     "prices": {"sqs.request": {"price": 0.4, "per": 1000000, "unit": "requests", "what": "SQS", "source": …}, …}}

The one rule: a price that is not in the table is an error, never a zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument

FORMAT = "nexus-prices/1"

_EXAMPLE = 'For example: {"as_of": "2026-09-20", "region": "eu-central-1", "prices": {"sqs.request": {"price": 0.4}}}'


@dataclass(frozen=True, slots=True)
class Price:
    """What so much of something costs.

    Attributes:
        price: for `per` of the unit, in the table's currency.
        unit: of what, in words.
        what: the service.
        source: where the figure is from, in words.
    """

    price: float
    per: float
    unit: str
    what: str
    source: str = ""

    def of(self, quantity: float) -> float:
        """What this much costs."""
        return self.price * quantity / self.per


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices of one region at one time. `prices`: by meter, ``service.unit``."""

    cloud: str
    region: str
    currency: str
    as_of: str
    prices: Mapping[str, Price]
    note: str = ""

    def cost(self, usage: Mapping[str, float]) -> float:
        """What all of this costs together."""
        return sum(self.prices[meter].of(quantity) for meter, quantity in usage.items())


def read_table(text: str) -> PriceTable:
    """A whole table, as a provider ships it."""
    said: dict[str, Any] = json.loads(text)
    prices = {meter: Price(**price) for meter, price in said["prices"].items()}
    return PriceTable(said["cloud"], said["region"], said["currency"], said["as_of"], prices, said.get("note", ""))


def with_prices_of(table: PriceTable, path: str) -> PriceTable:
    """The table with the prices of a file laid over it: those that it names, and its region, currency and date.

    Raises:
        InvalidArgument: it cannot be read, or says something that makes no sense; nothing is guessed.
    """
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgument(
            f"there is no price table to read at {path!r}: {error.strerror}.", hint=_EXAMPLE
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"the price table {path!r} is not JSON: {error}.", hint=_EXAMPLE) from None
    if not isinstance(said, Mapping) or not isinstance(said.get("prices"), Mapping):
        raise InvalidArgument(f"{path!r} is no price table: an object with 'prices'.", hint=_EXAMPLE)
    if said.get("format", FORMAT) != FORMAT or said.get("cloud", table.cloud) != table.cloud:
        raise InvalidArgument(f"{path!r} is no price table of the form {FORMAT!r} for {table.cloud!r}.", hint=_EXAMPLE)
    texts = {name: _text(said, name, path) for name in ("region", "currency", "note") if name in said}
    prices = dict(table.prices)
    for meter, given in said["prices"].items():
        prices[meter] = _over(prices, meter, given, path)
    return replace(table, prices=prices, as_of=_day(said, path), **texts)


def _over(prices: Mapping[str, Price], meter: str, given: Any, path: str) -> Price:
    if meter not in prices:
        raise InvalidArgument(
            f"{path!r} has a price of {shown(meter)}, which nothing is counted in.",
            hint=f"There are: {', '.join(sorted(prices))}.",
        )
    if not isinstance(given, Mapping) or set(given) - {"price", "per", "unit", "what", "source"}:
        raise InvalidArgument(
            f"{path!r}, {meter}: a price is an object with 'price', and where it differs 'per'; got {shown(given)}.",
            hint=_EXAMPLE,
        )
    price = given.get("price", prices[meter].price)
    per = given.get("per", prices[meter].per)
    for name, number, least in (("price", price, 0), ("per", per, 1e-9)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number < 1e15:
            raise InvalidArgument(
                f"{path!r}, {meter}: {name} is a number from 0 on, got {shown(number)}.", hint=_EXAMPLE
            )
    return replace(prices[meter], price=float(price), per=float(per), source=str(given.get("source", path)))


def _day(said: Mapping[str, Any], path: str) -> str:
    """The date of a table: without one nobody knows what it is worth."""
    day = said.get("as_of")
    try:
        return date.fromisoformat(day).isoformat()  # type: ignore[arg-type]  # it is what is being found out
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"{path!r}: 'as_of' is the day the prices are of, such as \"2026-09-20\"; got {shown(day)}.", hint=_EXAMPLE
        ) from None


def _text(said: Mapping[str, Any], name: str, path: str) -> str:
    if not isinstance(said[name], str):
        raise InvalidArgument(f"{path!r}: {name!r} is a text, got {shown(said[name])}.", hint=_EXAMPLE)
    return str(said[name])
