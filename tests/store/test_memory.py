"""The memory store, transactional profile, passes the suite; and what is its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite import ProviderSuite


class TestMemoryStore(ProviderSuite):
    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        store = MemoryStore()
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return MemoryStore
