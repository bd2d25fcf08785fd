"""The profiles of the clouds run the code that the providers run: the protocol, and the table over rows."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest

from nexus_sdk.store.port import Lease
from nexus_sdk.store.split.row_table import RowTable
from nexus_sdk.store.split.store import SplitStore
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.provider_suite.builders import T0, message, started, task, turn
from nexus_sdk.testing.simulation.plan import draw
from nexus_sdk.testing.simulation.rows import RowShelf, SeenRows
from nexus_sdk.testing.simulation.stores import CLOUDS, SimulatedSplitStore, open_simulated
from nexus_sdk.testing.simulation.world import simulate

VERBS = ("create", "commit", "send", "receive", "extend", "retry", "release", "ack", "due", "purge")


def opened(profile: str) -> Any:
    """The store of a run in which nothing goes wrong."""
    plan = draw(0, profile=profile)
    return open_simulated(plan, FakeClock(T0), lambda *_: None, lambda: None)


@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_of_the_provider_are_those_that_are_simulated(verb: str) -> None:
    store = pytest.importorskip("nexus_aws.store")
    assert getattr(store.AwsStore, verb) is getattr(SimulatedSplitStore, verb) is getattr(SplitStore, verb)


def test_no_step_of_the_protocol_is_the_providers_own() -> None:
    store = pytest.importorskip("nexus_aws.store")
    own = {name for name, _ in inspect.getmembers(store.AwsStore, inspect.isfunction) if name in vars(store.AwsStore)}
    inherited = {name for name, _ in inspect.getmembers(SplitStore, inspect.isfunction)}
    assert own & inherited == {"__init__", "_wait_for_a_move", "close", "doorbell", "migrate"}


@pytest.mark.parametrize("profile", CLOUDS)
def test_the_table_is_the_providers_table(profile: str) -> None:
    table = opened(profile).table
    assert isinstance(table, RowShelf)
    provided = pytest.importorskip("nexus_aws").open_store("dynamodb://orders?region=us-east-1")._table
    assert type(table.row_table) is type(provided) is RowTable
    assert table.rows.transaction_rows_max == CLOUDS[profile].rows_max


def test_in_a_run_every_change_goes_through_it_and_others_come_between() -> None:
    count: Counter[str] = Counter()
    real_change, real_transact = RowTable.change, SeenRows.transact

    async def change(self: RowTable, *args: Any, **named: Any) -> Any:
        count["changes"] += 1
        return await real_change(self, *args, **named)

    async def transact(self: SeenRows, *args: Any) -> bool:
        is_made = await real_transact(self, *args)
        count["made" if is_made else "refused"] += 1
        return is_made

    with patch.object(RowTable, "change", change), patch.object(SeenRows, "transact", transact):
        for seed in range(5):
            assert not simulate(draw(seed, profile="dynamodb")).broken
    assert count["changes"] > count["made"] > 100
    assert count["refused"] > 0, "a write was never refused: nobody came between"


async def test_the_item_that_is_looked_at_says_what_the_rows_say() -> None:
    store = opened("dynamodb")
    table: RowShelf = store.table
    before = await started(store, "a", task("a", "0"), task("a", "1"), message("b", "hello"), wake_at_us=T0 + 9)
    await store.send([message("a", "m", is_remembered=True)], now_us=T0)
    received = await store.receive(["work"], limit=1, lease=Lease("anna", 30), now_us=T0)
    await store.commit(turn(before, settles=received.deliveries), now_us=T0)
    seen = table.items["a"]
    read = await table.change("a", _everything)
    assert read == _all_of(seen)
    loaded = await store.load("a")
    assert (loaded.record, loaded.batches, loaded.messages) == (
        seen.record,
        tuple(seen.runs["run-1"]),
        tuple(seen.inbox.values()),
    )


def _everything(slot: Any) -> Any:
    return _all_of(slot.item)


def _all_of(item: Any) -> Any:
    """What can be compared: everything but what is read when it is asked for."""
    tasks = {name: (state, item.sent_attempts[name], item.rung[name]) for name, state in item.tasks.items()}
    messages = list(item.inbox.values())
    outbox = [(entry.number, entry.now_us, entry.tasks, entry.made) for entry in item.outbox]
    return item.record, item.seq, item.last_number, item.turn, tasks, messages, outbox, item.sent_through


async def test_damage_to_an_item_is_damage_to_its_rows() -> None:
    store = opened("dynamodb")
    await started(store, "a", task("a"))
    batches = store.table.items["a"].runs["run-1"]
    batches[1] = type(batches[1])("run-1", 2, batches[1].turn_id, b"damaged")
    store.table.write_back("a")
    assert (await store.load("a")).batches[1].data == b"damaged"
