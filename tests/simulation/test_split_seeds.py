"""Random programs under random faults on a split store."""

from __future__ import annotations

from tests.simulation.seeds import chunks_of, hold_to_the_laws


@chunks_of("split")
def test_the_laws_hold(first: int) -> None:
    hold_to_the_laws(10_000 + first, "split")
