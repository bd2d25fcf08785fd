"""Lists of instances: blocked ones stand apart in the index, and nobody pays for the others to find them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_aws.dynamodb import merged
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import Query
from nexus_sdk.testing.provider_suite.builders import T0, started, turn
from tests.providers.nexus_aws.cloud import Cloud
from tests.providers.nexus_aws.test_limits import Asked

BLOCKED = Query(statuses=frozenset({Status.BLOCKED}))
Entry = tuple[int, str]


async def portions(entries: Sequence[Entry], size: int) -> AsyncIterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


lists = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.text("ab", min_size=1, max_size=2)), max_size=12), max_size=3
)


@given(lists, st.integers(1, 4))
async def test_several_lists_are_one_and_the_newest_come_first(several: list[list[Entry]], size: int) -> None:
    sorted_lists = [sorted(each, reverse=True) for each in several]
    found = [entry async for each in merged([portions(own, size) for own in sorted_lists]) for entry in each]
    assert sorted(found) == sorted(entry for own in several for entry in own)
    assert [at for at, _ in found] == sorted((at for at, _ in found), reverse=True)


@pytest.mark.component
async def test_the_blocked_are_found_without_reading_the_others(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    for number in range(5):
        await started(store, f"i-{number}")
    record = (await store.load("i-3")).record
    before = await started(store, "blocked")
    assert record.status is not Status.BLOCKED
    step = turn(before)
    await store.commit(replace(step, record=replace(step.record, status=Status.BLOCKED)), now_us=T0)
    asked.asked.clear()
    page = await store.list(BLOCKED, limit=10)
    assert [each.id for each in page.records] == ["blocked"]
    (request,) = asked.of("BatchGetItem")
    assert [len(own["Keys"]) for own in request["RequestItems"].values()] == [1]
    everything = await store.list(Query(), limit=10)
    assert sorted(each.id for each in everything.records) == ["blocked", *(f"i-{number}" for number in range(5))]


@pytest.mark.component
async def test_where_none_is_blocked_one_request_says_so(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    for number in range(5):
        await started(store, f"i-{number}")
    asked.asked.clear()
    assert not (await store.list(BLOCKED, limit=10)).records
    assert [operation for operation, _ in asked.asked] == ["Query"]
