"""commit and send: the fence, the inbox, what a turn sends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError, InstanceFinished, InstanceNotFound
from nexus_sdk.store.port import CancelTask, Claim, Commit, Committed, Extended, Store, StoredBatch
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    finish,
    message,
    new,
    pending,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)


class FenceLaws:
    """`commit` is conditional on the last batch and the run; what fails leaves nothing behind."""

    async def test_a_commit_appends_and_replaces_the_record(self, store: Store) -> None:
        before = await store.create(new("a"), now_us=T0)
        commit = turn(before, custom_status=b"halfway", updated_us=at(1))
        await store.commit(commit, now_us=at(1))
        loaded = await store.load("a")
        assert loaded.record == commit.record
        assert loaded.batches[1:] == commit.batches

    async def test_a_commit_replaces_every_field_of_the_record(self, store: Store) -> None:
        before = await started(store, "a")
        commit = turn(
            before,
            build="b8",
            definition_digest="d",
            version="2",
            priority=4,
            attributes={"n": 1, "text": "ß"},
            trace={"traceparent": "00-1"},
            custom_status=b"\x00",
            failure=b"\xff",
            wake_at_us=at(9),
            held_through=7,
            encoding="msgpack",
            last_hash=b"\x02hash",
            updated_us=at(3),
            status=Status.BLOCKED,
        )
        await store.commit(commit, now_us=at(4))
        assert await store.find("a") == commit.record
        plain = turn(
            commit.record,
            attributes={},
            trace={},
            custom_status=None,
            failure=None,
            wake_at_us=None,
            held_through=None,
            status=Status.RUNNING,
        )
        await store.commit(plain, now_us=at(4))
        assert await store.find("a") == plain.record

    async def test_a_commit_without_batches_replaces_the_record_and_settles(self, store: Store) -> None:
        """So an instance that is held is put away until something new comes."""
        before = await started(store, "a", wake_at_us=at(10))
        await store.send([message("a", "m")], now_us=T0)
        delivery = (await receive_turns(store))["a"]
        held = replace(before, held_through=2, wake_at_us=None)
        commit = Commit(held, held.run_id, held.last_batch, (), settles=(delivery,))
        assert await store.commit(commit, now_us=T0) == Committed()
        assert (await store.load("a")).record == held
        assert await receive_turns(store, now_us=at(1e6)) == {}
        await store.commit(turn(held, consumed=(2,), held_through=None), now_us=T0)

    async def test_a_turn_from_a_batch_that_is_not_there_yet_conflicts(self, store: Store) -> None:
        before = await started(store, "a")
        with pytest.raises(ConflictError):
            await store.commit(turn(replace(before, last_batch=before.last_batch + 1)), now_us=T0)
        assert await store.find("a") == before

    async def test_of_two_turns_from_the_same_batch_one_succeeds(self, store: Store) -> None:
        before = await store.create(new("a"), now_us=T0)
        turns = [turn(before, turn_id=f"t{n}") for n in range(8)]
        outcomes = await asyncio.gather(*(store.commit(commit, now_us=T0) for commit in turns), return_exceptions=True)
        won = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Committed)]
        assert len(won) == 1
        assert all(isinstance(outcome, ConflictError) for n, outcome in enumerate(outcomes) if n != won[0])
        assert [batch.turn_id for batch in (await store.load("a", after=1)).batches] == [f"t{won[0]}"]

    async def test_a_turn_of_an_earlier_run_conflicts(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before, run_id="run-2", last_batch=before.last_batch), now_us=T0)
        with pytest.raises(ConflictError):
            await store.commit(turn(before), now_us=T0)

    async def test_a_rewound_run_begins_with_as_many_batches_as_are_copied(self, store: Store) -> None:
        before = await started(store)
        after = replace(before, run_id="run-2", run=2, last_batch=250)
        copied = tuple(StoredBatch("run-2", number, f"copied-{number}", b"%d" % number) for number in range(1, 251))
        commit = Commit(after, before.run_id, before.last_batch, copied)
        await store.commit(commit, now_us=T0)
        await store.commit(commit, now_us=T0)
        loaded = await store.load("a")
        assert loaded.record.run_id == "run-2"
        assert [batch.number for batch in loaded.batches] == list(range(1, 251))

    async def test_one_that_comes_too_late_leaves_no_trace_of_its_run(self, store: Store) -> None:
        before = await started(store)
        await store.commit(turn(before), now_us=T0)
        after = replace(before, run_id="run-2", run=2, last_batch=250)
        copied = tuple(StoredBatch("run-2", number, f"copied-{number}", b"%d" % number) for number in range(1, 251))
        for _ in range(2):
            with pytest.raises(ConflictError):
                await store.commit(Commit(after, before.run_id, before.last_batch, copied), now_us=T0)
        assert (await store.load("a")).record.run_id == before.run_id

    async def test_a_turn_that_ends_one_run_and_opens_the_next_appends_to_both(self, store: Store) -> None:
        before = await started(store, "a")
        after = replace(before, run_id="run-2", run=2, last_batch=1)
        batches = (StoredBatch("run-1", 3, "t", b"end"), StoredBatch("run-2", 1, "t", b"begin"))
        await store.commit(Commit(after, "run-1", 2, batches), now_us=T0)
        assert [batch.data for batch in (await store.load("a")).batches] == [b"begin"]
        assert [batch.data for batch in (await store.load("a", run_id="run-1", after=2)).batches] == [b"end"]
        await store.commit(turn(after), now_us=T0)

    async def test_a_conflict_leaves_nothing_behind(self, store: Store) -> None:
        other = await started(store, "other")
        before = await started(store, "a", task("a", "held"))
        (held,) = await receive_tasks(store)
        await store.send([message("a", "m")], now_us=T0)
        await store.commit(turn(before), now_us=T0)
        late = turn(
            before,
            message("other", "hello"),
            task("a", "late"),
            new("child"),
            CancelTask(held.task.id, "a", message("a", "removed")),
            consumed=(2,),
            settles=[held],
            claim=Claim(frozenset({"work"}), 5, ANNA),
            status=Status.COMPLETED,
            turn_id="late",
        )
        with pytest.raises(ConflictError):
            await store.commit(late, now_us=T0)
        assert await pending(store, "other") == []
        assert await store.find("other") == other
        assert await pending(store, "a") == ["m"]
        assert await receive_tasks(store, lease=BERT) == []
        with pytest.raises(InstanceNotFound):
            await store.find("child")
        extended = await store.extend(held, lease=ANNA, now_us=T0)
        assert not extended.is_lost
        assert not extended.is_cancel_requested

    async def test_an_unknown_instance_has_no_turns(self, store: Store) -> None:
        with pytest.raises(InstanceNotFound):
            await store.commit(turn(new("nobody").record), now_us=T0)

    async def test_settling_a_lost_delivery_conflicts(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store, lease=ANNA)
        (taken,) = await receive_tasks(store, lease=BERT, now_us=at(31))
        with pytest.raises(ConflictError):
            await store.commit(turn(before, settles=[lost]), now_us=at(31))
        assert await store.find("a") == before
        await store.commit(turn(before, settles=[taken]), now_us=at(31))
        assert await receive_tasks(store, now_us=at(90)) == []

    async def test_a_task_is_settled_once(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        after = turn(before, settles=[held])
        await store.commit(after, now_us=T0)
        with pytest.raises(ConflictError):
            await store.commit(turn(after.record, settles=[held]), now_us=T0)

    async def test_a_lease_that_ran_out_untaken_may_still_be_settled(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.commit(turn(before, settles=[held]), now_us=at(100))
        assert await receive_tasks(store, now_us=at(100)) == []

    async def test_a_settled_turn_frees_the_instance(self, store: Store) -> None:
        before = await store.create(new("a"), now_us=T0)
        delivery = (await receive_turns(store))["a"]
        await store.send([message("a", "m")], now_us=T0)
        committed = await store.commit(turn(before, consumed=(1,), settles=[delivery]), now_us=T0)
        assert committed.is_ready
        assert [found.id for found in (await receive_turns(store, lease=BERT))["a"].messages] == ["m"]


class InboxLaws:
    """`send`: accepted or refused, once, in order, kept until consumed."""

    async def test_messages_keep_the_order_of_acceptance(self, store: Store) -> None:
        await started(store, "a")
        await store.send([message("a", "x"), message("a", "y")], now_us=at(5))
        await store.send([message("a", "z")], now_us=at(3))  # a clock behind
        found = (await store.load("a")).messages
        assert [(each.id, each.number) for each in found] == [("x", 2), ("y", 3), ("z", 4)]
        assert [each.accepted_at_us for each in found] == [at(5), at(5), at(5)]

    async def test_many_senders_get_numbers_without_gap_or_repetition(self, store: Store) -> None:
        await started(store, "a")
        await asyncio.gather(*(store.send([message("a", f"m{n}")], now_us=T0) for n in range(20)))
        found = (await store.load("a")).messages
        assert [each.number for each in found] == list(range(2, 22))
        assert {each.id for each in found} == {f"m{n}" for n in range(20)}

    async def test_sending_twice_changes_nothing(self, store: Store) -> None:
        await started(store, "a")
        for _ in range(3):
            await store.send([message("a", "m"), message("a", "m")], now_us=T0)
        assert await pending(store, "a") == ["m"]

    async def test_a_remembered_id_is_not_accepted_anew_after_its_consumption(self, store: Store) -> None:
        before = await started(store, "a")
        both = [message("a", "keep", is_remembered=True), message("a", "forget")]
        await store.send(both, now_us=T0)
        consuming = turn(before, consumed=(2, 3), run_id="run-2")
        await store.commit(consuming, now_us=T0)
        await store.send(both, now_us=T0)
        assert await pending(store, "a") == ["forget"]

    async def test_a_turn_consumes_exactly_the_messages_it_names(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", name) for name in "wxyz"], now_us=T0)
        await store.commit(turn(before, consumed=(3, 5)), now_us=T0)
        assert await pending(store, "a") == ["w", "y"]
        await store.send([message("a", "x")], now_us=T0)
        assert await pending(store, "a") == ["w", "y", "x"]
        assert (await store.load("a")).messages[-1].number == 6

    async def test_a_finished_instance_refuses_and_an_unknown_one_is_not_found(self, store: Store) -> None:
        await finish(store, await started(store, "a"))
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "m")], now_us=T0)
        with pytest.raises(InstanceNotFound):
            await store.send([message("nobody", "m")], now_us=T0)

    async def test_a_repetition_is_no_error_even_when_the_instance_has_finished(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", "m", is_remembered=True)], now_us=T0)
        await store.commit(turn(before, consumed=(2,), status=Status.FAILED), now_us=T0)
        await store.send([message("a", "m", is_remembered=True)], now_us=T0)
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "m", is_remembered=True), message("a", "n")], now_us=T0)
        assert await pending(store, "a") == []

    async def test_messages_stay_while_the_instance_is_held(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", "m")], now_us=T0)
        held = turn(before, status=Status.SUSPENDED, held_through=2)
        await store.commit(held, now_us=T0)
        assert await receive_turns(store, now_us=at(1e6)) == {}
        await store.send([message("a", "resume")], now_us=at(1e6))
        delivery = (await receive_turns(store, now_us=at(1e6)))["a"]
        assert [found.id for found in delivery.messages] == ["m", "resume"]
        freed = turn(held.record, status=Status.RUNNING, held_through=None, consumed=(3,), settles=[delivery])
        assert (await store.commit(freed, now_us=at(1e6))).is_ready
        assert [found.id for found in (await receive_turns(store, now_us=at(1e6)))["a"].messages] == ["m"]

    async def test_of_messages_to_several_instances_all_are_accepted_or_none(self, store: Store) -> None:
        await started(store, "a")
        await finish(store, await started(store, "ended"))
        with pytest.raises(InstanceNotFound):
            await store.send([message("a", "m"), message("nobody", "m")], now_us=T0)
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "m"), message("ended", "m")], now_us=T0)
        assert await pending(store, "a") == []
        await started(store, "b")
        await store.send([message("a", "m"), message("b", "m"), message("a", "n")], now_us=T0)
        assert (await pending(store, "a"), await pending(store, "b")) == (["m", "n"], ["m"])
        assert set(await receive_turns(store)) == {"a", "b"}

    async def test_a_send_whose_reply_was_lost_takes_place_once(self, store: Store) -> None:
        """Repeated, it may say that its delivery is lost: it was settled."""
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        for _ in range(2):
            with suppress(ConflictError):
                await store.send([message("a", "done")], settles=[held], now_us=T0)
        assert await pending(store, "a") == ["done"]
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_rewound_instance_takes_messages_again(self, store: Store) -> None:
        ended = await finish(store, await started(store, "a"))
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "m")], now_us=T0)
        again = replace(ended, run_id="run-2", run=2, last_batch=1, status=Status.RUNNING)
        await store.commit(
            Commit(again, ended.run_id, ended.last_batch, (StoredBatch("run-2", 1, "t", b"again"),)), now_us=T0
        )
        await store.send([message("a", "m")], now_us=T0)
        assert [found.id for found in (await receive_turns(store))["a"].messages] == ["m"]

    async def test_sending_and_settling_is_one_step(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.send([message("a", "done")], settles=[held], now_us=T0)
        assert await pending(store, "a") == ["done"]
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_message_that_is_there_already_still_settles(self, store: Store) -> None:
        """The first reply may have been lost between the two."""
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.send([message("a", "done")], now_us=T0)
        await store.send([message("a", "done")], settles=[held], now_us=T0)
        assert await pending(store, "a") == ["done"]
        assert await store.extend(held, lease=ANNA, now_us=T0) == Extended(is_lost=True)
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_lost_delivery_sends_nothing(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store)
        (taken,) = await receive_tasks(store, lease=BERT, now_us=at(31))
        with pytest.raises(ConflictError):
            await store.send([message("a", "done")], settles=[lost], now_us=at(31))
        assert await pending(store, "a") == []
        assert not (await store.extend(taken, lease=BERT, now_us=at(31))).is_lost

    async def test_a_refused_message_keeps_the_deliveries_held(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await finish(store, before)
        with pytest.raises(InstanceFinished):
            await store.send([message("a", "done")], settles=[held], now_us=T0)
        assert not (await store.extend(held, lease=ANNA, now_us=T0)).is_lost


class SendLaws:
    """What a turn sends: messages with replies, instances, cancellations."""

    async def test_what_turns_send_is_accepted_in_their_order(self, store: Store) -> None:
        before, _ = await started(store, "a"), await started(store, "b")
        first = turn(before, *(message("b", f"m{n}") for n in range(3)))
        await store.commit(first, now_us=at(2))
        await store.commit(turn(first.record, message("b", "m3"), message("b", "m0")), now_us=at(1))
        found = (await store.load("b")).messages
        assert [(each.id, each.number) for each in found] == [("m0", 2), ("m1", 3), ("m2", 4), ("m3", 5)]
        assert all(each.accepted_at_us >= at(2) for each in found)

    async def test_a_reply_says_whether_a_message_was_accepted(self, store: Store) -> None:
        before = await started(store, "a")
        await started(store, "b")
        await finish(store, await started(store, "ended"))
        sends = [
            message(
                target,
                "hello",
                if_accepted=message("a", f"{target}-accepted"),
                if_refused=message("a", f"{target}-refused"),
            )
            for target in ("b", "ended", "nobody", "a")
        ]
        committed = await store.commit(turn(before, *sends), now_us=T0)
        assert committed.is_ready
        assert sorted(await pending(store, "a")) == [
            "a-accepted",
            "b-accepted",
            "ended-refused",
            "hello",
            "nobody-refused",
        ]
        assert await pending(store, "b") == ["hello"]
        assert set(await receive_turns(store)) == {"a", "b"}

    async def test_a_refusal_says_whether_the_instance_is_unknown_or_has_finished(self, store: Store) -> None:
        before = await started(store, "a")
        await finish(store, await started(store, "ended"))
        sends = [
            message(
                target,
                "hello",
                if_accepted=message("a", f"{target}-accepted"),
                if_refused=message("a", f"{target}-unknown"),
                if_finished=message("a", f"{target}-finished"),
            )
            for target in ("ended", "nobody", "a")
        ]
        await store.commit(turn(before, *sends), now_us=T0)
        assert sorted(await pending(store, "a")) == ["a-accepted", "ended-finished", "hello", "nobody-unknown"]
        assert all(found.if_finished is None for found in (await store.load("a")).messages)

    async def test_a_turn_that_ends_its_instance_is_refused_its_own_messages_as_finished(self, store: Store) -> None:
        before, _ = await started(store, "a"), await started(store, "b")
        hello = message("a", "hello", if_refused=message("b", "a-unknown"), if_finished=message("b", "a-finished"))
        await store.commit(turn(before, hello, status=Status.COMPLETED), now_us=T0)
        assert await pending(store, "b") == ["a-finished"]

    async def test_a_repetition_to_a_finished_instance_is_no_refusal(self, store: Store) -> None:
        before, other = await started(store, "a"), await started(store, "b")
        await store.send([message("b", "hello", is_remembered=True)], now_us=T0)
        await store.commit(turn(other, consumed=(2,), status=Status.COMPLETED), now_us=T0)
        hello = message("b", "hello", is_remembered=True, if_finished=message("a", "finished"))
        await store.commit(turn(before, hello), now_us=T0)
        assert await pending(store, "a") == []

    async def test_a_repetition_counts_as_accepted(self, store: Store) -> None:
        before, other = await started(store, "a"), await started(store, "b")
        await store.send([message("b", "hello", is_remembered=True)], now_us=T0)
        await store.commit(turn(other, consumed=(2,), status=Status.COMPLETED), now_us=T0)
        hello = message("b", "hello", is_remembered=True, if_accepted=message("a", "yes"))
        await store.commit(turn(before, hello), now_us=T0)
        assert await pending(store, "a") == ["yes"]

    async def test_a_reply_that_is_refused_is_dropped(self, store: Store) -> None:
        before = await started(store, "a")
        hello = message("nobody", "hello", if_refused=message("a", "refused"))
        await store.commit(turn(before, hello, status=Status.COMPLETED), now_us=T0)
        assert await pending(store, "a") == []

    async def test_a_turn_creates_instances(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before, new("child", if_refused=message("a", "no"))), now_us=T0)
        assert [batch.number for batch in (await store.load("child")).batches] == [1]
        assert await pending(store, "a") == []
        assert set(await receive_turns(store)) == {"child"}

    async def test_a_child_without_a_message_is_woken_by_its_time(self, store: Store) -> None:
        before = await started(store, "a")
        late = replace(new("child", wake_at_us=at(60)), message=None)
        await store.commit(turn(before, late), now_us=T0)
        assert await pending(store, "child") == []
        assert await receive_turns(store, now_us=at(59.999)) == {}
        assert set(await receive_turns(store, now_us=at(60))) == {"child"}

    async def test_a_child_whose_id_is_taken_is_refused(self, store: Store) -> None:
        before = await started(store, "a")
        await store.create(new("child", request_id="somebody else"), now_us=T0)
        refused = turn(before, new("child", if_refused=message("a", "no")))
        await store.commit(refused, now_us=T0)
        await store.commit(turn(refused.record, new("child")), now_us=T0)
        assert await pending(store, "a") == ["no"]
        assert (await store.find("child")).request_id == "somebody else"

    async def test_the_same_child_again_is_no_refusal(self, store: Store) -> None:
        before = await started(store, "a")
        child = await started(store, "child")
        await store.commit(turn(before, new("child", if_refused=message("a", "no"))), now_us=T0)
        assert await pending(store, "a") == []
        assert await store.find("child") == child
        assert await pending(store, "child") == []

    async def test_cancelling_a_task_that_nobody_holds_removes_it(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        await store.commit(turn(before, CancelTask("run-1/0", "a", message("a", "removed"))), now_us=T0)
        assert await pending(store, "a") == ["removed"]
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_cancelling_a_task_that_is_held_marks_it_for_good(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.commit(turn(before, CancelTask("run-1/0", "a", message("a", "removed"))), now_us=T0)
        assert await pending(store, "a") == []
        assert (await store.extend(held, lease=ANNA, now_us=T0)).is_cancel_requested
        (again,) = await receive_tasks(store, lease=BERT, now_us=at(31))
        assert again.is_cancel_requested
        await store.retry(again, replace(again.task, attempt=3), now_us=at(31))
        (third,) = await receive_tasks(store, now_us=at(31))
        assert third.is_cancel_requested

    async def test_cancelling_a_task_that_was_given_back_removes_it(self, store: Store) -> None:
        before = await started(store, "a", task("a", "0"), task("a", "1"))
        first, second = await receive_tasks(store)
        await store.release(first, now_us=T0)
        await store.retry(second, replace(second.task, attempt=2, not_before_us=at(50)), now_us=T0)
        sends = [CancelTask(held.task.id, "a", message("a", f"{held.task.id} removed")) for held in (first, second)]
        await store.commit(turn(before, *sends), now_us=T0)
        assert await pending(store, "a") == ["run-1/0 removed", "run-1/1 removed"]
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_task_that_was_marked_and_given_back_is_delivered_with_its_mark(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.commit(turn(before, CancelTask(held.task.id, "a", message("a", "removed"))), now_us=T0)
        await store.release(held, now_us=T0)
        (again,) = await receive_tasks(store, lease=BERT)
        assert again.is_cancel_requested
        assert await pending(store, "a") == []

    async def test_cancelling_an_unknown_task_has_no_effect(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before, CancelTask("run-1/9", "a", message("a", "removed"))), now_us=T0)
        assert await pending(store, "a") == []

    async def test_a_task_that_is_sent_and_cancelled_in_one_turn_is_never_delivered(self, store: Store) -> None:
        before = await started(store, "a")
        cancel = CancelTask("run-1/0", "a", message("a", "removed"))
        committed = await store.commit(
            turn(before, task("a"), cancel, claim=Claim(frozenset({"work"}), 5, ANNA)), now_us=T0
        )
        assert committed.deliveries == ()
        assert await pending(store, "a") == ["removed"]
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_task_whose_id_exists_changes_nothing(self, store: Store) -> None:
        before = await started(store, "a", task("a", body=b"first"))
        await store.commit(turn(before, task("a", body=b"second")), now_us=T0)
        assert [found.task.body for found in await receive_tasks(store)] == [b"first"]
