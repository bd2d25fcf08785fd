"""W3: many workflows of three steps."""

from __future__ import annotations

import asyncio
import time

from benchmarks.definitions import new_app, sequential, served
from benchmarks.measures import Numbers, Stopwatch, latencies_ms, written_bytes
from benchmarks.workloads.base import Place
from nexus_sdk import Client

STEPS = 3
IN_FLIGHT = 100


async def in_flight(place: Place, count: int) -> Numbers:
    """Workflows of three steps, 100 in flight; each from its start to its result."""
    async with served(new_app(place.url)) as client:
        await _run(client, 20)
        written, watch = written_bytes(), Stopwatch()
        seconds = await _run(client, count)
        rates = watch.rates(count)
        return {
            **rates,
            **latencies_ms(seconds),
            "steps_per_s": rates["per_s"] * STEPS,
            "bytes_each": (written_bytes() - written) / (count * STEPS),
        }


async def _run(client: Client, count: int) -> list[float]:
    """The seconds that each took."""
    waiting = iter(range(count))
    seconds: list[float] = []

    async def one_after_another() -> None:
        for _ in waiting:
            began = time.perf_counter()
            handle = await client.start(sequential, STEPS)
            assert await handle.result() == sum(range(STEPS))
            seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    return seconds
