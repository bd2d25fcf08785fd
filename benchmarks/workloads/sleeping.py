"""W7: instances that sleep in a worker."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

from benchmarks.definitions import asleep, new_app, served
from benchmarks.measures import Numbers, resident_kb
from benchmarks.workloads.base import Place
from nexus_sdk import Client

AT_ONCE = 100


async def sleeping(place: Place, count: int) -> Numbers:
    """Instances that sleep for an hour in one worker: memory of each, and the time to start them all."""
    async with served(new_app(place.url)) as client:
        await _start(client, min(count, 2 * AT_ONCE))
        gc.collect()
        memory, threads, tasks = resident_kb(), threading.active_count(), len(asyncio.all_tasks())
        began = time.perf_counter()
        await _start(client, count)
        started = time.perf_counter() - began
        while await client.count(status="pending"):  # noqa: ASYNC110  # nothing rings for a count
            await asyncio.sleep(0.01)
        fell_asleep = time.perf_counter() - began
        gc.collect()
        return {
            "kb_each": (resident_kb() - memory) / count,
            "start_seconds": started,
            "asleep_seconds": fell_asleep,
            "threads_more": threading.active_count() - threads,
            "tasks_more": len(asyncio.all_tasks()) - tasks,
        }


async def _start(client: Client, count: int) -> None:
    waiting = iter(range(count))

    async def one_after_another() -> None:
        for _ in waiting:
            await client.start(asleep)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
