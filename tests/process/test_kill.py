"""`kill -9` of random workers under load: nothing is lost, nothing is stuck, and what is repeated was in flight.

Two witnesses that know nothing of each other are compared: the histories in the store, and a ledger in which the
activities themselves note that an attempt began and that its effect was done.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from nexus_sdk.client.client import Client
from nexus_sdk.store.sqlite import peers
from tests.process.calling import Caller, check_promises, notes_in, read_notes
from tests.process.fleet import ClientProcess, Ledger, WorkerProcess, fleet, handed_out, left_over, until
from tests.process.load import Load, check_instances, check_logs
from tests.process.served import app_on

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

# --- the killing ------------------------------------------------------------------------------------------------------


@dataclass
class Kills:
    """Who was killed, when (in lines of the ledger), and, where that is known, what was handed out at that moment.

    The others write on, and hear of a death at once: it came after the line `before`, and before the line `line`.
    """

    before: dict[str, int] = field(default_factory=dict)
    line: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, set[str]] = field(default_factory=dict)

    def kill(self, victim: WorkerProcess, folder: Path, ledger: Ledger, *, takes_stock: bool) -> None:
        if takes_stock:
            victim.freeze()  # it stands still anywhere at all, for as long as it takes to look; it never goes on
            self.in_flight[victim.name] = handed_out(folder)
        self.before[victim.name] = len(ledger)
        victim.kill()
        self.line[victim.name] = len(ledger)


async def moment_for(victim: WorkerProcess, ledger: Ledger, chance: random.Random) -> None:
    """Mostly once the victim has done some work; sometimes while it may not even have begun to serve."""
    count = (lambda: ledger.lines_of(victim.name)) if chance.random() < 0.75 else (lambda: len(ledger))
    goal, deadline = count() + chance.randint(1, 25), time.monotonic() + 10
    await until(lambda: count() >= goal or time.monotonic() > deadline)


async def kill_at_random(
    start: Callable[[], WorkerProcess], folder: Path, ledger: Ledger, cycles: int, chance: random.Random
) -> Kills:
    kills = Kills()
    workers = [start(), start()]
    for cycle in range(cycles):
        victim = workers.pop(chance.randrange(len(workers)))
        await moment_for(victim, ledger, chance)
        assert victim.is_alive, victim.log.read_text()
        kills.kill(victim, folder, ledger, takes_stock=cycle % 2 == 0)
        wanted = 3 if chance.random() < 0.25 else 2
        while len(workers) < wanted:
            workers.append(start())
    return kills


# --- what must hold ---------------------------------------------------------------------------------------------------


def check_repetitions(ledger: Ledger, kills: Kills, *, repeats_only_at_kills: bool = True) -> int:
    """Every attempt but the last of its operation was cut off by a kill, while the operation was in flight."""
    ledger.check_keys()
    repetitions = 0
    for attempts in ledger.attempts().values():
        for cut_off, following in pairwise(attempts):
            repetitions += 1
            if not repeats_only_at_kills and cut_off.worker not in kills.line:
                continue
            assert cut_off.worker in kills.line, f"{cut_off} was repeated, and its worker was not killed"
            assert cut_off.line < kills.line[cut_off.worker]
            assert kills.before[cut_off.worker] <= following.line
            if cut_off.worker in kills.in_flight:
                assert cut_off.key in kills.in_flight[cut_off.worker], f"{cut_off} was settled before the kill"
    return repetitions


async def run_under_fire(folder: Path, cycles: int, seed: int, *arguments: str) -> tuple[Load, Ledger, Kills, Client]:
    app, ledger, chance = app_on(folder / "store.db"), Ledger(folder), random.Random(seed)
    load = Load(app.client(), random.Random(seed))
    with fleet(folder, *arguments) as start:
        feeding = asyncio.create_task(load.feed())
        try:
            kills = await kill_at_random(start, folder, ledger, cycles, chance)
        finally:
            load.is_enough = True
            await feeding
        async with asyncio.timeout(30):
            await asyncio.gather(*load.results.values())
        await until(lambda: not any(left_over(folder).values()))  # the losers of races end a little later
        check_logs(folder)
    return load, ledger, kills, app.client()


async def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    """Leases of an hour: what dead workers held is freed because the store notices that they are dead."""
    load, ledger, kills, client = await run_under_fire(tmp_path, 30, 20_260_716)
    assert len(kills.line) == 30
    assert check_repetitions(ledger, kills) > 0
    await check_instances(client, load.results, ledger)
    await client.store.close()


async def test_kills_that_nobody_notices_cost_a_lease_and_nothing_else(tmp_path: Path) -> None:
    """No sockets, so that no worker knows of another: what dead workers held comes back when its lease has run out."""
    load, ledger, kills, client = await run_under_fire(tmp_path, 6, 42, "--no-bells", "--lease", "2", "--sweep", "1")
    # On a machine that stands still for two seconds a lease may also be lost without a kill.
    assert check_repetitions(ledger, kills, repeats_only_at_kills=False) > 0
    await check_instances(client, load.results, ledger)
    await client.store.close()


async def test_kills_of_clients_and_workers_break_no_promise(tmp_path: Path) -> None:
    """A client that is killed is followed by one that asks for the same once more: nothing happens twice."""
    count, chance = 40, random.Random(7)
    ledger, notes = Ledger(tmp_path), notes_in(tmp_path)
    notes.touch()
    with (
        fleet(tmp_path) as start_worker,
        fleet(tmp_path, "--count", str(count), kind=ClientProcess) as start_client,
    ):
        client, worker = start_client(), start_worker()
        for _ in range(8):
            goal, deadline = notes.stat().st_size + chance.randint(1, 400), time.monotonic() + 10
            await until(lambda g=goal, d=deadline: notes.stat().st_size >= g or time.monotonic() > d)  # type: ignore[misc]
            if chance.random() < 0.7:
                client.kill()
                client = start_client()
            else:
                worker.kill()
                worker = start_worker()
        assert await client.ended(60) == 0, client.log.read_text()
        await until(lambda: not any(left_over(tmp_path).values()))
        check_logs(tmp_path)
    app = app_on(tmp_path / "store.db")
    ids = [Caller(app.client(), notes).id_of(number) for number in range(count)]
    await check_promises(app.client(), read_notes(notes.read_text()))
    await check_instances(app.client(), ids, ledger)
    await app.store.close()
