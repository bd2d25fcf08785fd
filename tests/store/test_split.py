"""The memory store, split profile, passes the suite; and survives crashes between its sub-steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.store.port import TURNS, CancelTask, InstanceRecord, Store
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.provider_suite import ProviderSuite
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    SECOND,
    T0,
    at,
    message,
    new,
    pending,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)
from nexus_sdk.testing.provider_suite.recovery import END, Crash, Worker, history_of


class TestSplitMemoryStore(ProviderSuite):
    @pytest.fixture
    def store_factory(self) -> Callable[[], Store]:
        store = SplitMemoryStore()
        return lambda: store

    @pytest.fixture
    def fresh_store(self) -> Callable[[], Store]:
        return SplitMemoryStore


# --- crashes inside a verb --------------------------------------------------------------------------------------------


class CrashAfter:
    """Lets so many sub-steps pass, then the process ends; `steps` are the names of those that passed."""

    def __init__(self, steps_left: int) -> None:
        self.steps_left = steps_left
        self.steps: list[str] = []

    def __call__(self, step: str) -> None:
        if self.steps_left == 0:
            raise Crash
        self.steps_left -= 1
        self.steps.append(step)


def no_disturbance(store: SplitMemoryStore) -> None:
    """The queue behaves."""


def bells_are_lost(store: SplitMemoryStore) -> None:
    store.queue.lose()


def everything_is_lost(store: SplitMemoryStore) -> None:
    store.queue.lose(lambda ring: True)


def everything_comes_twice(store: SplitMemoryStore) -> None:
    store.queue.duplicate()


DISTURBANCES = [no_disturbance, bells_are_lost, everything_is_lost, everything_comes_twice]


async def recovered(store: SplitMemoryStore, disturb: Callable[[SplitMemoryStore], None]) -> None:
    """Another worker takes over, with time passing, and the queue at its worst."""
    store.between = None
    heir = Worker(store, "bert", at(0), 1000)
    for _ in range(5):
        disturb(store)
        heir.now_us += 40 * SECOND
        await heir.run()


@pytest.mark.parametrize("disturb", DISTURBANCES)
async def test_after_a_crash_between_any_two_sub_steps_the_same_end_is_reached(
    disturb: Callable[[SplitMemoryStore], None],
) -> None:
    names: set[str] = set()
    for steps in range(400):
        crash = CrashAfter(steps)
        store = SplitMemoryStore(between=crash)
        try:
            await Worker(store, "anna", at(0), 1000).run()
        except Crash:
            names.update(crash.steps)
            await recovered(store, disturb)
            assert await history_of(store) == END, crash.steps[-3:]
        else:
            break
    else:
        raise AssertionError("the script never ended")
    assert {"commit:write after", "outbox:message before", "outbox:instance after", "outbox:sent before"} <= names


SENDS = [
    message("b", "hello", if_accepted=message("a", "b-yes"), if_refused=message("a", "b-no")),
    message("nobody", "hello", if_accepted=message("a", "nobody-yes"), if_refused=message("c", "nobody-no")),
    task("a", "1"),
    new("child", if_refused=message("a", "child-no")),
    new("b", request_id="another", if_refused=message("a", "taken")),
    CancelTask("run-1/0", "a", message("c", "removed")),
]


@pytest.mark.parametrize("disturb", DISTURBANCES)
async def test_every_send_of_a_turn_is_made_once_whatever_the_committer_came_to(
    disturb: Callable[[SplitMemoryStore], None],
) -> None:
    for steps in range(200):
        store = SplitMemoryStore()
        before = await started(store, "a", task("a", "0"))
        for name in "bc":
            await started(store, name)
        crash = store.between = CrashAfter(steps)
        is_crashed = False
        try:
            await store.commit(turn(before, *SENDS, status=Status.COMPLETED, turn_id="mine"), now_us=T0)
        except Crash:
            is_crashed = True
        store.between = None
        written = (await store.load("a", after=2)).batches
        if not written:
            assert "commit:write after" not in crash.steps
            assert await pending(store, "b") == []
            continue
        disturb(store)
        await store.due(before_us=at(6), limit=9)
        disturb(store)
        assert await pending(store, "b") == ["hello"]
        assert sorted(await pending(store, "c")) == ["nobody-no", "removed"]
        assert (await store.find("child")).id == "child"
        assert [found.task.id for found in await receive_tasks(store, now_us=at(20))] == ["run-1/1"]
        assert set(await receive_turns(store, now_us=at(20))) == {"b", "c", "child"}
        if not is_crashed:
            return
    raise AssertionError("the commit never ended")


async def test_within_the_grace_a_crashed_committer_is_given_time_but_whoever_touches_it_heals_at_once() -> None:
    store, before = await _crashed_before_its_sends()
    assert list(await store.due(before_us=at(4.9), limit=9)) == []
    assert await pending(store, "b") == []
    await store.send([message("a", "m")], now_us=at(1))
    assert await pending(store, "b") == ["hello"]
    store, before = await _crashed_before_its_sends()
    await store.commit(turn(before), now_us=at(1))
    assert await pending(store, "b") == ["hello"]
    store, before = await _crashed_before_its_sends()
    assert list(await store.due(before_us=at(5), limit=9)) == ["a"]
    assert await pending(store, "b") == ["hello"]


async def _crashed_before_its_sends() -> tuple[SplitMemoryStore, InstanceRecord]:
    store = SplitMemoryStore()
    before = await started(store, "a")
    await started(store, "b")

    def crash(step: str) -> None:
        if step == "commit:write after":
            raise Crash

    store.between = crash
    commit = turn(before, message("b", "hello"))
    with pytest.raises(Crash):
        await store.commit(commit, now_us=T0)
    store.between = None
    return store, commit.record


async def test_a_message_that_is_sent_once_more_after_its_consumption_has_no_effect() -> None:
    store, before = await _crashed_before_its_sends()
    other = await store.find("b")

    def crash(step: str) -> None:
        if step == "outbox:sent before":
            raise Crash

    store.between = crash
    with pytest.raises(Crash):
        await store.commit(turn(before), now_us=T0)
    store.between = None
    assert await pending(store, "b") == ["hello"]
    await store.commit(turn(other, consumed=(2,)), now_us=T0)
    await store.commit(turn(before), now_us=T0)
    assert await pending(store, "b") == []


async def test_older_batches_are_sent_first() -> None:
    store, before = await _crashed_before_its_sends()
    await store.commit(turn(before, message("b", "second")), now_us=T0)
    assert await pending(store, "b") == ["hello", "second"]


# --- the queue at its worst -------------------------------------------------------------------------------------------


async def test_a_task_whose_message_comes_twice_is_held_by_one() -> None:
    store = SplitMemoryStore()
    await started(store, "a", task("a"))
    store.queue.duplicate()
    (held,) = await receive_tasks(store)
    store.queue.duplicate()
    assert await receive_tasks(store, lease=BERT) == []
    await store.send([message("a", "done")], settles=[held], now_us=T0)
    store.queue.duplicate()
    assert await receive_tasks(store, now_us=at(99)) == []


async def test_the_message_of_an_attempt_that_was_replaced_is_dropped() -> None:
    store = SplitMemoryStore()
    await started(store, "a", task("a"))
    store.queue.duplicate()
    (failed,) = await receive_tasks(store)
    await store.retry(failed, replace(failed.task, attempt=2, not_before_us=at(50)), now_us=T0)
    assert await receive_tasks(store, now_us=at(40)) == []
    (second,) = await receive_tasks(store, now_us=at(50))
    assert (second.task.attempt, second.deliveries) == (2, 1)


async def test_a_cancelled_task_is_not_delivered_by_a_message_that_is_still_under_way() -> None:
    store = SplitMemoryStore()
    before = await started(store, "a", task("a"))
    store.queue.duplicate()
    await store.commit(turn(before, CancelTask("run-1/0", "a", message("a", "removed"))), now_us=T0)
    assert await receive_tasks(store) == []


async def test_an_instance_whose_bell_is_lost_is_found_by_the_sweep() -> None:
    store = SplitMemoryStore()
    await store.create(new("a"), now_us=T0)
    store.queue.lose()
    assert (await store.receive([TURNS], limit=9, lease=ANNA, now_us=at(60))).deliveries == ()
    assert list(await store.due(before_us=at(60), limit=9)) == ["a"]
    assert len((await store.receive([TURNS], limit=9, lease=ANNA, now_us=at(60))).deliveries) == 1


async def test_bells_that_ring_twice_deliver_once() -> None:
    store = SplitMemoryStore()
    await store.create(new("a"), now_us=T0)
    store.queue.duplicate()
    assert len((await store.receive([TURNS], limit=9, lease=ANNA, now_us=T0)).deliveries) == 1
    assert (await store.receive([TURNS], limit=9, lease=BERT, now_us=T0)).deliveries == ()


# --- dead letters -----------------------------------------------------------------------------------------------------


async def _never_answered(store: SplitMemoryStore, queue: str) -> None:
    """Receive whatever is there, again and again, and let every lease run out."""
    store.queue.receives_max = 2
    for times in range(4):
        await store.receive([queue], limit=9, lease=ANNA, now_us=at(1_000 * times))


async def test_a_task_that_the_queue_gave_up_is_delivered_as_failed() -> None:
    store = SplitMemoryStore()
    await started(store, "a", task("a"))
    await _never_answered(store, task("a").queue)
    assert store.queue.dead
    await store.due(before_us=at(10_000), limit=9)
    (delivery,) = await receive_tasks(store, now_us=at(10_000))
    assert delivery.dead_letter == "its message was delivered 2 times and nobody answered for it"
    assert store.queue.dead == []


async def test_a_letter_about_a_task_that_somebody_has_changes_nothing() -> None:
    store = SplitMemoryStore()
    await started(store, "a", task("a"))
    await _never_answered(store, task("a").queue)
    letters, store.queue.dead = store.queue.dead, []
    (held,) = await receive_tasks(store, now_us=at(10_000))
    store.queue.dead = letters
    await store.due(before_us=at(10_000), limit=9)
    assert not held.dead_letter
    assert store.queue.dead == []
    assert not (await store.extend(held, lease=ANNA, now_us=at(10_001))).is_lost


async def test_a_bell_that_the_queue_gave_up_heals_its_instance() -> None:
    store = SplitMemoryStore()
    await store.create(new("a"), now_us=T0)
    await _never_answered(store, TURNS)
    assert store.queue.dead
    await store.due(before_us=at(10_000), limit=9)
    assert len(await receive_turns(store, now_us=at(10_000))) == 1


async def test_what_was_given_back_is_not_on_its_way_to_the_dead_letters() -> None:
    store = SplitMemoryStore()
    store.queue.receives_max = 2
    await started(store, "a", task("a"))
    for _ in range(5):
        (held,) = await receive_tasks(store)
        await store.release(held, now_us=T0)
    assert store.queue.dead == []


async def test_who_repeats_a_commit_wakes_those_who_wait_for_the_status() -> None:
    crash = CrashAfter(-1)
    store = SplitMemoryStore(between=crash)
    before = await started(store, "a")
    waiting = asyncio.ensure_future(
        store.watch("a", run_id=before.run_id, after=before.last_batch, status=before.status)
    )
    await asyncio.sleep(0)
    commit = turn(replace(before, status=Status.COMPLETED))
    crash.steps_left = 1  # the write is done, and its reply lost
    with pytest.raises(Crash):
        await store.commit(commit, now_us=T0)
    crash.steps_left = -1
    await store.commit(commit, now_us=T0)
    await asyncio.wait_for(waiting, 5)


async def test_a_hook_may_wait() -> None:
    seen: list[str] = []

    async def between(step: str) -> None:
        seen.append(step)

    await SplitMemoryStore(between=between).create(new("a"), now_us=T0)
    assert seen == ["create:write before", "create:write after", "ring before", "ring after"]
