"""A commit whose reply was lost, made once more: it took place once, and nothing that it handed out is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError
from nexus_sdk.store.port import LOCAL, CancelTask, Claim, Commit, Committed, Extended, Store, StoredBatch
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    message,
    names,
    new,
    pending,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)

CLAIM = Claim(frozenset({"work"}), 2, ANNA)


class RepetitionLaws:
    """The same commit again is a success, and changes nothing."""

    async def test_the_same_commit_again_is_a_success_and_changes_nothing(self, store: Store) -> None:
        await started(store, "b")
        before = await started(store, "a", task("a", "old"))
        (held,) = await receive_tasks(store)
        await store.send([message("a", "used"), message("a", "kept")], now_us=T0)
        sends = (
            message("b", "hello", if_accepted=message("a", "yes")),
            task("a", "new"),
            new("child"),
            CancelTask(held.task.id, "a", message("a", "removed")),
        )
        commit = turn(before, *sends, consumed=(2,), settles=[held], turn_id="mine")
        first = await store.commit(commit, now_us=T0)
        state = [await store.load(name) for name in ("a", "b", "child")]
        assert await store.commit(commit, now_us=at(1)) == first == Committed(is_ready=True)
        assert [await store.load(name) for name in ("a", "b", "child")] == state
        assert [found.task.id for found in await receive_tasks(store, now_us=at(1))] == ["run-1/new"]

    async def test_a_repetition_hands_out_what_the_first_reply_did(self, store: Store) -> None:
        before = await started(store, "a")
        sends = [task("a", "0"), task("a", "1", LOCAL), task("a", "2"), task("a", "3"), task("a", "4", "foreign")]
        commit = turn(before, *sends, claim=CLAIM, turn_id="mine")
        first = await store.commit(commit, now_us=T0)
        assert sorted(names(first)) == ["run-1/0", "run-1/1", "run-1/2"]
        for seconds in (1, 2):
            again = await store.commit(commit, now_us=at(seconds))
            assert set(again.deliveries) == set(first.deliveries)
        for delivery in first.deliveries:
            assert await store.extend(delivery, lease=ANNA, now_us=at(3)) == Extended()
            await store.ack(delivery)
        assert [found.task.id for found in await receive_tasks(store, lease=BERT, now_us=at(99))] == ["run-1/3"]

    async def test_a_repetition_hands_out_neither_what_is_settled_nor_what_others_hold(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, task("a", "0"), task("a", "1"), task("a", "2"), claim=CLAIM, turn_id="mine")
        settled, kept = (await store.commit(commit, now_us=T0)).deliveries
        (theirs,) = await receive_tasks(store, lease=BERT)
        await store.send([message("a", "done")], settles=[settled], now_us=T0)
        assert (await store.commit(commit, now_us=T0)).deliveries == (kept,)
        taken = await receive_tasks(store, lease=BERT, now_us=at(30))
        assert {found.task.id for found in taken} == {kept.task.id, theirs.task.id}
        assert (await store.commit(commit, now_us=at(30))).deliveries == ()

    async def test_a_repetition_tells_the_present_tokens(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, task("a", "0"), claim=CLAIM, turn_id="mine")
        (lost,) = (await store.commit(commit, now_us=T0)).deliveries
        (held,) = await receive_tasks(store, lease=ANNA, now_us=at(30))
        assert held.token != lost.token
        assert (await store.commit(commit, now_us=at(31))).deliveries == (held,)

    async def test_a_repetition_of_a_commit_without_a_claim_hands_out_nothing(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, task("a", "0"), turn_id="mine")
        await store.commit(commit, now_us=T0)
        await receive_tasks(store, lease=ANNA)
        assert (await store.commit(commit, now_us=T0)).deliveries == ()

    async def test_a_repetition_leases_nothing_anew(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, task("a", "0"), claim=CLAIM, turn_id="mine")
        await store.commit(commit, now_us=T0)
        await started(store, "b", task("b", "0"))
        assert names(await store.commit(commit, now_us=T0)) == ["run-1/0"]
        assert [found.task.instance_id for found in await receive_tasks(store, lease=BERT)] == ["b"]

    async def test_a_repetition_is_known_when_the_instance_has_gone_on(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, task("a", "0"), claim=CLAIM, turn_id="mine")
        first = await store.commit(commit, now_us=T0)
        ended = turn(commit.record, status=Status.COMPLETED)
        await store.commit(ended, now_us=T0)
        assert (await store.commit(commit, now_us=T0)).deliveries == first.deliveries
        assert await store.find("a") == ended.record

    async def test_the_last_turn_of_a_run_is_known_again(self, store: Store) -> None:
        before = await started(store, "a")
        after = replace(before, run_id="run-2", run=2, last_batch=1)
        batches = (StoredBatch("run-1", 3, "end", b"end"), StoredBatch("run-2", 1, "begin", b"begin"))
        commit = Commit(after, "run-1", 2, batches)
        await store.commit(commit, now_us=T0)
        await store.commit(turn(after), now_us=T0)
        await store.commit(commit, now_us=T0)
        assert [batch.number for batch in (await store.load("a")).batches] == [1, 2]

    async def test_a_commit_that_opens_another_run_is_known_again(self, store: Store) -> None:
        before = await started(store, "a")
        after = replace(before, run_id="run-2", run=2, last_batch=1)
        commit = Commit(after, "run-1", 2, (StoredBatch("run-2", 1, "rewound", b"begin"),))
        await store.commit(commit, now_us=T0)
        await store.commit(commit, now_us=T0)
        assert [batch.number for batch in (await store.load("a")).batches] == [1]

    async def test_another_turn_from_the_same_batch_still_conflicts(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before, turn_id="mine"), now_us=T0)
        with pytest.raises(ConflictError):
            await store.commit(turn(before, turn_id="theirs"), now_us=T0)

    async def test_a_repetition_without_batches_that_conflicts_is_a_conflict(self, store: Store) -> None:
        before = await started(store, "a", task("a", "0"))
        (held,) = await receive_tasks(store)
        commit = replace(turn(before, settles=[held]), record=before, batches=())
        await store.commit(commit, now_us=T0)
        with pytest.raises(ConflictError):
            await store.commit(commit, now_us=T0)
        assert await store.find("a") == before
        assert await pending(store, "a") == []

    async def test_a_repetition_says_whether_the_instance_is_ready(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(before, wake_at_us=at(10), turn_id="mine")
        assert not (await store.commit(commit, now_us=T0)).is_ready
        assert not (await store.commit(commit, now_us=at(9))).is_ready
        assert (await store.commit(commit, now_us=at(10))).is_ready
        assert set(await receive_turns(store, now_us=at(10))) == {"a"}
