"""A write of more rows than a transaction of a cloud has is noticed, however the protocol comes to it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest

from nexus_sdk.store.port import Task
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.item import DIRECT_MAX, SplitItem
from nexus_sdk.testing.provider_suite.builders import T0, new
from nexus_sdk.testing.simulation import stores
from nexus_sdk.testing.simulation.footprint import Footprint, rows_between
from nexus_sdk.testing.simulation.occasions import OCCASIONS
from nexus_sdk.testing.simulation.plan import Act, draw
from nexus_sdk.testing.simulation.rates import Rates
from nexus_sdk.testing.simulation.stores import CLOUDS
from nexus_sdk.testing.simulation.world import Outcome, simulate


async def an_item() -> SplitItem:
    store = SplitMemoryStore()
    await store.create(new("a"), now_us=T0)
    return store._items["a"]


async def test_what_has_not_changed_is_the_head_alone() -> None:
    seen = Footprint.of(await an_item())
    assert rows_between(seen, seen) == 1


async def test_a_task_is_a_row_when_it_comes_changes_and_goes() -> None:
    item = await an_item()
    before = Footprint.of(item)
    item.add_task(Task("t", "q", "a", "r", b""), 1)
    added = Footprint.of(item)
    assert rows_between(before, added) == 2
    item.tasks["t"].lease("w/1", T0)
    leased = Footprint.of(item)
    assert rows_between(added, leased) == 2
    del item.tasks["t"]
    assert rows_between(leased, Footprint.of(item)) == 2


async def test_a_new_item_is_its_head_its_batch_its_message_and_the_id_of_that() -> None:
    assert rows_between(None, Footprint.of(await an_item())) == 4


async def test_a_purge_is_the_head_and_a_tombstone() -> None:
    assert rows_between(Footprint.of(await an_item()), None) == 2
    assert rows_between(None, None) == 0


def wide(profile: str, direct_max: int = DIRECT_MAX) -> Outcome:
    """A run that fans out, with no faults. `direct_max`: so much of it may be part of the turn's write."""
    plan = replace(
        draw(0, profile=profile),
        rates=Rates(),
        aim="",
        builds=("old",),
        programs=({"op": "seq", "of": [OCCASIONS["outbox:task"].nodes[0] | {"width": 120}], "rounds": 1},),
        acts=(Act(0.0, "start"),),
        calm_seconds=60.0,
    )
    with patch.object(stores, "DIRECT_MAXIMA", (direct_max,)):
        return simulate(plan)


@pytest.mark.parametrize("profile", CLOUDS)
def test_the_widest_turn_is_written_in_portions(profile: str) -> None:
    assert wide(profile).broken == ""


def test_a_turn_that_is_not_is_noticed() -> None:
    said = wide("dynamodb", direct_max=1_000).broken
    assert "rows: a transaction of dynamodb takes 100 at most" in said


def test_what_opens_a_run_is_written_before_the_rest_but_for_its_first_batch() -> None:
    before = Footprint(batches={"r1": 40})
    assert rows_between(before, Footprint(batches={"r1": 40, "r2": 40})) == 2
    assert rows_between(before, Footprint(batches={"r1": 41, "r2": 1})) == 3
