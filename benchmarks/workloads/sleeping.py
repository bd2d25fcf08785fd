"""W7: instances that sleep in a worker."""

from __future__ import annotations

import asyncio
import gc
import threading

from benchmarks.definitions import asleep, new_app, served
from benchmarks.measures import Numbers, Stopwatch, resident_kb
from benchmarks.workloads.base import Place
from nexus_sdk import Client

AT_ONCE = 100


async def sleeping(place: Place, count: int) -> Numbers:
    """Instances that sleep for an hour in one worker: memory of each, and the time to start them all."""
    async with served(new_app(place.url)) as client:
        await _start(client, min(count, 2 * AT_ONCE))
        gc.collect()
        memory, threads, tasks = resident_kb(), threading.active_count(), len(asyncio.all_tasks())
        watch = Stopwatch()
        await _start(client, count)
        started = watch.rates(count)["seconds"]
        while await client.count(status="pending"):  # noqa: ASYNC110  # nothing rings for a count
            await asyncio.sleep(0.01)
        rates = watch.rates(count)
        gc.collect()
        return {
            "kb_each": (resident_kb() - memory) / count,
            "start_seconds": started,
            "asleep_seconds": rates["seconds"],
            "cpu_us_each": rates["cpu_us_each"],
            "threads_more": threading.active_count() - threads,
            "tasks_more": len(asyncio.all_tasks()) - tasks,
        }


async def _start(client: Client, count: int) -> None:
    waiting = iter(range(count))

    async def one_after_another() -> None:
        for _ in waiting:
            await client.start(asleep)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
