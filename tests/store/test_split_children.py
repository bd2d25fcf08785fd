"""What comes of a request for a child, however often and late it is made: what docs/formal/Children.tla says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.errors import InstanceNotFound
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.memory_rows import RowMemoryStore
from nexus_sdk.store.split.store import SplitStore
from nexus_sdk.testing.provider_suite.builders import T0, at, message, new, pending, started, turn

MakeStore = Callable[[], SplitStore]


@pytest.fixture(params=[SplitMemoryStore, RowMemoryStore])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    made: MakeStore = request.param
    return made


async def while_it_is_asked_for(store: SplitStore, meanwhile: Callable[[], object]) -> None:
    """`a` asks for an instance `b`; its committer stands still just before it is made, until `meanwhile` is over."""
    before = await started(store, "a")

    async def between(name: str) -> None:
        if name == "outbox:instance before":
            store.between = None
            await store.due(before_us=at(60), limit=9)  # another one takes him for dead
            await meanwhile()  # type: ignore[misc]

    store.between = between
    await store.commit(turn(before, new("b", request_id="child", if_refused=message("a", "taken"))), now_us=T0)
    assert store.between is None


async def purge(store: SplitStore, instance_id: str) -> None:
    record = await store.find(instance_id)
    await store.commit(turn(record, status=Status.COMPLETED, turn_id="the end"), now_us=at(1))
    await store.purge(instance_id, now_us=at(1))


async def test_who_was_refused_is_not_born_when_the_id_comes_free(make_store: MakeStore) -> None:
    store = make_store()
    await started(store, "b")  # somebody else has the id, and gives it free

    async def meanwhile() -> None:
        assert await pending(store, "a") == ["taken"]
        await purge(store, "b")

    await while_it_is_asked_for(store, meanwhile)
    with pytest.raises(InstanceNotFound):
        await store.find("b")
    assert await pending(store, "a") == ["taken"]
    await store.create(new("b", request_id="a third"), now_us=at(2))  # it is free for everybody else


async def test_who_was_born_and_purged_is_not_born_again(make_store: MakeStore) -> None:
    store = make_store()

    async def meanwhile() -> None:
        assert (await store.find("b")).request_id == "child"
        await purge(store, "b")

    await while_it_is_asked_for(store, meanwhile)
    with pytest.raises(InstanceNotFound):
        await store.find("b")
    assert await pending(store, "a") == []


async def test_who_was_born_is_not_refused_when_another_has_the_id_by_now(make_store: MakeStore) -> None:
    store = make_store()

    async def meanwhile() -> None:
        await purge(store, "b")
        await store.create(new("b", request_id="a third"), now_us=at(2))

    await while_it_is_asked_for(store, meanwhile)
    assert (await store.find("b")).request_id == "a third"
    assert await pending(store, "a") == []
