"""receive, claim, extend, retry, release, ack: leases and their counting."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError
from nexus_sdk.store.port import LOCAL, TURNS, Claim, Extended, Lease, Store, TaskDelivery, TurnDelivery
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    finish,
    message,
    names,
    new,
    receive,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)


class TurnLaws:
    """Instances that need a turn."""

    async def test_an_instance_is_delivered_once_with_all_its_messages(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        await store.send([message("a", "x"), message("a", "y")], now_us=T0)
        delivery = (await receive_turns(store))["a"]
        assert [found.id for found in delivery.messages] == ["nexus:start", "x", "y"]
        await store.send([message("a", "z")], now_us=T0)
        assert await receive_turns(store, lease=BERT) == {}

    async def test_a_delivery_says_at_which_batch_its_messages_were_pending(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", "x")], now_us=T0)
        delivery = (await receive_turns(store))["a"]
        assert (delivery.run_id, delivery.last_batch) == (before.run_id, before.last_batch)

    async def test_an_instance_that_waits_for_nothing_is_not_delivered(self, store: Store) -> None:
        await started(store, "a")
        assert await receive_turns(store, now_us=at(1e6)) == {}

    async def test_a_timer_delivers_when_its_time_has_come_and_not_before(self, store: Store) -> None:
        await started(store, "a", wake_at_us=at(60))
        received = await store.receive([TURNS], limit=5, lease=ANNA, now_us=at(59.999))
        assert received.deliveries == ()
        assert received.next_due_us == at(60)
        assert set(await receive_turns(store, now_us=at(60))) == {"a"}

    async def test_a_turn_whose_lease_ran_out_is_delivered_to_another(self, store: Store) -> None:
        before = await store.create(new("a"), now_us=T0)
        lost = (await receive_turns(store))["a"]
        assert await receive_turns(store, lease=BERT, now_us=at(29)) == {}
        taken = (await receive_turns(store, lease=BERT, now_us=at(30)))["a"]
        assert await store.extend(lost, lease=ANNA, now_us=at(30)) == Extended(is_lost=True)
        with pytest.raises(ConflictError):
            await store.commit(turn(before, settles=[lost]), now_us=at(30))
        await store.commit(turn(before, settles=[taken], consumed=(1,)), now_us=at(30))

    async def test_an_extended_turn_stays_the_holders(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        delivery = (await receive_turns(store))["a"]
        assert await store.extend(delivery, lease=ANNA, now_us=at(20)) == Extended()
        assert await receive_turns(store, lease=BERT, now_us=at(49)) == {}
        assert set(await receive_turns(store, lease=BERT, now_us=at(50))) == {"a"}

    async def test_a_released_turn_is_delivered_again_from_its_time_on(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        await store.release((await receive_turns(store))["a"], now_us=T0)
        delivery = (await receive_turns(store, lease=BERT))["a"]
        await store.release(delivery, now_us=T0, not_before_us=at(10))
        assert await receive_turns(store, now_us=at(9)) == {}
        assert set(await receive_turns(store, now_us=at(10))) == {"a"}

    async def test_an_acknowledged_turn_frees_the_instance(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        await store.ack((await receive_turns(store))["a"])
        assert set(await receive_turns(store, lease=BERT)) == {"a"}

    async def test_a_finished_instance_is_not_delivered(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", "m")], now_us=T0)
        committed = await store.commit(turn(before, status=Status.TERMINATED, wake_at_us=at(1)), now_us=T0)
        assert not committed.is_ready
        assert await receive_turns(store, now_us=at(99)) == {}

    async def test_the_limit_is_kept_and_the_rest_is_left_for_others(self, store: Store) -> None:
        for n in range(5):
            await store.create(new(f"i{n}"), now_us=at(n))
        first = await store.receive([TURNS], limit=2, lease=ANNA, now_us=at(5))
        assert {found.instance_id for found in first.deliveries if not isinstance(found, TaskDelivery)} == {"i0", "i1"}
        assert set(await receive_turns(store, lease=BERT, now_us=at(5))) == {"i2", "i3", "i4"}

    async def test_nobody_starves_while_others_are_always_ready_again(self, store: Store) -> None:
        waiting = {f"i{n}" for n in range(5)}
        for id in sorted(waiting):
            await store.create(new(id), now_us=T0)
        for second in range(1, 100):
            (delivery,) = await receive(store, TURNS, now_us=at(second), limit=1)
            assert isinstance(delivery, TurnDelivery)
            id = delivery.instance_id
            waiting -= {id}
            if not waiting:
                return
            used = [found.number for found in delivery.messages]
            await store.commit(turn(await store.find(id), consumed=used, settles=[delivery]), now_us=at(second))
            await store.send([message(id, f"again {second}")], now_us=at(second))
        raise AssertionError(f"in a hundred turns of others, none of {sorted(waiting)}")

    async def test_a_held_instance_is_delivered_when_its_time_has_come(self, store: Store) -> None:
        before = await started(store, "a")
        await store.send([message("a", "m")], now_us=T0)
        await store.commit(turn(before, held_through=2, wake_at_us=at(10), status=Status.SUSPENDED), now_us=T0)
        assert await receive_turns(store, now_us=at(9)) == {}
        assert [found.id for found in (await receive_turns(store, now_us=at(10)))["a"].messages] == ["m"]

    async def test_a_lease_of_no_seconds_ends_at_once(self, store: Store) -> None:
        """So one who saw a holder die can give free what he held, and it counts as lost."""
        await started(store, "a", task("a"))
        await store.create(new("b"), now_us=T0)
        (held,) = await receive_tasks(store)
        delivery = (await receive_turns(store))["b"]
        for each in (held, delivery):
            assert await store.extend(each, lease=Lease("anna", 0), now_us=at(1)) == Extended()
        (again,) = await receive_tasks(store, lease=BERT, now_us=at(1))
        assert (again.task.attempt, again.deliveries) == (2, 2)
        assert set(await receive_turns(store, lease=BERT, now_us=at(1))) == {"b"}

    async def test_a_turns_lease_that_ran_out_and_that_nobody_took_can_be_extended(self, store: Store) -> None:
        before = await store.create(new("a"), now_us=T0)
        delivery = (await receive_turns(store))["a"]
        assert await store.extend(delivery, lease=ANNA, now_us=at(100)) == Extended()
        assert await receive_turns(store, lease=BERT, now_us=at(129)) == {}
        await store.commit(turn(before, settles=[delivery], consumed=(1,)), now_us=at(129))
        assert await store.extend(delivery, lease=ANNA, now_us=at(129)) == Extended(is_lost=True)

    async def test_racing_receivers_share_nothing(self, store: Store) -> None:
        for n in range(12):
            await store.create(new(f"i{n}"), now_us=T0)
        leases = [Lease(f"h{n}", 30) for n in range(6)]
        received = await asyncio.gather(*(store.receive([TURNS], limit=4, lease=lease, now_us=T0) for lease in leases))
        found = [d.instance_id for r in received for d in r.deliveries if not isinstance(d, TaskDelivery)]
        assert sorted(found) == sorted(f"i{n}" for n in range(12))


class TaskLaws:
    """Tasks on queues."""

    async def test_a_task_is_delivered_to_one_on_its_queue(self, store: Store) -> None:
        sent = task("a", body=b"\x00body", priority=2, details=b"d")
        await started(store, "a", sent)
        assert await receive_tasks(store, "elsewhere") == []
        (held,) = await receive_tasks(store)
        assert (held.task, held.deliveries, held.is_cancel_requested) == (sent, 1, False)
        assert await receive_tasks(store, lease=BERT) == []

    async def test_a_delayed_task_waits_for_its_time(self, store: Store) -> None:
        await started(store, "a", task("a", not_before_us=at(10)))
        received = await store.receive(["work"], limit=5, lease=ANNA, now_us=at(9))
        assert (received.deliveries, received.next_due_us) == ((), at(10))
        assert len(await receive_tasks(store, now_us=at(10))) == 1

    async def test_priority_comes_first_then_age(self, store: Store) -> None:
        tasks = [task("a", str(n), priority=priority) for n, priority in enumerate([0, 5, -1, 5, 0])]
        await started(store, "a", *tasks)
        found = [(await receive_tasks(store, limit=1))[0].task.id for _ in tasks]
        assert found == [f"run-1/{n}" for n in (1, 3, 0, 4, 2)]

    async def test_a_lost_lease_counts_as_an_attempt(self, store: Store) -> None:
        await started(store, "a", task("a"))
        counts = []
        for n in range(3):
            (held,) = await receive_tasks(store, now_us=at(30 * n), lease=Lease(f"h{n}", 30))
            counts.append((held.task.attempt, held.deliveries))
        assert counts == [(1, 1), (2, 2), (3, 3)]

    async def test_a_released_delivery_counts_as_never_made(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store)
        assert lost.deliveries == 1
        for n in (31, 32):
            (held,) = await receive_tasks(store, now_us=at(n), lease=BERT)
            assert (held.task.attempt, held.deliveries) == (2, 2)
            await store.release(held, now_us=at(n))
        (held,) = await receive_tasks(store, now_us=at(33))
        await store.release(held, now_us=at(33), not_before_us=at(50))
        assert await receive_tasks(store, now_us=at(49)) == []
        assert len(await receive_tasks(store, now_us=at(50))) == 1

    async def test_a_retry_replaces_the_failed_attempt(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (failed,) = await receive_tasks(store)
        following = replace(failed.task, attempt=2, body=b"log", not_before_us=at(5), details=b"half")
        await store.retry(failed, following, now_us=T0)
        assert await receive_tasks(store, now_us=at(4)) == []
        (held,) = await receive_tasks(store, now_us=at(5))
        assert (held.task, held.deliveries) == (following, 1)
        with pytest.raises(ConflictError):
            await store.retry(failed, following, now_us=at(5))
        assert not (await store.extend(held, lease=ANNA, now_us=at(5))).is_lost

    async def test_a_release_or_retry_whose_reply_was_lost_takes_place_once(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store)
        (held,) = await receive_tasks(store, now_us=at(30))
        await store.release(held, now_us=at(30))
        await store.release(held, now_us=at(30))
        (held,) = await receive_tasks(store, now_us=at(30))
        assert (held.task.attempt, held.deliveries) == (2, 2)
        following = replace(held.task, attempt=3)
        await store.retry(held, following, now_us=at(30))
        with pytest.raises(ConflictError):
            await store.retry(held, following, now_us=at(30))
        with pytest.raises(ConflictError):
            await store.retry(lost, replace(following, attempt=9), now_us=at(30))
        assert [(found.task, found.deliveries) for found in await receive_tasks(store, now_us=at(30))] == [
            (following, 1)
        ]

    async def test_the_limit_counts_over_all_queues(self, store: Store) -> None:
        await started(store, "a", task("a", "0"), task("a", "1"), task("a", "2", "other"))
        await store.create(new("b"), now_us=T0)
        for expected in (3, 1, 0):
            received = await store.receive(["work", "other", TURNS], limit=3, lease=ANNA, now_us=T0)
            assert len(received.deliveries) == expected

    async def test_a_settled_task_is_lost_to_its_holder(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.commit(turn(before, settles=[held]), now_us=T0)
        assert await store.extend(held, lease=ANNA, now_us=T0) == Extended(is_lost=True)
        await store.release(held, now_us=T0)
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_retry_may_move_a_task_to_another_queue(self, store: Store) -> None:
        before = await started(store, "a", task("a"))
        (failed,) = await receive_tasks(store)
        await store.retry(failed, replace(failed.task, attempt=2, queue="other"), now_us=T0)
        assert await receive_tasks(store, now_us=at(99)) == []
        (held,) = await receive_tasks(store, "other", now_us=at(99))
        await store.commit(turn(before, settles=[held]), now_us=at(99))
        assert await receive_tasks(store, "other", now_us=at(999)) == []

    async def test_a_retry_of_a_lost_lease_conflicts(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store)
        (taken,) = await receive_tasks(store, lease=BERT, now_us=at(31))
        with pytest.raises(ConflictError):
            await store.retry(lost, replace(lost.task, attempt=2, body=b"mine"), now_us=at(31))
        assert await store.extend(taken, lease=BERT, now_us=at(31)) == Extended()

    async def test_heartbeat_details_reach_the_next_attempt(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.extend(held, lease=ANNA, now_us=at(1), details=b"7 of 9")
        await store.extend(held, lease=ANNA, now_us=at(2))
        (again,) = await receive_tasks(store, lease=BERT, now_us=at(32))
        assert (again.task.details, again.task.attempt) == (b"7 of 9", 2)

    async def test_a_lease_that_ran_out_and_that_nobody_took_can_be_extended(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        assert await store.extend(held, lease=ANNA, now_us=at(100)) == Extended()
        assert await receive_tasks(store, lease=BERT, now_us=at(101)) == []

    async def test_release_and_ack_of_a_lost_lease_have_no_effect(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (lost,) = await receive_tasks(store)
        (taken,) = await receive_tasks(store, lease=BERT, now_us=at(31))
        await store.release(lost, now_us=at(31))
        await store.ack(lost)
        assert await receive_tasks(store, now_us=at(32)) == []
        assert await store.extend(taken, lease=BERT, now_us=at(32)) == Extended()

    async def test_an_acknowledged_task_is_gone(self, store: Store) -> None:
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await store.ack(held)
        await store.ack(held)
        assert await receive_tasks(store, now_us=at(99)) == []
        assert await store.extend(held, lease=ANNA, now_us=T0) == Extended(is_lost=True)

    async def test_the_next_due_time_is_the_end_of_the_earliest_lease(self, store: Store) -> None:
        await started(store, "a", task("a", "0"), task("a", "1", not_before_us=at(40)))
        received = await store.receive(["work"], limit=5, lease=ANNA, now_us=T0)
        assert received.next_due_us == at(30)
        (held,) = received.deliveries
        await store.ack(held)
        assert (await store.receive(["work"], limit=5, lease=ANNA, now_us=T0)).next_due_us == at(40)

    async def test_with_nothing_to_come_there_is_no_due_time(self, store: Store) -> None:
        await started(store, "a")
        assert (await store.receive(["work"], limit=5, lease=ANNA, now_us=T0)).next_due_us is None

    async def test_turns_and_tasks_are_received_together(self, store: Store) -> None:
        await started(store, "a", task("a"))
        await store.create(new("b"), now_us=T0)
        received = await store.receive([TURNS, "work"], limit=5, lease=ANNA, now_us=T0)
        assert {type(found).__name__ for found in received.deliveries} == {"TurnDelivery", "TaskDelivery"}


class ClaimLaws:
    """`Commit.claim`: what a commit hands out at once."""

    async def test_a_claim_hands_out_what_was_just_sent(self, store: Store) -> None:
        before = await started(store, "a")
        sends = [task("a", str(n)) for n in range(3)]
        committed = await store.commit(turn(before, *sends, claim=_claim("work", limit=2)), now_us=T0)
        assert names(committed) == ["run-1/0", "run-1/1"]
        assert [found.deliveries for found in committed.deliveries] == [1, 1]
        assert [found.task.id for found in await receive_tasks(store, lease=BERT)] == ["run-1/2"]
        await store.send([message("a", "done")], settles=committed.deliveries, now_us=T0)
        assert await receive_tasks(store, lease=ANNA, now_us=at(29)) == []

    async def test_a_claimed_lease_runs_out_like_any_other(self, store: Store) -> None:
        before = await started(store, "a")
        await store.commit(turn(before, task("a"), claim=_claim("work", limit=1)), now_us=T0)
        assert await receive_tasks(store, lease=BERT, now_us=at(29)) == []
        (held,) = await receive_tasks(store, lease=BERT, now_us=at(30))
        assert (held.task.attempt, held.deliveries) == (2, 2)

    async def test_a_claim_takes_older_tasks_after_those_just_sent(self, store: Store) -> None:
        await started(store, "old", task("old", "7", priority=9), task("old", "8"), task("old", "9"))
        before = await started(store, "a")
        claim = _claim("work", limit=3)
        committed = await store.commit(turn(before, task("a", "0"), claim=claim), now_us=T0)
        assert names(committed) == ["run-1/0", "run-1/7", "run-1/8"]

    async def test_a_task_that_was_sent_before_takes_no_place_of_a_claim(self, store: Store) -> None:
        before = await started(store, "a", task("a", "0"), task("a", "1"))
        (held,) = await receive_tasks(store, lease=BERT, limit=1)
        committed = await store.commit(turn(before, task("a", "0"), claim=_claim("work", limit=1)), now_us=T0)
        assert held.task.id == "run-1/0"
        assert names(committed) == ["run-1/1"]

    async def test_a_claim_takes_tasks_that_fell_due_since(self, store: Store) -> None:
        await started(store, "old", task("old", "7", not_before_us=at(20)), task("old", "8", LOCAL))
        before = await started(store, "a")
        assert await receive_tasks(store, LOCAL, lease=BERT, now_us=T0) != []  # lost with its holder after 30 seconds
        claim = Claim(frozenset({"work", LOCAL}), 3, ANNA)
        committed = await store.commit(turn(before, claim=claim), now_us=at(40))
        assert sorted((found.task.id, found.task.attempt) for found in committed.deliveries) == [
            ("run-1/7", 1),
            ("run-1/8", 2),
        ]

    async def test_a_claim_takes_nothing_of_others_and_nothing_too_early(self, store: Store) -> None:
        await started(store, "old", task("old", "7"), task("old", "8", "foreign"))
        (held,) = await receive_tasks(store, lease=BERT)
        before = await started(store, "a")
        late = task("a", "0", not_before_us=at(1))
        sends = (late, task("a", "1", "foreign"))
        committed = await store.commit(turn(before, *sends, claim=_claim("work", limit=9)), now_us=T0)
        assert committed.deliveries == ()
        assert not (await store.extend(held, lease=BERT, now_us=T0)).is_lost
        assert [found.task.id for found in await receive_tasks(store, now_us=at(1))] == ["run-1/0"]

    async def test_local_tasks_are_handed_out_beyond_the_limit(self, store: Store) -> None:
        before = await started(store, "a")
        sends = [task("a", "0", LOCAL), task("a", "1"), task("a", "2", LOCAL)]
        committed = await store.commit(turn(before, *sends, claim=_claim("work", limit=1)), now_us=T0)
        assert sorted(names(committed)) == ["run-1/0", "run-1/1", "run-1/2"]
        assert await receive_tasks(store, LOCAL, lease=BERT, now_us=at(29)) == []
        again = await receive_tasks(store, LOCAL, lease=BERT, now_us=at(30))
        assert sorted((found.task.id, found.task.attempt) for found in again) == [("run-1/0", 2), ("run-1/2", 2)]

    async def test_a_step_settles_sends_and_claims_in_one_commit(self, store: Store) -> None:
        before = await started(store, "a", task("a", "0"))
        held: TaskDelivery
        (held,) = await receive_tasks(store)
        for n in range(1, 4):
            step = turn(before, task("a", str(n)), settles=[held], claim=_claim("work", limit=1))
            (held,) = (await store.commit(step, now_us=T0)).deliveries
            before = step.record
        await store.commit(turn(before, settles=[held], status=Status.COMPLETED), now_us=T0)
        assert await receive_tasks(store, now_us=at(99)) == []

    async def test_a_claim_of_a_finishing_turn_hands_out_others_work(self, store: Store) -> None:
        await started(store, "b", task("b"))
        before = await started(store, "a")
        ending = turn(before, status=Status.COMPLETED, claim=_claim("work", limit=1))
        assert names(await store.commit(ending, now_us=T0)) == ["run-1/0"]
        await finish(store, await store.find("b"))


def _claim(*queues: str, limit: int) -> Claim:
    return Claim(frozenset(queues), limit, ANNA)
