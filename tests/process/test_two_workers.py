"""Two workers in two processes: they share the work, drain when told to go, and cannot commit after a lost lease.

Gates (files that an activity waits for) take the place of time. Where only a ring may bring the news, every look that
stands behind the rings is made so slow that the test would fail without them.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.app import Nexus
from nexus_sdk.client.client import Client
from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import TURNS, Lease
from nexus_sdk.store.sqlite import peers
from nexus_sdk.store.sqlite import store as sqlite_store
from tests.process.fleet import Ledger, check_laws, completions, fleet, left_over, runs_of, until
from tests.process.served import app_on, chain, collector, fan, gated

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

NEVER = "100000"
"""Seconds after which a look would come by itself."""


def has_begun(ledger: Ledger, label: str, times: int = 1) -> bool:
    return sum(entry.label == label for entry in ledger.entries("begun")) >= times


# --- sharing ----------------------------------------------------------------------------------------------------------


async def test_two_processes_share_the_work_and_nothing_happens_twice(tmp_path: Path) -> None:
    app, ledger = app_on(tmp_path / "store.db"), Ledger(tmp_path)
    client = app.client()
    with fleet(tmp_path) as start:
        workers = [start(), start()]
        await until(lambda: all("ready" in worker.log.read_text() for worker in workers))
        chains = [await client.start(chain, 5, id=f"chain-{number}") for number in range(20)]
        fans = [await client.start(fan, 10, id=f"fan-{number}") for number in range(10)]
        for handle, size in [*((handle, 5) for handle in chains), *((handle, 10) for handle in fans)]:
            assert await handle.result(timeout=30) == [f"{handle.id}:{number}" for number in range(size)]
    ledger.check_keys()
    assert {len(attempts) for attempts in ledger.attempts().values()} == {1}
    assert len(ledger.attempts()) == 20 * 5 + 10 * 10
    assert {entry.worker for entry in ledger.entries()} == {"worker0", "worker1"}
    for handle in (*chains, *fans):
        _, (batches,) = await runs_of(client.store, handle.id)
        check_laws(batches)
    assert not any(left_over(tmp_path).values())
    await client.store.close()


async def test_an_outcome_that_finds_a_stale_warm_instance_is_not_dropped() -> None:
    """Two workers take turns with one instance: when its work comes back to the first, what that one has kept warm is
    old, and the outcome seems to mean nothing."""

    @activity(task_queue="here")
    async def here(number: int) -> int:
        return number

    @activity(task_queue="there")
    async def there(number: int) -> int:
        return number

    @workflow
    async def to_and_fro(ctx: Context):
        total = 0
        for number in range(4):
            total += yield here(number)
            total += yield there(number)
        yield ctx.complete(total)

    app = Nexus(MemoryStore(), workflows=[to_and_fro], activities=[here, there])
    client = app.client()
    async with app.worker(task_queues=["here"]), app.worker(task_queues=["there"]):
        handles = [await client.start(to_and_fro) for _ in range(10)]
        assert [await handle.result(timeout=30) for handle in handles] == [12] * 10


async def test_messages_that_were_consumed_since_their_delivery_are_not_consumed_again() -> None:
    """A delivery is a picture of the inbox. When the turn comes, the picture may be old: one of another holder."""

    @workflow
    async def listener(ctx: Context):
        items = []
        for _ in range(3):
            items.append((yield ctx.wait_for_event("item", int)))
        yield ctx.complete(items)

    app = Nexus(MemoryStore(), workflows=[listener])
    client, store, clock = app.client(), app.store, app.environment.clock
    handle = await client.start(listener)
    await handle.send_event("item", 0)
    late = Worker(store, app.registry, app.codec, app.environment, WorkerOptions())
    held = await store.receive([TURNS], limit=1, lease=Lease(late.id, 0.0), now_us=clock.now_us())
    async with app.worker():  # the lease has run out at once: this one takes the same messages
        while (record := await store.find(handle.id)).last_batch < 2:
            await store.watch(handle.id, run_id=record.run_id, after=record.last_batch)
    late._accept(held.deliveries[0])
    await asyncio.gather(*late._tasks)
    async with app.worker():
        await handle.send_event("item", 1)
        await handle.send_event("item", 2)
        assert await handle.result(timeout=30) == [0, 1, 2]


# --- draining ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_worker_told_to_go_records_what_it_runs(tmp_path: Path, in_thread: bool) -> None:
    app, ledger, gate = app_on(tmp_path / "store.db"), Ledger(tmp_path), tmp_path / "gate"
    client = app.client()
    with fleet(tmp_path) as start:
        handle = await client.start(gated, str(gate), in_thread, id="gated")
        first = start()
        await until(lambda: has_begun(ledger, "gated:0"))
        first.signal(signal.SIGTERM)
        gate.touch()
        assert await first.ended() == 0
        _, (batches,) = await runs_of(client.store, "gated")
        (completed,) = completions([batches]).values()
        assert completed.attempts == 1
        assert not has_begun(ledger, "gated:1")  # it takes nothing more
        start()
        assert await handle.result(timeout=30) == ["gated:0", "gated:1"]
    assert {len(attempts) for attempts in ledger.attempts().values()} == {1}
    await client.store.close()


@pytest.mark.parametrize("in_thread", [False, True])
async def test_what_takes_too_long_is_given_back_and_costs_no_attempt(tmp_path: Path, in_thread: bool) -> None:
    app, ledger, gate = app_on(tmp_path / "store.db"), Ledger(tmp_path), tmp_path / "gate"
    client = app.client()
    with fleet(tmp_path) as start:
        handle = await client.start(gated, str(gate), in_thread, id="gated")
        first = start(None, "--drain", "0.2")
        await until(lambda: has_begun(ledger, "gated:0"))
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0  # the gate is still closed
        gate.touch()
        start()
        assert await handle.result(timeout=30) == ["gated:0", "gated:1"]
    begun = [entry for entry in ledger.entries("begun") if entry.label == "gated:0"]
    assert [(entry.worker, entry.attempt) for entry in begun] == [("worker0", 1), ("worker1", 1)]
    assert begun[0].key == begun[1].key
    _, (batches,) = await runs_of(client.store, "gated")
    assert [event.failures for event in completions([batches]).values()] == [(), ()]
    await client.store.close()


async def test_a_worker_told_to_go_loses_nothing_of_many_things_under_way(tmp_path: Path) -> None:
    app, ledger = app_on(tmp_path / "store.db"), Ledger(tmp_path)
    client = app.client()
    with fleet(tmp_path) as start:
        handles = [await client.start(chain, 12, id=f"chain-{number}") for number in range(20)]
        for number in range(4):
            worker = start()
            await until(lambda worker=worker: ledger.lines_of(worker.name) >= 40)
            worker.signal(signal.SIGTERM)
            if number % 2:
                assert await worker.ended() == 0  # the others go while their successors come
        start()
        for handle in handles:
            assert await handle.result(timeout=30) == [f"{handle.id}:{number}" for number in range(12)]
        ledger.check_keys()
        assert {len(attempts) for attempts in ledger.attempts().values()} == {1}
    await client.store.close()


# --- zombies ----------------------------------------------------------------------------------------------------------


async def test_a_worker_that_stood_still_past_its_lease_cannot_commit_and_works_on(tmp_path: Path) -> None:
    app, ledger, gate = app_on(tmp_path / "store.db"), Ledger(tmp_path), tmp_path / "gate"
    client = app.client()
    with fleet(tmp_path, "--lease", "1", "--sweep", "0.5") as start:
        handle = await client.start(gated, str(gate), False, id="gated")
        zombie = start("zombie")
        await until(lambda: has_begun(ledger, "gated:0"))
        zombie.freeze()
        successor = start("successor")
        await until(lambda: has_begun(ledger, "gated:0", times=2))
        gate.touch()
        assert await handle.result(timeout=30) == ["gated:0", "gated:1"]
        zombie.thaw()
        await until(lambda: Counter(entry.worker for entry in ledger.entries("done"))["zombie"] == 1)
        successor.kill()
        again = await client.start(chain, 3, id="again")
        assert await again.result(timeout=30) == ["again:0", "again:1", "again:2"]  # only the zombie is left to do it
        assert "error" not in zombie.log.read_text().lower()
    _, (batches,) = await runs_of(client.store, "gated")
    check_laws(batches)
    first = completions([batches])[ledger.entries()[0].key]
    assert first.attempts == 2
    assert [failure.type for failure in first.failures] == ["WorkerLost"]
    workers = {
        batch.header.worker for batch in batches if any(isinstance(x, e.ActivityCompleted) for x in batch.events)
    }
    assert len(workers) == 1
    await client.store.close()


# --- news between processes -------------------------------------------------------------------------------------------


async def test_a_client_without_a_worker_hears_of_the_end_by_a_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sqlite_store.RECHECK_SECONDS <= 1.0
    monkeypatch.setattr(sqlite_store, "RECHECK_SECONDS", float(NEVER))
    app = app_on(tmp_path / "store.db")
    client = app.client()
    with fleet(tmp_path, "--sweep", NEVER) as start:
        worker = start()
        await until(lambda: "ready" in worker.log.read_text())
        for number in range(10):
            handle = await client.start(chain, 2, id=f"chain-{number}")
            assert await handle.result(timeout=30) == [f"chain-{number}:0", f"chain-{number}:1"]
    await client.store.close()


async def test_a_client_hears_of_the_end_even_if_no_ring_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "is_supported", lambda: False)
    app = app_on(tmp_path / "store.db")
    client = app.client()
    with fleet(tmp_path, "--sweep", "0.5") as start:
        start()
        handle = await client.start(chain, 2, id="chain")
        assert await handle.result(timeout=30) == ["chain:0", "chain:1"]
    await client.store.close()


async def test_an_event_from_another_process_wakes_the_waiting_workflow_by_a_ring(tmp_path: Path) -> None:
    app = app_on(tmp_path / "store.db")
    client = app.client()
    with fleet(tmp_path, "--sweep", NEVER) as start:
        handle = await client.start(collector, 2, [], id="collector")
        start()
        for number in range(6):
            if number % 3 == 0:  # the workflow waits, and the worker sleeps
                await until_waiting(client, number // 3 + 1)
            await handle.send_event("item", number)
        assert await handle.result(timeout=30) == list(range(6))
    await client.store.close()


async def until_waiting(client: Client, run: int) -> None:
    async with asyncio.timeout(30):
        while True:
            record, (batches, *_) = await runs_of(client.store, "collector")
            if record.run == run and isinstance(batches[-1].events[-1], e.EventAwaited):
                return
            await asyncio.sleep(0.01)
