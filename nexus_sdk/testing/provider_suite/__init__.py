"""The conformance suite for stores: every law of `nexus_sdk.store.port`, as tests that any provider can run.

In the provider's own tests (pytest and pytest-asyncio installed)::

    import pytest
    from nexus_sdk.testing.provider_suite import ProviderSuite

    class TestMyStore(ProviderSuite):
        @pytest.fixture
        def store_factory(self, tmp_path):
            return lambda: open_store(f"mystore://{tmp_path}")

`store_factory` returns a function; each call of it gives a store object over *the same, at first empty* data: another
process's handle, as it were. For laws that need several empty stores, `fresh_store` is given likewise: each call
gives a store over data of its own. Close in the fixture what must be closed. A store whose lists lag overrides
`settled`.

One class of laws per theme; together they are the definition of a store. `RecoveryLaws` kill a process between any
two of its calls, `RaceLaws` let several go for the same, `CorpusLaws` run the engine on the store. How to write a
store that keeps them: ``docs/how-to/write-a-provider.md``.

The rules of the suite: no law waits for a clock, every time is an argument; and every law can fail, a small bug in
the memory store breaks it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite.blobs import BlobLaws
from nexus_sdk.testing.provider_suite.corpus import CorpusLaws
from nexus_sdk.testing.provider_suite.deliveries import ClaimLaws, TaskLaws, TurnLaws
from nexus_sdk.testing.provider_suite.instances import CreateLaws, PurgeLaws
from nexus_sdk.testing.provider_suite.listing import ListLaws
from nexus_sdk.testing.provider_suite.races import RaceLaws
from nexus_sdk.testing.provider_suite.recovery import RecoveryLaws
from nexus_sdk.testing.provider_suite.repetition import RepetitionLaws
from nexus_sdk.testing.provider_suite.sizes import DelayLaws, SizeLaws
from nexus_sdk.testing.provider_suite.turns import FenceLaws, InboxLaws, SendLaws
from nexus_sdk.testing.provider_suite.waiting import DoorbellLaws, DueLaws, WatchLaws


@pytest.mark.asyncio
class ProviderSuite(
    CreateLaws,
    ListLaws,
    PurgeLaws,
    BlobLaws,
    FenceLaws,
    RepetitionLaws,
    InboxLaws,
    SendLaws,
    TurnLaws,
    TaskLaws,
    ClaimLaws,
    WatchLaws,
    DoorbellLaws,
    DueLaws,
    SizeLaws,
    DelayLaws,
    RaceLaws,
    RecoveryLaws,
    CorpusLaws,
):
    """Subclass it, name the subclass `Test…`, and give it the fixtures `store_factory` and `fresh_store`."""

    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        """A function that opens the store under test; every call on the same data, empty when the test begins."""
        raise NotImplementedError("a subclass of ProviderSuite gives the fixture `store_factory`")

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        """A function that opens a store; every call on empty data of its own."""
        raise NotImplementedError("a subclass of ProviderSuite gives the fixture `fresh_store`")

    @pytest.fixture
    def store(self, store_factory: Callable[[], Store]) -> Store:
        """The store under test."""
        return store_factory()


__all__ = ["ProviderSuite"]
