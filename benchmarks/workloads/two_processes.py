"""One process starts workflows, another one works them off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.definitions import new_app, sequential
from benchmarks.measures import Numbers, latencies_ms, processor_seconds
from benchmarks.workloads.base import Place

STEPS = 3
IDLE_SECONDS = 0.01
"""For each workflow that is run, so long is the worker watched idling afterwards."""


async def start_to_finish(place: Place, count: int) -> Numbers:
    """One process starts a workflow of three steps and waits for its result, another one works it off."""
    app = new_app(place.url)
    client = app.client()
    await app.store.migrate()
    with _worker(place.url) as pid:
        seconds = []
        for number in range(count + 5):
            began = time.perf_counter()
            handle = await client.start(sequential, STEPS)
            assert await handle.result() == sum(range(STEPS))
            if number >= 5:
                seconds.append(time.perf_counter() - began)
        await app.store.close()
        await asyncio.sleep(IDLE_SECONDS * 50)
        began, used = time.perf_counter(), processor_seconds(pid)
        await asyncio.sleep(IDLE_SECONDS * count)
        share = (processor_seconds(pid) - used) / (time.perf_counter() - began)
    return {**latencies_ms(seconds), "idle_cpu_percent": share * 100}


@contextmanager
def _worker(url: str) -> Iterator[int]:
    """The pid of a process that serves until the block is left."""
    command = [sys.executable, "-m", "benchmarks.serve", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.readline()  # it says when it is ready
        try:
            yield worker.pid
        finally:
            worker.stdin.close()
            worker.wait()
