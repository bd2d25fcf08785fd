"""What is asked of the workers of these tests, from one process or several, and what must have come of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.core.status import Status
from nexus_sdk.errors import StoreUnavailable
from tests.process.fleet import Ledger, check_laws, completions, runs_of
from tests.process.served import bulky, chain, chain_here, collector, family, fan, mapped, racer, rounds, saga

T = TypeVar("T")

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


RESULTS = {name: result for name, (_, result) in SHAPES.items()} | {"gated": lambda id: labels(id, 2)}


def wanted(id: str) -> Any:
    """The result of an instance whose id begins with the name of its shape."""
    return RESULTS[id.partition("-")[0]](id)


async def insist(ask: Callable[[], Awaitable[T]], on_refusal: Callable[[StoreUnavailable], None]) -> T:
    """The answer, however often the store is unavailable before."""
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            on_refusal(error)
            await asyncio.sleep(0.05)


@dataclass
class Load:
    """Starts instances in this process, sends them events, waits for their results."""

    client: Client
    random: random.Random
    results: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    is_enough: bool = False
    refusals: list[StoreUnavailable] = field(default_factory=list)

    async def feed(self) -> None:
        """Keep instances under way until it is enough."""
        names = list(SHAPES)
        while not self.is_enough:
            if sum(not task.done() for task in self.results.values()) >= OUTSTANDING:
                await asyncio.sleep(0.005)
                continue
            name = names[len(self.results) % len(names)]
            make, _ = SHAPES[name]
            id = f"{name}-{len(self.results)}"
            handle = await self._insist(lambda m=make, i=id: self.client.start(m(), id=i, request_id=i))
            self.results[handle.id] = asyncio.create_task(self._follow(name, handle))

    async def _follow(self, name: str, handle: Any) -> Any:
        if name == "collector":
            for number in range(9):
                for _ in range(self.random.choice((1, 1, 2))):  # the same event again counts once
                    await self._insist(
                        lambda n=number: handle.send_event("item", n, event_id=f"item-{n}")  # type: ignore[misc]
                    )
                await asyncio.sleep(self.random.choice((0, 0, 0.02)))
        return await self._insist(handle.result)

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await insist(ask, self.refusals.append)


# --- what must hold ---------------------------------------------------------------------------------------------------


async def all_instances(client: Client) -> AsyncIterator[InstanceStatus]:
    cursor = None
    while True:
        page = await client.list(limit=500, cursor=cursor)
        for status in page:
            yield status
        if (cursor := page.cursor) is None:
            return


async def check_instances(client: Client, ids: Collection[str], ledger: Ledger) -> None:
    """These are all there is, with their children; every result is right, recorded once, and its effect was done."""
    everything = [status async for status in all_instances(client)]
    families = {f"{id}/0.{child}" for id in ids if id.startswith("family") for child in (0, 1)}
    assert {status.id for status in everything} == {*ids, *families}
    assert {status.status for status in everything} == {Status.COMPLETED}
    for id in ids:
        assert await client.get(id).result(timeout=30) == wanted(id)
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
    check_compensations(ledger, ids)


def check_compensations(ledger: Ledger, ids: Collection[str]) -> None:
    """Newest first."""
    begun = list(dict.fromkeys(entry.label for entry in ledger.entries("begun")))
    for id in ids:
        if id.startswith("saga"):
            undone = [label for label in begun if label.startswith(f"undo {id}:")]
            assert undone == [f"undo {id}:{number}" for number in (2, 1, 0)]


def check_logs(folder: Path) -> None:
    """Being killed is nothing that a worker that lives on should be upset about."""
    upset = [line for log in folder.glob("*.log") for line in log.read_text().splitlines() if "error" in line.lower()]
    assert upset == []
