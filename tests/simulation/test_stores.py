"""Indexes that lag show what was true some seconds ago; what the engine relies on never does."""

from __future__ import annotations

from random import Random
from typing import cast

from nexus_sdk.store.port import Query, Store
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.provider_suite.builders import T0, started
from nexus_sdk.testing.simulation.stores import LaggingShelf


async def lagging() -> tuple[SplitMemoryStore, LaggingShelf]:
    """A store of one instance that nobody sees in a list yet."""
    true = FakeClock(T0)
    shelf = LaggingShelf(Random(0), 1.0, true, lambda *_: None)
    store = SplitMemoryStore(shelf=shelf)
    await started(cast("Store", store), "a")
    shelf.remember("a")
    return store, shelf


async def test_a_list_lags() -> None:
    store, shelf = await lagging()
    assert (await store.list(Query(), limit=9)).records == ()
    assert await store.count(Query()) == 0
    shelf.lag_us = 1
    assert [record.id for record in (await store.list(Query(), limit=9)).records] == ["a"]


async def test_a_load_does_not() -> None:
    store, _ = await lagging()
    assert (await store.load("a")).record.id == "a"
    assert (await store.find("a")).id == "a"


async def test_in_the_calm_nothing_lags() -> None:
    store, shelf = await lagging()
    shelf.is_calm = True
    assert await store.count(Query()) == 1
