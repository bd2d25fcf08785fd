"""The split store over rows passes the suite: what every provider with rows has in common, without its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.store.split.memory_rows import MemoryRows, RowMemoryStore
from nexus_sdk.testing.provider_suite import ProviderSuite
from nexus_sdk.testing.provider_suite.builders import at
from nexus_sdk.testing.provider_suite.recovery import END, Crash, Worker, history_of
from tests.store.test_split import DISTURBANCES, CrashAfter, recovered


class TestRowMemoryStore(ProviderSuite):
    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        store = RowMemoryStore()
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return RowMemoryStore


class TestSmallRows(ProviderSuite):
    """Rows of which the ordinary ones are already too large."""

    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        store = RowMemoryStore(rows=MemoryRows(row_bytes_max=100, transaction_bytes_max=300))
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return lambda: RowMemoryStore(rows=MemoryRows(row_bytes_max=100, transaction_bytes_max=300))


@pytest.mark.parametrize("disturb", DISTURBANCES)
async def test_over_rows_too_a_crash_between_any_two_sub_steps_comes_to_the_same_end(disturb: Any) -> None:
    names: set[str] = set()
    for steps in range(400):
        crash = CrashAfter(steps)
        store = RowMemoryStore(between=crash)
        try:
            await Worker(store, "anna", at(0), 1000).run()
        except Crash:
            names.update(crash.steps)
            await recovered(cast("Any", store), disturb)
            assert await history_of(store) == END, crash.steps[-3:]
        else:
            break
    else:
        raise AssertionError("the script never ended")
    assert {"commit:write after", "outbox:message before", "outbox:instance after", "outbox:sent before"} <= names
