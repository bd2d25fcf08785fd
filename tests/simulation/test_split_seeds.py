"""Random programs under random faults on split stores, with the bounds of the clouds."""

from __future__ import annotations

from tests.simulation.seeds import chunks, hold_to_the_laws


@chunks
def test_the_laws_hold_on_split_stores(first: int) -> None:
    hold_to_the_laws(10_000 + first, ("split", "dynamodb", "tables", "firestore"))
