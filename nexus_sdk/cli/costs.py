"""An estimate for people and as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nexus_sdk.cli import output
from nexus_sdk.core.shown import shown
from nexus_sdk.costing.comparing import BreakEven, Offer, break_even, monthly
from nexus_sdk.costing.estimate import Estimate
from nexus_sdk.costing.prices import PriceTable
from nexus_sdk.costing.rehearsal import Case
from nexus_sdk.costing.usage import Usage

MANY = 1_000_000
"""What one run costs has too many noughts to be read; so many together do not."""

CAUSES: Mapping[str, str] = {
    "start": "starts",
    "event": "events",
    "delivery": "deliveries",
    "sweep": "sweeps",
}
"""What causes invocations: one of them, and several."""

LEAST = 0.0001
"""Smaller quantities are only said to be there."""


def estimate_to_json(found: Estimate, prices: PriceTable, per_month: float, case: Case) -> dict[str, Any]:
    """An estimate as data; money in the table's currency."""
    counted = found.counted
    work = {name: getattr(counted.work, name) for name in type(counted.work).__slots__}
    return {
        "workflow": counted.status.workflow,
        "status": str(counted.status.status),
        "prices": {name: getattr(prices, name) for name in ("cloud", "region", "currency", "as_of", "note")},
        "runs_per_month": per_month,
        "counted": {
            "work": work,
            "requests": dict(counted.requests),
            "invocations": dict(counted.invocations),
            "seconds": counted.seconds,
        },
        "offers": [_offer_to_json(offer, prices, per_month) for offer in (found.ours, *found.others)],
        "break_even": [
            {"with": other.name, "runs_per_month": even.runs, "is_cheaper_beyond": even.is_cheaper}
            for other in found.others
            for even in [break_even(found.ours, other, prices)]
        ],
        "made_up": {name: output.plain(value) for name, value in case.answers.made_up.items()},
        "assumptions": list(found.assumptions),
    }


def put_estimate(found: Estimate, prices: PriceTable, per_month: float, case: Case) -> None:
    """An estimate in words and tables."""
    for line in _counted(found):
        output.put(line)
    money = prices.currency
    output.put("")
    _put_usage("A RUN", f"{money} A MILLION RUNS", found.ours.a_run, prices, MANY)
    output.put("")
    _put_usage("A MONTH IN WHICH NOTHING RUNS", f"{money} A MONTH", found.ours.a_month, prices, 1)
    output.put("")
    header = ("", "A MILLION RUNS", "A MONTH IDLE", f"{per_month:,.0f} RUNS A MONTH")
    rows = [
        (
            offer.name,
            _money(prices.cost(offer.a_run) * MANY),
            _money(prices.cost(offer.a_month)),
            _money(monthly(offer, per_month, prices)),
        )
        for offer in (found.ours, *found.others)
    ]
    _put_rows([(f"{money}", *header[1:]), *rows])
    output.put("")
    for other in found.others:
        output.put_hanging(("· ",), _in_words(other, break_even(found.ours, other, prices)))
    output.put("")
    for note in _notes(found, prices, case):
        output.put_hanging([("· ", "dim")], note, style="dim")


# --- words ------------------------------------------------------------------------------------------------------------


def _counted(found: Estimate) -> list[str]:
    counted, work = found.counted, found.counted.work
    did = _listed(
        [
            (work.runs, "run", "runs"),
            (work.activities, "activity", "activities"),
            (work.attempts - work.activities, "retry", "retries"),
            (work.timers, "timer", "timers"),
            (work.events, "event", "events"),
            (work.turns, "turn", "turns"),
        ]
    )
    invoked = _listed([(number, cause, CAUSES[cause]) for cause, number in counted.invocations.items()])
    total = sum(counted.invocations.values())
    return [
        f"{counted.status.workflow}: {did}, {output.duration_text(counted.seconds)}, {counted.status.status}",
        f"counted in {total:,} invocation{'' if total == 1 else 's'}: {invoked}",
    ]


def _listed(numbers: Iterable[tuple[int, str, str]]) -> str:
    return ", ".join(f"{number:,} {one if number == 1 else many}" for number, one, many in numbers if number > 0)


def _in_words(other: Offer, even: BreakEven) -> str:
    if even.runs is not None:
        first, second = ("NEXUS", other.name) if even.is_cheaper else (other.name, "NEXUS")
        return f"{first}: cheaper than {second} from {even.runs:,} runs a month on"
    first, second = ("NEXUS", other.name) if even.is_cheaper else (other.name, "NEXUS")
    return f"{first}: cheaper than {second}, however many runs"


def _notes(found: Estimate, prices: PriceTable, case: Case) -> list[str]:
    """What the figures rest on."""
    notes = [f"prices of {prices.cloud} {prices.region} as of {prices.as_of}. {prices.note}".rstrip()]
    if case.answers.made_up:
        said = ", ".join(f"{name} {shown(value)}" for name, value in case.answers.made_up.items())
        notes.append(f"what these activities return was made up: {said}")
    return [*notes, *found.assumptions] + [f"{offer.name}: {note}" for offer in found.others for note in offer.notes]


# --- tables -----------------------------------------------------------------------------------------------------------


def _put_usage(what: str, cost: str, usage: Usage, prices: PriceTable, times: float) -> None:
    rows = [
        (f"{prices.prices[meter].what} {prices.prices[meter].unit}", _quantity(usage[meter]), _money(each))
        for meter, each in _costs(usage, prices, times).items()
    ]
    _put_rows([(what, "QUANTITY", cost), *rows, ("", "", _money(prices.cost(usage) * times))])


def _costs(usage: Usage, prices: PriceTable, times: float) -> dict[str, float]:
    """What each meter costs, in the order of the price table."""
    return {meter: prices.prices[meter].of(usage[meter]) * times for meter in prices.prices if usage.get(meter)}


def _put_rows(rows: Sequence[Sequence[str]]) -> None:
    """Rows under a header: words to the left, figures to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for number, row in enumerate(rows):
        first, *figures = row
        line = first.ljust(widths[0]) + "".join(
            f"  {figure.rjust(width)}" for figure, width in zip(figures, widths[1:], strict=True)
        )
        output.put(line, style="bold" if number == 0 else "")


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _quantity(number: float) -> str:
    if 0 < number < LEAST:
        return f"< {LEAST}"
    return f"{number:,.0f}" if number >= 1_000 or number == round(number) else f"{number:.4g}"


def _offer_to_json(offer: Offer, prices: PriceTable, per_month: float) -> dict[str, Any]:
    def each(usage: Usage) -> Mapping[str, Any]:
        return {
            meter: {"quantity": usage[meter], "unit": prices.prices[meter].unit, "cost": cost}
            for meter, cost in _costs(usage, prices, 1).items()
        }

    return {
        "name": offer.name,
        "cost_per_run": prices.cost(offer.a_run),
        "cost_idle_per_month": prices.cost(offer.a_month),
        "cost_per_month": monthly(offer, per_month, prices),
        "per_run": each(offer.a_run),
        "idle_per_month": each(offer.a_month),
        "notes": list(offer.notes),
    }
