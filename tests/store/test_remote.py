"""The suite, and the test environment under it, on a store that is not in this process: its answers take time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite.corpus import CorpusLaws
from nexus_sdk.testing.provider_suite.races import RaceLaws
from nexus_sdk.testing.provider_suite.waiting import DoorbellLaws, WatchLaws
from tests.store.remote import RemoteStore


@pytest.mark.asyncio
class TestRemoteStore(CorpusLaws, RaceLaws, WatchLaws, DoorbellLaws):
    test_a_shape_survives_a_crash_at_every_call = None  # type: ignore[assignment]  # slow here, and nothing new

    @pytest.fixture
    def store(self) -> Store:
        return RemoteStore()

    @pytest.fixture
    def store_factory(self, store: Store) -> Callable[[], Store]:
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return RemoteStore
