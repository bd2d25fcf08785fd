"""Two lines over the runs of a month, and where they cross."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus_sdk.costing.comparing import BreakEven, Offer, break_even, monthly
from nexus_sdk.costing.prices import Price, PriceTable

PRICES = PriceTable("aws", "here", "USD", "2026-01-01", {"x": Price(1.0, 1, "x", "X")})


def offer(a_run: float, a_month: float) -> Offer:
    return Offer("offer", {"x": a_run}, {"x": a_month})


def test_a_month_is_the_fixed_part_and_the_runs() -> None:
    assert monthly(offer(0.5, 3), 10, PRICES) == 8


def test_a_fixed_part_pays_from_so_many_runs_on() -> None:
    assert break_even(offer(1, 10), offer(3, 0), PRICES) == BreakEven(5, is_cheaper=True)
    assert break_even(offer(3, 0), offer(1, 10), PRICES) == BreakEven(5, is_cheaper=False)


def test_lines_that_do_not_cross() -> None:
    assert break_even(offer(1, 0), offer(3, 0), PRICES) == BreakEven(None, is_cheaper=True)
    assert break_even(offer(3, 5), offer(1, 0), PRICES) == BreakEven(None, is_cheaper=False)
    assert break_even(offer(2, 5), offer(2, 0), PRICES) == BreakEven(None, is_cheaper=False)
    assert break_even(offer(2, 0), offer(2, 5), PRICES) == BreakEven(None, is_cheaper=True)


sums = st.integers(0, 1_000).map(float)


@given(sums, sums, sums, sums)
def test_beyond_the_break_even_it_is_as_said(ours_run: float, ours_idle: float, run: float, idle: float) -> None:
    ours, theirs = offer(ours_run, ours_idle), offer(run, idle)
    even = break_even(ours, theirs, PRICES)
    beyond = 1_000_000 if even.runs is None else even.runs + 1
    difference = monthly(ours, beyond, PRICES) - monthly(theirs, beyond, PRICES)
    assert difference == 0 or (difference < 0) is even.is_cheaper
    if even.runs:
        before = monthly(ours, even.runs - 1, PRICES) - monthly(theirs, even.runs - 1, PRICES)
        assert before == 0 or (before > 0) is even.is_cheaper
