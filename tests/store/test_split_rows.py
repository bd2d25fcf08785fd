"""The split store over rows passes the suite: what every provider with rows has in common, without its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.store.port import Lease, Store
from nexus_sdk.store.split.memory_rows import MemoryRows, RowMemoryStore
from nexus_sdk.store.split.row_item import LOOK_PERIOD_US
from nexus_sdk.testing.provider_suite import ProviderSuite
from nexus_sdk.testing.provider_suite.builders import T0, at, message, receive_tasks, started, task, turn
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


# --- the index of what needs a look -----------------------------------------------------------------------------------


def index_of(rows: MemoryRows) -> dict[str, int | None]:
    """Where the rows of the only instance stand in the index, by their keys."""
    (own,) = rows._rows.values()
    return {key: write.look_at_us for key, (_, write) in own.items()}


async def test_the_index_is_sparse() -> None:
    store = RowMemoryStore()
    before = await started(store, "a", task("a"))
    assert {key for key, at_us in index_of(store.rows).items() if at_us is not None} == {"t/run-1/0"}
    (held,) = await receive_tasks(store)
    await store.commit(turn(before, settles=[held], status=Status.COMPLETED), now_us=T0)
    assert not any(index_of(store.rows).values())


async def test_the_index_knows_periods_and_whoever_is_told_looks_himself() -> None:
    store = RowMemoryStore()
    await started(store, "a", wake_at_us=at(100_001))
    at_us = index_of(store.rows)["head"]
    assert at_us is not None
    assert at_us % LOOK_PERIOD_US == 0
    assert at_us <= at(100_001)
    assert await store.rows.late(before_us=at(100_000), limit=9) == [("a", "head")]
    assert list(await store.due(before_us=at(100_000), limit=9)) == []
    assert list(await store.due(before_us=at(100_001), limit=9)) == ["a"]


async def test_the_earliest_of_timer_outbox_and_lease_is_in_the_index() -> None:
    store = RowMemoryStore()
    before = await started(store, "a", task("a"), wake_at_us=at(50))
    assert index_of(store.rows)["head"] == at(50)
    await receive_tasks(store, lease=Lease("anna", 40))
    assert index_of(store.rows)["t/run-1/0"] == at(40)

    def crash(step: str) -> None:
        if step == "commit:write after":
            raise Crash

    store.between = crash
    with pytest.raises(Crash):
        await store.commit(turn(before, message("b", "hello"), wake_at_us=at(50)), now_us=at(10))
    assert index_of(store.rows)["head"] == at(14)  # its grace ends at 15: periods are of two seconds
