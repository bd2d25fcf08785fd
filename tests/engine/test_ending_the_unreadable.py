"""An instance whose history cannot be read can be ended: its parent is told, what it has pending is cancelled as far as
that can be told, and what is stored of it still says where it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from nexus_sdk import ChildWorkflowFailed, Context, InstanceNotFound, WorkflowTerminated, activity, workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.status import Status
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.replay.verify import verify_instance
from nexus_sdk.store.port import InboxMessage, InstanceRecord, Lease, Store, StoredBatch
from nexus_sdk.store.records import pack as pack_record
from nexus_sdk.store.sqlite.store import SqliteStore
from tests.engine.poisons import POISONS

WAREHOUSE = "the warehouse"
"""A queue that nobody serves here."""

SERVES = WorkerOptions(frozenset({"default"}))


@activity
async def charge(x: int) -> int:
    return x


@activity(task_queue=WAREHOUSE)
async def pack(x: int) -> int:
    return x


@workflow
async def part(ctx: Context) -> Any:
    return await ctx.wait_for_event("go")


@workflow
async def order(ctx: Context) -> Any:
    await charge(1)
    packing = ctx.spawn(pack(2))
    delivering = ctx.spawn(part.options(id="part")())
    await ctx.wait_for_event("go")
    return await packing, await delivering


@workflow
async def customer(ctx: Context) -> Any:
    try:
        return await order.options(id="poison")()
    except ChildWorkflowFailed as error:
        return f"{error.type}: {error.message}"


@dataclass
class Drawer:
    """What a store holds of an instance, to be damaged by what is meant for `poisons.Stored`."""

    store: Store
    lists: dict[str, list[StoredBatch]]
    record: InstanceRecord

    @classmethod
    async def open(cls, store: Store) -> Drawer:
        """Of the instance that is damaged, and of a neighbour."""
        found = {id: await store.load(id) for id in ("poison", "part")}
        lists = {name: list(found[id].batches) for name, id in (("poison", "poison"), ("neighbour", "part"))}
        return cls(store, lists, found["poison"].record)

    def batches(self, id: str) -> list[StoredBatch]:
        """The batches, in order."""
        return self.lists[id]

    def item(self, id: str) -> Drawer:
        """See `poisons.Stored.item`."""
        return self

    def shut(self) -> None:
        """Write it back, behind the store's back."""
        batches = [replace(one, number=number) for number, one in enumerate(self.lists["poison"], start=1)]
        if not isinstance(self.store, SqliteStore):
            item = cast("Any", self.store)._items["poison"]
            item.runs[self.record.run_id][:] = batches
            item.record = self.record
            return
        rows = [("poison", self.record.run_id, one.number, one.turn_id, one.data) for one in batches]
        with closing(sqlite3.connect(self.store.path)) as database, database:
            database.execute("DELETE FROM batches WHERE instance_id = 'poison'")
            database.executemany(
                "INSERT INTO batches (instance_id, run_id, number, turn_id, data) VALUES (?, ?, ?, ?, ?)", rows
            )
            database.execute("UPDATE instances SET record = ? WHERE id = 'poison'", [pack_record(self.record)])


Spoil = Callable[[Any, Any], Iterator[None]]

SPOILT: dict[str, Spoil] = {
    name: poison.spoil
    for name, poison in POISONS.items()
    if poison.code == HistoryCorruptedError.code and poison.spoil is not None and name != "a message cannot be read"
}


async def at_work(env: Any) -> Any:
    """A customer whose order waits for an event, an activity and a part."""
    async with env.another_worker([customer, order, part], [charge, pack], worker=SERVES):
        handle = await env.start(customer, id="customer")
        await env.settle()
    assert (await env.get("poison").status()).status is Status.RUNNING
    return handle


async def damage(store: Store, spoil: Spoil) -> None:
    drawer = await Drawer.open(store)
    next(spoil(drawer, None))
    drawer.shut()


async def packings(env: Any) -> int:
    """How many activities wait for the warehouse."""
    received = await env.app.store.receive([WAREHOUSE], limit=9, lease=Lease("a hand", 9.0), now_us=env.clock.now_us())
    return len(received.deliveries)


