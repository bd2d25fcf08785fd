"""A store passes the suite within the limits of the clouds that are to come, and the suite notices those limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nexus_sdk.errors import InvalidArgument, PayloadTooLarge
from nexus_sdk.store.port import TURNS, Lease, Store
from nexus_sdk.testing.provider_suite import ProviderSuite
from nexus_sdk.testing.provider_suite.builders import T0, message, new, turn
from nexus_sdk.testing.provider_suite.deliveries import ClaimLaws
from nexus_sdk.testing.provider_suite.recovery import RecoveryLaws
from nexus_sdk.testing.provider_suite.sizes import DelayLaws, SizeLaws
from tests.store.bounded import AROUND_BYTES_MAX, LIMITS, BoundedStore


class TestTightestLimits(ProviderSuite):
    test_a_shape_survives_a_crash_at_every_call = None  # type: ignore[assignment]  # that of the split store does

    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        store = BoundedStore(LIMITS["tight"])
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return lambda: BoundedStore(LIMITS["tight"])


@pytest.mark.asyncio
@pytest.mark.parametrize("limits", ["small messages", "far tasks"])
class TestOtherLimits(SizeLaws, DelayLaws, ClaimLaws, RecoveryLaws):
    @pytest.fixture
    def store(self, limits: str) -> Store:
        return BoundedStore(LIMITS[limits])

    @pytest.fixture
    def store_factory(self, store: Store) -> Callable[[], Store]:
        return lambda: store

    @pytest.fixture
    def fresh_store(self, limits: str) -> Callable[[], Store]:
        return lambda: BoundedStore(LIMITS[limits])


async def test_its_limits_are_kept_to_the_byte_and_to_the_second() -> None:
    tightest = replace(LIMITS["tight"], payload_bytes_max=1_000, commit_bytes_max=5_000)
    store = BoundedStore(tightest)
    before = await store.create(new("a"), now_us=T0)
    longest = 1_000 + AROUND_BYTES_MAX
    await store.send([message("a", "m", body=b"x" * longest)], now_us=T0)
    with pytest.raises(PayloadTooLarge):
        await store.send([message("a", "n", body=b"x" * (longest + 1))], now_us=T0)
    commit = turn(before)
    for size in (5_001, 5_000):
        sized = replace(commit, batches=(replace(commit.batches[0], data=b"x" * size),))
        if size > 5_000:
            with pytest.raises(PayloadTooLarge):
                await store.commit(sized, now_us=T0)
        else:
            await store.commit(sized, now_us=T0)
    with pytest.raises(InvalidArgument):
        await store.receive([TURNS], limit=1, lease=Lease("anna", 43_200.001), now_us=T0)
    assert (await store.receive([TURNS], limit=1, lease=Lease("anna", 43_200), now_us=T0)).deliveries
