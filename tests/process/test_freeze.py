"""SIGSTOP under load, for longer than a lease, then SIGCONT: a worker that comes back from the dead changes nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from nexus_sdk.store.sqlite import peers
from tests.process.fleet import Ledger, WorkerProcess, fleet, left_over, until
from tests.process.load import Load, check_instances, check_logs
from tests.process.served import app_on

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

LEASE_SECONDS = 0.8
FREEZES = 5
FREEZES_MAX = 20


def repetitions(ledger: Ledger) -> int:
    return sum(len(attempts) - 1 for attempts in ledger.attempts().values())


def may_write(folder: Path) -> bool:
    """Whether nobody keeps SQLite's lock for long: the frozen one may do so, and then all wait until it goes on."""
    with closing(sqlite3.connect(folder / "store.db", timeout=1.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


async def freeze_past_the_lease(zombie: WorkerProcess, ledger: Ledger, folder: Path) -> None:
    """Until its leases have run out, and the others, if they may write, have been at work after that."""
    zombie.freeze()
    thaws_at = time.monotonic() + 2 * LEASE_SECONDS
    await until(lambda: time.monotonic() > thaws_at)
    goal = len(ledger) + 10
    await until(lambda: len(ledger) >= goal or not may_write(folder))
    zombie.thaw()


async def test_workers_that_stand_still_past_their_leases_break_nothing_when_they_go_on(tmp_path: Path) -> None:
    app, ledger, chance = app_on(tmp_path / "store.db"), Ledger(tmp_path), random.Random(3)
    load = Load(app.client(), chance)
    with fleet(tmp_path, "--lease", str(LEASE_SECONDS), "--sweep", "0.4") as start:
        feeding = asyncio.create_task(load.feed())
        workers = [start(), start(), start()]
        await until(lambda: all(ledger.lines_of(worker.name) for worker in workers))
        freezes = 0
        while freezes < FREEZES or (not repetitions(ledger) and freezes < FREEZES_MAX):
            await freeze_past_the_lease(workers[freezes % 3], ledger, tmp_path)
            freezes += 1
        thawed = {worker.name: ledger.lines_of(worker.name) for worker in workers}
        await until(lambda: all(ledger.lines_of(name) > lines for name, lines in thawed.items()))  # they work on
        load.is_enough = True
        await feeding
        async with asyncio.timeout(30):
            await asyncio.gather(*load.results.values())
        await until(lambda: not any(left_over(tmp_path).values()))
        check_logs(tmp_path)
    assert repetitions(ledger) > 0
    ledger.check_keys(is_in_order=False)
    await check_instances(app.client(), load.results, ledger)
    await app.store.close()
