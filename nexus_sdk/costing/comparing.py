"""Offers beside each other: what a run costs with each, what each costs idle, and from how many runs on one is cheaper.

Both costs are lines over the number of runs of a month: a fixed part and a part for each run. Where they cross is the
break-even.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nexus_sdk.costing.prices import PriceTable
from nexus_sdk.costing.usage import Usage


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to have the same work done.

    Attributes:
        a_run: what a run uses.
        a_month: what is used in a month in which nothing runs.
        notes: how it was counted, a sentence each.
    """

    name: str
    a_run: Usage
    a_month: Usage
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From where on the first of two offers is cheaper than the second.

    Attributes:
        runs: of a month; None: the lines do not cross.
        is_cheaper: whether it is cheaper beyond (with `runs` None: always).
    """

    runs: int | None
    is_cheaper: bool


def monthly(offer: Offer, runs: float, prices: PriceTable) -> float:
    """What a month with so many runs costs."""
    return prices.cost(offer.a_month) + runs * prices.cost(offer.a_run)


def break_even(ours: Offer, theirs: Offer, prices: PriceTable) -> BreakEven:
    """Where `ours` begins to be, or ceases to be, cheaper than `theirs`."""
    fixed = prices.cost(ours.a_month) - prices.cost(theirs.a_month)
    saved = prices.cost(theirs.a_run) - prices.cost(ours.a_run)
    if saved != 0 and fixed / saved > 0:
        return BreakEven(math.ceil(fixed / saved), is_cheaper=saved > 0)
    return BreakEven(None, is_cheaper=saved > 0 if fixed == 0 else fixed < 0)
