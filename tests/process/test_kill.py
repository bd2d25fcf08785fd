"""`kill -9` of random workers under load: nothing is lost, nothing is stuck, and what is repeated was in flight.

Two witnesses that know nothing of each other are compared: the histories in the store, and a ledger in which the
activities themselves note that an attempt began and that its effect was done.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.core.status import Status
from nexus_sdk.store.sqlite import peers
from tests.process.fleet import (
    Ledger,
    WorkerProcess,
    check_laws,
    completions,
    fleet,
    handed_out,
    left_over,
    runs_of,
    until,
)
from tests.process.served import (
    app_on,
    bulky,
    chain,
    chain_here,
    collector,
    family,
    fan,
    mapped,
    racer,
    rounds,
    saga,
)

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

OUTSTANDING = 12
"""So many instances are under way at any time."""


# --- the load ---------------------------------------------------------------------------------------------------------


def labels(id: str, count: int, first: int = 0) -> list[str]:
    return [f"{id}:{number}" for number in range(first, first + count)]


SHAPES: dict[str, tuple[Callable[[], Any], Callable[[str], Any]]] = {
    "chain": (lambda: chain(6), lambda id: labels(id, 6)),
    "chain_here": (lambda: chain_here(4), lambda id: labels(id, 4)),
    "fan": (lambda: fan(8), lambda id: labels(id, 8)),
    "mapped": (lambda: mapped(5), lambda id: [f"{label}+" for label in labels(id, 5)]),
    "racer": (lambda: racer(), lambda id: ["quick", "timer", "first"]),
    "family": (lambda: family(3), lambda id: [labels(f"{id}/0.0", 3), labels(f"{id}/0.1", 3)]),
    "saga": (lambda: saga(3), lambda id: "undone"),
    "rounds": (lambda: rounds(4, []), lambda id: labels(id, 4, first=1)),
    "bulky": (lambda: bulky("x" * 300_000), lambda id: 600_000),
    "collector": (lambda: collector(3, []), lambda id: list(range(9))),
}
"""By name: what is started, and the result it must have."""


@dataclass
class Load:
    """Starts instances, sends them events, waits for their results. What was acknowledged is noted."""

    client: Client
    random: random.Random
    results: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    is_enough: bool = False

    async def feed(self) -> None:
        """Keep instances under way until it is enough."""
        names = list(SHAPES)
        while not self.is_enough:
            if sum(not task.done() for task in self.results.values()) >= OUTSTANDING:
                await asyncio.sleep(0.005)
                continue
            name = names[len(self.results) % len(names)]
            make, _ = SHAPES[name]
            handle = await self.client.start(make(), id=f"{name}-{len(self.results)}")
            self.results[handle.id] = asyncio.create_task(self._follow(name, handle))

    async def _follow(self, name: str, handle: Any) -> Any:
        if name == "collector":
            for number in range(9):
                for _ in range(self.random.choice((1, 1, 2))):  # the same event again counts once
                    await handle.send_event("item", number, event_id=f"item-{number}")
                await asyncio.sleep(self.random.choice((0, 0, 0.02)))
        return await handle.result()


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


async def all_instances(client: Client) -> AsyncIterator[InstanceStatus]:
    cursor = None
    while True:
        page = await client.list(limit=500, cursor=cursor)
        for status in page:
            yield status
        if (cursor := page.cursor) is None:
            return


async def check_instances(client: Client, load: Load, ledger: Ledger) -> None:
    """Every acknowledged start and event is accounted for, every result right and recorded once."""
    everything = [status async for status in all_instances(client)]
    families = {f"{id}/0.{child}" for id in load.results if id.startswith("family") for child in (0, 1)}
    assert {status.id for status in everything} == {*load.results, *families}
    assert {status.status for status in everything} == {Status.COMPLETED}
    for id, task in load.results.items():
        name = id.partition("-")[0]
        assert task.result() == SHAPES[name][1](id)
    attempts, done = ledger.attempts(), {(entry.key, entry.attempt) for entry in ledger.entries("done")}
    recorded: set[str] = set()
    for status in everything:
        _, runs = await runs_of(client.store, status.id)
        for batches in runs:
            check_laws(batches)
        for key, event in completions(runs).items():
            begun = {entry.attempt for entry in attempts[key]}
            assert event.attempts in begun
            assert (key, event.attempts) in done
            assert max(begun) == event.attempts == len(event.failures) + 1  # a kill before it began counts, too
            assert {failure.type for failure in event.failures} <= {"WorkerLost"}
            recorded.add(key)
    losers = {key for key, entries in attempts.items() if entries[0].label.startswith("racer")}
    assert set(attempts) - recorded <= losers
    check_compensations(ledger, load)


def check_compensations(ledger: Ledger, load: Load) -> None:
    """Newest first."""
    begun = list(dict.fromkeys(entry.label for entry in ledger.entries("begun")))
    for id in load.results:
        if id.startswith("saga"):
            undone = [label for label in begun if label.startswith(f"undo {id}:")]
            assert undone == [f"undo {id}:{number}" for number in (2, 1, 0)]


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


def check_logs(folder: Path) -> None:
    """Being killed is nothing that a worker that lives on should be upset about."""
    upset = [line for log in folder.glob("*.log") for line in log.read_text().splitlines() if "error" in line.lower()]
    assert upset == []


async def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    """Leases of an hour: what dead workers held is freed because the store notices that they are dead."""
    load, ledger, kills, client = await run_under_fire(tmp_path, 30, 20_260_716)
    assert len(kills.line) == 30
    assert check_repetitions(ledger, kills) > 0
    await check_instances(client, load, ledger)
    await client.store.close()


async def test_kills_that_nobody_notices_cost_a_lease_and_nothing_else(tmp_path: Path) -> None:
    """No sockets, so that no worker knows of another: what dead workers held comes back when its lease has run out."""
    load, ledger, kills, client = await run_under_fire(tmp_path, 6, 42, "--no-bells", "--lease", "2", "--sweep", "1")
    # On a machine that stands still for two seconds a lease may also be lost without a kill.
    assert check_repetitions(ledger, kills, repeats_only_at_kills=False) > 0
    await check_instances(client, load, ledger)
    await client.store.close()
