"""Bells: rung from any thread, awaited on any loop, never lost on the way."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable

from nexus_sdk.store.bell import BellBoard, LocalBell
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import TURNS, Query
from nexus_sdk.testing.provider_suite.builders import ANNA, T0, new


async def soon(waiting: Awaitable[None]) -> None:
    async with asyncio.timeout(20):
        await waiting


async def test_a_ring_from_another_thread_wakes_the_loop() -> None:
    bell = LocalBell()
    waiting = asyncio.ensure_future(soon(bell.wait()))
    await asyncio.sleep(0)
    threading.Thread(target=bell.ring).start()
    await waiting


async def test_a_ring_that_reached_a_cancelled_waiter_is_kept_for_the_next() -> None:
    bell = LocalBell()
    waiting = asyncio.ensure_future(bell.wait())
    await asyncio.sleep(0)
    bell.ring()
    await asyncio.sleep(0)  # the ring has reached the future, its task has not run yet
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if waiting.cancelled():
        await soon(bell.wait())


def test_a_bell_outlives_its_loop() -> None:
    bell = LocalBell()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(bell.wait())
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(give_up())
    bell.ring()
    asyncio.run(soon(bell.wait()))


def test_bells_that_were_closed_or_dropped_are_forgotten() -> None:
    board = BellBoard()
    kept, closed, dropped = board.new_bell(), board.new_bell(), board.new_bell()
    closed.close()
    del dropped
    gc.collect()
    assert list(board._bells) == [kept]


async def test_only_a_time_before_the_one_that_was_told_rings() -> None:
    board = BellBoard()
    bell = board.new_bell()
    board.tell(["q"], 50)
    board.expect(60)
    waiting = asyncio.ensure_future(soon(bell.wait()))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.expect(40)
    await waiting


async def test_a_time_rings_only_for_receivers_of_its_queue() -> None:
    board = BellBoard()
    bell = board.new_bell()
    board.tell([TURNS], None)
    board.expect(40, "q")  # the lease of a task is no business of who waits for turns
    waiting = asyncio.ensure_future(soon(bell.wait()))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.expect(40, TURNS)
    await waiting


async def test_a_step_does_not_wake_who_watches_for_another_status() -> None:
    board = BellBoard()
    patient, curious = board.add_watch("a", wants_every_move=False), board.add_watch("a")
    waiting = [asyncio.ensure_future(soon(bell.wait())) for bell in (patient, curious)]
    await asyncio.sleep(0)
    board.moved("a", has_new_status=False)
    await waiting[1]
    assert not waiting[0].done()
    board.moved("a")
    await waiting[0]


def test_the_memory_store_may_be_used_from_several_threads() -> None:
    store = MemoryStore()
    held: list[str] = []

    async def work(name: str) -> None:
        for n in range(50):
            await store.create(new(f"{name}{n}"), now_us=T0)
            received = await store.receive([TURNS], limit=2, lease=ANNA, now_us=T0)
            held.extend(delivery.token for delivery in received.deliveries)

    threads = [threading.Thread(target=lambda name=name: asyncio.run(work(name))) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(held)) == len(held) == asyncio.run(store.count(Query())) == 200