async def assert_ended(env: Any, customers: Any) -> None:
    """It is terminated with the reason, its parent was told once, and it is out of everybody's way."""
    handle = env.get("poison")
    assert (await handle.status()).status is Status.TERMINATED
    with pytest.raises(WorkflowTerminated, match="the disk was bad"):
        await handle.result()
    assert await customers.result() == "WorkflowTerminated: the disk was bad"
    told = [event for event in await customers.history() if isinstance(event, e.ChildCompleted | e.ChildFailed)]
    assert len(told) == 1
    loaded = await env.app.store.load("poison")
    assert loaded.messages == ()
    assert await env.app.store.due(before_us=env.clock.now_us(), limit=9) == []


async def assert_purged(env: Any) -> None:
    await env.get("poison").purge()
    with pytest.raises(InstanceNotFound):
        await env.get("poison").status()


@pytest.mark.parametrize("name", SPOILT)
async def test_a_blocked_one_is_terminated_and_the_damage_is_still_named(environment: Any, name: str) -> None:
    env = await environment(customer, order, part, charge, pack, has_worker=False, clock="manual")
    customers = await at_work(env)
    await damage(env.app.store, SPOILT[name])
    handle = env.get("poison")
    async with env.another_worker([customer, order, part], [charge, pack], worker=SERVES):
        await handle.send_event("go")
        await env.settle()
        status = await handle.status()
        assert (status.status, status.failure and status.failure.code) == ("blocked", "NX205")
        found = (await verify_instance(env.app.store, "poison")).damages
        assert found

        await handle.terminate("the disk was bad")
        await env.settle()
        await assert_ended(env, customers)
        assert (await env.get("part").status()).status is Status.CANCELLED
        assert await packings(env) == 0
        assert (await verify_instance(env.app.store, "poison")).damages == found
        told = [text for level, text, _ in env.said if level == "warning" and "terminated as it was asked" in text]
        assert len(told) == 1
        await assert_purged(env)


async def test_one_that_nobody_has_noticed_yet_is_terminated_at_once(environment: Any) -> None:
    env = await environment(customer, order, part, charge, pack, has_worker=False, clock="manual")
    customers = await at_work(env)
    await damage(env.app.store, SPOILT["a bit was flipped"])
    await env.get("poison").terminate("the disk was bad")
    async with env.another_worker([customer, order, part], [charge, pack], worker=SERVES):
        await env.settle()
        await assert_ended(env, customers)
        await assert_purged(env)


async def test_a_message_that_cannot_be_read_is_not_in_the_way(environment: Any) -> None:
    """Its history is whole: all that it has pending is known, and what is left of it verifies."""
    env = await environment(customer, order, part, charge, pack, has_worker=False, clock="manual")
    customers = await at_work(env)
    now_us = env.clock.now_us()
    await env.app.store.send([InboxMessage("garbage", "poison", b"\xc1")], now_us=now_us)
    async with env.another_worker([customer, order, part], [charge, pack], worker=SERVES):
        await env.settle()
        assert (await env.get("poison").status()).status is Status.BLOCKED
        await env.get("poison").terminate("the disk was bad")
        await env.settle()
        await assert_ended(env, customers)
        assert (await env.get("part").status()).status is Status.CANCELLED
        assert await packings(env) == 0
        assert (await verify_instance(env.app.store, "poison")).damages == ()


async def test_what_only_lost_bytes_tell_of_goes_on(environment: Any) -> None:
    """Nothing is guessed: the log says so."""
    env = await environment(customer, order, part, charge, pack, has_worker=False, clock="manual")
    customers = await at_work(env)

    def lose_the_last(store: Drawer, _: Any) -> Iterator[None]:
        batches = store.batches("poison")
        batches[-1] = replace(batches[-1], data=b"")
        yield

    await damage(env.app.store, lose_the_last)
    async with env.another_worker([customer, order, part], [charge, pack], worker=SERVES):
        await env.get("poison").terminate("the disk was bad")
        await env.settle()
        await assert_ended(env, customers)
        assert (await env.get("part").status()).status is Status.RUNNING
        assert await packings(env) == 1
        assert [text for _, text, _ in env.said if "no longer tells of were not cancelled" in text]
        await env.get("part").send_event("go")
        await env.settle()
        assert (await env.get("part").status()).status is Status.COMPLETED, "and its outcome is refused, not kept"
        await assert_purged(env)
