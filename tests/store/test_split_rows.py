"""The split store over rows passes the suite: what every provider with rows has in common, without its network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.store.split.memory_rows import MemoryRows, RowMemoryStore
from nexus_sdk.testing.provider_suite import ProviderSuite


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
