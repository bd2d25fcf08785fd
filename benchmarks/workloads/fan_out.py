"""W2: one workflow, many activities at once."""

from __future__ import annotations

from benchmarks.definitions import new_app, parallel, parallel_in_threads, served
from benchmarks.measures import Numbers, Stopwatch, peak_mb
from benchmarks.workloads.base import Place
from nexus_sdk import Workflow


async def asynchronous(place: Place, count: int) -> Numbers:
    """One gather of async activities."""
    return await _gathered(place, count, parallel)


async def threaded(place: Place, count: int) -> Numbers:
    """One gather of plain activities, which run in the thread pool."""
    return await _gathered(place, count, parallel_in_threads)


async def _gathered(place: Place, count: int, fan_out: Workflow[[int], int]) -> Numbers:
    async with served(new_app(place.url)) as client:
        await (await client.start(fan_out, 20)).result()
        watch = Stopwatch()
        handle = await client.start(fan_out, count)
        assert await handle.result() == sum(range(count))
        return {**watch.rates(count), "peak_mb": peak_mb()}
