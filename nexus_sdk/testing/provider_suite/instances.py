"""create, load, find, purge, migrate, close."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from nexus_sdk.core.events import ParentRef
from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError, InstanceExists, InstanceFinished, InstanceNotFound, StoreError
from nexus_sdk.store.port import TURNS, Commit, Extended, InstanceRecord, Query, Store, StoredBatch
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    T0,
    at,
    finish,
    message,
    new,
    pending,
    receive_tasks,
    receive_turns,
    record,
    started,
    task,
    turn,
)


class CreateLaws:
    """`create`, `load` and `find`."""

    async def test_a_created_instance_has_its_batch_and_its_message_and_is_ready(self, store: Store) -> None:
        made = await store.create(new("a"), now_us=at(1))
        loaded = await store.load("a")
        assert loaded.record == made == await store.find("a") == new("a").record
        assert [batch.data for batch in loaded.batches] == [b"batch-1"]
        (start,) = loaded.messages
        assert (start.id, start.number, start.accepted_at_us, start.is_remembered) == ("nexus:start", 1, at(1), True)
        assert (await receive_turns(store, now_us=at(1)))["a"].messages == (start,)

    async def test_an_instance_without_a_message_is_woken_by_its_time_alone(self, store: Store) -> None:
        late = replace(new("a", wake_at_us=at(60)), message=None)
        assert await store.create(late, now_us=T0) == late.record
        loaded = await store.load("a")
        assert (loaded.messages, len(loaded.batches)) == ((), 1)
        received = await store.receive([TURNS], limit=5, lease=ANNA, now_us=at(59.999))
        assert (received.deliveries, received.next_due_us) == ((), at(60))
        assert list(await store.due(before_us=at(59.999), limit=9)) == []
        assert (await receive_turns(store, now_us=at(60)))["a"].messages == ()

    async def test_an_instance_without_a_message_and_without_a_time_waits_for_a_message(self, store: Store) -> None:
        await store.create(replace(new("a"), message=None), now_us=T0)
        assert await receive_turns(store, now_us=at(1e6)) == {}
        await store.send([message("a", "m")], now_us=T0)
        delivery = (await receive_turns(store))["a"]
        assert [(found.id, found.number) for found in delivery.messages] == [("m", 1)]

    async def test_every_field_of_a_record_comes_back_as_it_was(self, store: Store) -> None:
        full = record(
            "a",
            namespace="shop",
            program="machine",
            definition_digest="d",
            build="b7",
            parent=ParentRef("p", "run-p", "3.0"),
            is_detached=True,
            root="p",
            priority=-3,
            attributes={"text": "ä", "int": 3, "float": 2.5, "yes": True},
            trace={"traceparent": "00-1"},
            custom_status=b"\x00\xff",
            failure=b"f",
            wake_at_us=at(9),
            held_through=4,
            status=Status.BLOCKED,
        )
        await store.create(replace(new("a"), record=full), now_us=T0)
        assert await store.find("a") == full

    async def test_the_same_request_again_changes_nothing(self, store: Store) -> None:
        before = await started(store, "a")
        assert await store.create(new("a"), now_us=at(5)) == before
        assert await pending(store, "a") == []

    async def test_the_same_request_after_the_end_returns_the_present_record(self, store: Store) -> None:
        ended = await finish(store, await started(store, "a"))
        assert await store.create(new("a"), now_us=at(5)) == ended

    async def test_another_request_finds_the_id_taken(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        with pytest.raises(InstanceExists):
            await store.create(new("a", request_id="request-2"), now_us=T0)
        assert (await store.find("a")).request_id == "request-1"

    async def test_of_many_racing_requests_one_gets_the_id(self, store: Store) -> None:
        attempts = [store.create(new("a", request_id=f"r{n % 5}"), now_us=T0) for n in range(20)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        winner = (await store.find("a")).request_id
        for n, outcome in enumerate(outcomes):
            expected = InstanceRecord if f"r{n % 5}" == winner else InstanceExists
            assert isinstance(outcome, expected), outcome
        assert await pending(store, "a") == ["nexus:start"]

    async def test_an_unknown_instance_is_not_found(self, store: Store) -> None:
        with pytest.raises(InstanceNotFound):
            await store.load("nobody")
        with pytest.raises(InstanceNotFound):
            await store.find("nobody")

    async def test_load_returns_the_batches_past_a_number(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before), now_us=T0)
        assert [batch.number for batch in (await store.load("a", after=1)).batches] == [2, 3]
        assert (await store.load("a", after=3)).batches == ()
        assert (await store.load("a", after=99)).batches == ()

    async def test_load_returns_the_batches_of_an_earlier_run(self, store: Store) -> None:
        before = await started(store, "a")
        next_run = turn(before, run_id="run-2", run=2)
        await store.commit(next_run, now_us=T0)
        assert [batch.number for batch in (await store.load("a")).batches] == [3]
        old = await store.load("a", run_id="run-1", after=1)
        assert [batch.number for batch in old.batches] == [2]
        assert old.record == next_run.record

    async def test_a_run_that_is_unknown_has_no_batches(self, store: Store) -> None:
        before = await started(store, "a")
        loaded = await store.load("a", run_id="run-9")
        assert (loaded.record, loaded.batches) == (before, ())

    async def test_ids_and_bodies_of_many_bytes_are_kept(self, store: Store) -> None:
        instance_id, message_id = "bestellung-日本-🚚/ä b", "ereignis-ß-🚀"
        await store.create(new(instance_id), now_us=T0)
        body = bytes(range(256)) * 40
        await store.send([message(instance_id, message_id, body=body)], now_us=T0)
        found = (await store.load(instance_id)).messages[1]
        assert (found.id, found.instance_id, found.body) == (message_id, instance_id, body)
        assert set(await receive_turns(store)) == {instance_id}


class PurgeLaws:
    """`purge` and its tombstone; `migrate` and `close`."""

    async def test_a_purged_instance_is_gone_with_everything(self, store: Store) -> None:
        before = await finish(store, await started(store, "a", task("a")))
        await store.purge("a", now_us=T0)
        with pytest.raises(InstanceNotFound):
            await store.load("a")
        with pytest.raises(InstanceNotFound):
            await store.send([message("a", "m")], now_us=T0)
        with pytest.raises(InstanceNotFound):
            await store.commit(turn(before), now_us=T0)
        assert await store.count(Query()) == 0
        assert (await store.receive(["work"], limit=9, lease=ANNA, now_us=at(1))).deliveries == ()

    async def test_purging_twice_is_no_error_and_an_unknown_one_is(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        await store.purge("a", now_us=T0)
        await store.purge("a", now_us=T0)
        with pytest.raises(InstanceNotFound):
            await store.purge("nobody", now_us=T0)

    async def test_an_unfinished_instance_is_not_purged(self, store: Store) -> None:
        await started(store, "a")
        with pytest.raises(StoreError):
            await store.purge("a", now_us=T0)
        assert (await store.find("a")).id == "a"

    async def test_a_late_request_does_not_bring_it_back_and_another_takes_the_id(self, store: Store) -> None:
        parent = await started(store, "parent")
        await finish(store, await started(store, "a"))
        await store.purge("a", now_us=T0, tombstone_seconds=60)
        late = new("a", if_refused=message("parent", "refused"))
        await store.commit(turn(parent, late), now_us=at(1))
        with pytest.raises(InstanceNotFound):
            await store.find("a")
        assert await pending(store, "parent") == []
        with pytest.raises(InstanceNotFound):
            await store.create(new("a"), now_us=at(1))
        await store.create(new("a", request_id="request-2"), now_us=at(1))
        assert await pending(store, "a") == ["nexus:start"]
        assert [batch.number for batch in (await store.load("a")).batches] == [1]

    async def test_a_tombstone_does_not_stay_for_ever(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        await store.purge("a", now_us=T0, tombstone_seconds=60)
        await store.create(new("a"), now_us=at(61))
        assert await pending(store, "a") == ["nexus:start"]
        await finish(store, await started(store, "b"))
        await store.purge("b", now_us=T0, tombstone_seconds=60)
        await store.purge("b", now_us=at(59))
        with pytest.raises(InstanceNotFound):
            await store.purge("b", now_us=at(61))

    async def test_a_tombstone_stands_to_its_last_microsecond(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        await store.purge("a", now_us=T0, tombstone_seconds=60)
        with pytest.raises(InstanceNotFound):
            await store.create(new("a"), now_us=at(60) - 1)
        await store.create(new("a"), now_us=at(60))

    async def test_a_commit_that_comes_again_after_a_purge_changes_nothing(self, store: Store) -> None:
        """Nor does it touch the one that has the id since."""
        other, before = await started(store, "other"), await started(store, "a")
        last = turn(before, message("other", "hello"), status=Status.COMPLETED)
        await store.commit(last, now_us=T0)
        assert await pending(store, "other") == ["hello"]
        await store.commit(turn(other, consumed=(2,)), now_us=T0)
        await store.purge("a", now_us=T0)
        with pytest.raises(InstanceNotFound):
            await store.commit(last, now_us=T0)
        heir = await store.create(new("a", request_id="request-2", run_id="run-9"), now_us=T0)
        with pytest.raises(ConflictError):
            await store.commit(last, now_us=T0)
        assert await store.find("a") == heir
        assert await pending(store, "other") == []

    async def test_purge_forgets_remembered_ids(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "m")], now_us=T0)
        await store.purge("a", now_us=T0)
        await store.create(new("a", request_id="request-2"), now_us=T0)
        await store.send([message("a", "nexus:start"), message("a", "m")], now_us=T0)
        assert await pending(store, "a") == ["nexus:start", "m"]

    async def test_deliveries_of_a_purged_instance_are_lost(self, store: Store) -> None:
        await finish(store, await started(store, "a", task("a")))
        (held,) = await receive_tasks(store)
        other = await started(store, "b")
        await store.purge("a", now_us=T0)
        assert await store.extend(held, lease=ANNA, now_us=T0) == Extended(is_lost=True)
        await store.release(held, now_us=T0)
        await store.ack(held)
        with pytest.raises(ConflictError):
            await store.retry(held, replace(held.task, attempt=2), now_us=T0)
        with pytest.raises(ConflictError):
            await store.send([message("b", "m")], settles=[held], now_us=T0)
        assert await store.find("b") == other
        assert await pending(store, "b") == []
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_turns_message_to_a_purged_instance_is_refused_as_to_an_unknown_one(self, store: Store) -> None:
        before = await started(store, "a")
        await finish(store, await started(store, "gone"))
        await store.purge("gone", now_us=T0)
        hello = message("gone", "hello", if_refused=message("a", "unknown"), if_finished=message("a", "finished"))
        await store.commit(turn(before, hello), now_us=T0)
        assert await pending(store, "a") == ["unknown"]

    async def test_each_purged_request_has_a_tombstone_of_its_own(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        await store.purge("a", now_us=T0)
        second = turn(await store.create(new("a", request_id="request-2"), now_us=T0), consumed=(1,))
        await store.commit(second, now_us=T0)
        await finish(store, second.record)
        await store.purge("a", now_us=T0)
        for request in ("request-1", "request-2"):
            with pytest.raises(InstanceNotFound):
                await store.create(new("a", request_id=request), now_us=at(1))
        await store.create(new("a", request_id="request-3"), now_us=at(1))

    async def test_all_runs_of_a_purged_instance_are_gone(self, store: Store) -> None:
        before = await started(store, "a")
        after = replace(before, run_id="run-2", run=2, last_batch=1)
        await store.commit(Commit(after, "run-1", 2, (StoredBatch("run-2", 1, "t", b"begin"),)), now_us=T0)
        await finish(store, after)
        await store.purge("a", now_us=T0)
        await store.create(new("a", request_id="request-2", run_id="run-3"), now_us=T0)
        for run_id in ("run-1", "run-2"):
            assert (await store.load("a", run_id=run_id)).batches == ()

    async def test_migrate_is_idempotent_and_keeps_the_data(self, store: Store) -> None:
        version = await store.migrate()
        await store.create(new("a"), now_us=T0)
        assert await store.migrate() == version
        assert (await store.find("a")).id == "a"

    async def test_a_closed_store_opens_itself_again(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        await store.close()
        await store.close()
        assert (await store.find("a")).id == "a"
        await store.send([message("a", "m")], now_us=T0)
        assert await pending(store, "a") == ["nexus:start", "m"]
