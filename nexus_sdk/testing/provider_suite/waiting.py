"""watch, doorbell, due. Nothing here waits for a clock: every wait is for something that was done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nexus_sdk.core.status import Status
from nexus_sdk.store.port import Doorbell, Store
from nexus_sdk.testing.provider_suite.builders import (
    T0,
    at,
    finish,
    message,
    new,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must come before it fails."""


class WatchLaws:
    """`watch` returns when the instance has moved."""

    async def test_a_watch_wakes_when_the_instance_moves(self, store: Store) -> None:
        before = await started(store, "a")
        watching = asyncio.ensure_future(_moved(store, "a", before.run_id, before.last_batch))
        await asyncio.sleep(0)
        await store.commit(turn(before), now_us=T0)
        await watching

    async def test_a_watch_of_what_has_moved_returns_at_once(self, store: Store) -> None:
        before = await started(store, "a")
        await _moved(store, "a", before.run_id, 1)
        await _moved(store, "a", "run-0", before.last_batch)
        await _moved(store, "nobody", "run-1", 1)

    async def test_a_watch_for_a_status_wakes_when_it_is_another_one(self, store: Store) -> None:
        before = await started(store, "a")
        watching = asyncio.ensure_future(_moved(store, "a", before.run_id, before.last_batch, before.status))
        await asyncio.sleep(0)
        step = turn(before)
        await store.commit(step, now_us=T0)  # may wake it, or not
        await asyncio.sleep(0)
        await finish(store, step.record)
        await watching

    async def test_a_watch_for_a_status_that_has_changed_returns_at_once(self, store: Store) -> None:
        before = await started(store, "a")
        await finish(store, before)
        await _moved(store, "a", before.run_id, before.last_batch, before.status)

    async def test_a_watch_wakes_when_the_instance_is_purged(self, store: Store) -> None:
        ended = await finish(store, await started(store, "a"))
        watching = asyncio.ensure_future(_moved(store, "a", ended.run_id, ended.last_batch))
        await asyncio.sleep(0)
        await store.purge("a", now_us=T0)
        await watching

    async def test_every_watcher_wakes_whoever_moved_it(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        before = await started(one, "a")
        handles = [one, other, one]
        watching = [
            asyncio.ensure_future(_moved(store, "a", before.run_id, before.last_batch, status))
            for store, status in zip(handles, [None, None, before.status], strict=True)
        ]
        await asyncio.sleep(0)
        await finish(other, before)
        await asyncio.gather(*watching)


class DoorbellLaws:
    """A bell rings when there may be something; work that lies there is never left without a ring."""

    async def test_a_bell_rings_for_a_create_a_message_and_a_task(self, store: Store) -> None:
        bell = store.doorbell()
        await receive_turns(store)
        await store.create(new("a"), now_us=T0)
        await _rung(bell)
        (delivery,) = (await receive_turns(store)).values()
        before = turn(await store.find("a"), task("a"), consumed=(1,), settles=[delivery])
        await store.commit(before, now_us=T0)
        await _rung(bell)
        await receive_tasks(store)
        await store.send([message("a", "m")], now_us=T0)
        await _rung(bell)
        bell.close()

    async def test_a_bell_has_rung_when_its_own_handle_has_done_something(self, store: Store) -> None:
        """No look at the database, and no other process, is needed for that. A test's clock jumps when nobody moves."""
        bell = store.doorbell()
        await receive_turns(store)
        await _drained(bell)
        await store.create(new("a"), now_us=T0)
        assert await _has_rung(bell)
        (delivery,) = (await receive_turns(store)).values()
        await _drained(bell)
        await store.commit(turn(await store.find("a"), task("a"), consumed=(1,), settles=[delivery]), now_us=T0)
        assert await _has_rung(bell)
        (held,) = await receive_tasks(store)
        await _drained(bell)
        await store.send([message("a", "m")], settles=[held], now_us=T0)
        assert await _has_rung(bell)
        bell.close()

    async def test_a_bell_rings_for_what_another_handle_has_sent(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        bell = one.doorbell()
        await receive_turns(one)
        await other.create(new("a"), now_us=T0)
        await _rung(bell)
        assert set(await receive_turns(one)) == {"a"}
        bell.close()

    async def test_a_bell_that_rang_before_the_wait_is_heard(self, store: Store) -> None:
        bell = store.doorbell()
        bell.ring()
        await _rung(bell)

    async def test_a_bell_rings_for_a_released_and_a_retried_task(self, store: Store) -> None:
        bell = store.doorbell()
        await started(store, "a", task("a"))
        (held,) = await receive_tasks(store)
        await _drained(bell)
        await store.release(held, now_us=T0)
        await _rung(bell)
        (held,) = await receive_tasks(store)
        await _drained(bell)
        await store.retry(held, held.task, now_us=T0)
        await _rung(bell)

    async def test_a_bell_rings_for_a_time_before_the_one_that_was_told(self, store: Store) -> None:
        before = await started(store, "a", wake_at_us=at(50))
        bell = store.doorbell()
        await receive_turns(store)
        await _drained(bell)
        await store.commit(turn(before, wake_at_us=at(20)), now_us=T0)
        await _rung(bell)


class DueLaws:
    """`due` finds what needs a look."""

    async def test_a_timer_that_is_due_is_reported(self, store: Store) -> None:
        await started(store, "a", wake_at_us=at(10))
        await started(store, "b", wake_at_us=at(20))
        assert list(await store.due(before_us=at(9), limit=9)) == []
        assert list(await store.due(before_us=at(10), limit=9)) == ["a"]
        assert sorted(await store.due(before_us=at(20), limit=9)) == ["a", "b"]
        assert len(await store.due(before_us=at(20), limit=1)) == 1

    async def test_a_lease_that_ran_out_is_reported(self, store: Store) -> None:
        await started(store, "a", task("a"))
        await receive_tasks(store)
        assert list(await store.due(before_us=at(29), limit=9)) == []
        assert list(await store.due(before_us=at(30), limit=9)) == ["a"]

    async def test_a_turn_whose_lease_ran_out_is_reported(self, store: Store) -> None:
        await store.create(new("a"), now_us=T0)
        await receive_turns(store)
        assert list(await store.due(before_us=at(29), limit=9)) == []
        assert list(await store.due(before_us=at(30), limit=9)) == ["a"]

    async def test_what_has_ended_is_not_reported(self, store: Store) -> None:
        before = await started(store, "a", wake_at_us=at(10))
        await store.commit(turn(before, status=Status.FAILED), now_us=T0)
        assert list(await store.due(before_us=at(99), limit=9)) == []


async def _moved(store: Store, instance_id: str, run_id: str, after: int, status: Status | None = None) -> None:
    """Watch until it has moved: a watch may return early."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await store.watch(instance_id, run_id=run_id, after=after, status=status)


async def _rung(bell: Doorbell) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await bell.wait()


async def _drained(bell: Doorbell) -> None:
    """Take the rings that have come so far."""
    while await _has_rung(bell):
        pass


async def _has_rung(bell: Doorbell) -> bool:
    """Take a ring, if one has come."""
    waiting = asyncio.ensure_future(bell.wait())
    for _ in range(5):
        await asyncio.sleep(0)
    if waiting.done():
        return True
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return False
