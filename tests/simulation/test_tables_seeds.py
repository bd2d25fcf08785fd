"""Random programs under random faults on a split store with the bounds of Azure's tables and queues."""

from __future__ import annotations

from tests.simulation.seeds import chunks_of, hold_to_the_laws


@chunks_of("tables")
def test_the_laws_hold(first: int) -> None:
    hold_to_the_laws(30_000 + first, "tables")
