"""W1: one workflow, many steps, one after another."""

from __future__ import annotations

import statistics

from benchmarks.definitions import new_app, sequential, served
from benchmarks.measures import Numbers, Stopwatch, written_bytes
from benchmarks.workloads.base import Place
from nexus_sdk import Client, Nexus

FEW = 100
"""What the cost of a step in a long history is compared with."""


async def warm(place: Place, count: int) -> Numbers:
    """Sequential steps of one workflow, one worker in the process."""
    return await _measured(place, count)


async def cold(place: Place, count: int) -> Numbers:
    """The same with every turn replayed from the start of the history, as on functions."""
    return await _measured(place, count, warm_max=0)


async def _measured(place: Place, count: int, warm_max: int | None = None) -> Numbers:
    app = new_app(place.url)
    async with served(app, warm_max) as client:
        await _run(client, min(count, 20))
        few = min(count, FEW)
        us_each_of_few = statistics.median([(await _run(client, few))["us_each"] for _ in range(5)])
        transactions, written = _transactions(app), written_bytes()
        numbers = await _run(client, count)
        numbers["bytes_each"] = (written_bytes() - written) / count
        if transactions is not None:
            numbers["transactions_each"] = ((_transactions(app) or 0) - transactions) / count
    return {**numbers, "times_a_step_of_few": numbers["us_each"] / us_each_of_few}


async def _run(client: Client, count: int) -> Numbers:
    watch = Stopwatch()
    handle = await client.start(sequential, count)
    assert await handle.result() == sum(range(count))
    return watch.rates(count)


def _transactions(app: Nexus) -> int | None:
    """So many the store has made, where it counts them."""
    return getattr(app.store, "transactions", None)
