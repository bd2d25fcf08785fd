"""Usage: how much of what. A plain mapping from a meter (``sqs.request``) to a quantity, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Usage = Mapping[str, float]
"""Quantities by meter. What is not in it was not used."""


def together(usages: Iterable[Usage]) -> dict[str, float]:
    """All of it."""
    total: dict[str, float] = {}
    for usage in usages:
        for meter, quantity in usage.items():
            total[meter] = total.get(meter, 0.0) + quantity
    return total


def times(usage: Usage, number: float) -> dict[str, float]:
    """So many times as much."""
    return {meter: quantity * number for meter, quantity in usage.items()}


def less(usage: Usage, other: Usage) -> dict[str, float]:
    """What one has and the other has not."""
    return {meter: left for meter in usage if (left := usage[meter] - other.get(meter, 0.0)) > 0}
