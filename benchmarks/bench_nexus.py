"""How fast nexus_sdk is on this machine, beside what the disk under it can do at best.

Each repetition runs every workload once, in a process of its own, with the floor measured right before it: on a busy
machine the times mean little, their ratios to the floor of the same moment more. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nexus_sdk import Context, Nexus, activity, workflow

Numbers = dict[str, float]


# --- what is run ------------------------------------------------------------------------------------------------------


@activity
async def echo(number: int) -> int:
    return number


@workflow
async def sequential(ctx: Context, count: int):
    total = 0
    for number in range(count):
        total += yield echo(number)
    yield ctx.complete(total)


@workflow
async def parallel(ctx: Context, count: int):
    yield ctx.complete(sum((yield ctx.gather(*(echo(number) for number in range(count))))))


@workflow
async def asleep(ctx: Context):
    yield ctx.sleep("1h")


def new_app(url: str) -> Nexus:
    return Nexus(url, workflows=[sequential, parallel, asleep], activities=[echo])


def memory_kb() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0])


# --- the floor --------------------------------------------------------------------------------------------------------


def floor_us(folder: str, commits: int = 200) -> float:
    """Microseconds of one raw SQLite commit of four small rows, WAL and synchronous=FULL: what a turn must write."""
    connection = sqlite3.connect(f"{folder}/floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    tables = ("a", "b", "c", "d")
    for table in tables:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, name TEXT, body BLOB)")
    began = time.perf_counter()
    for number in range(commits):
        connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            connection.execute(f"INSERT INTO {table} (name, body) VALUES (?, ?)", (str(number), b"x" * 200))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds / commits * 1e6


# --- the workloads ----------------------------------------------------------------------------------------------------


async def timed(url: str, work: Any, count: int) -> Numbers:
    app = new_app(url)
    async with app.worker():
        await (await app.client().start(work, 20)).result()
        began, cpu = time.perf_counter(), time.process_time()
        assert await (await app.client().start(work, count)).result() == sum(range(count))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    await app.store.close()
    return {"us_each": seconds / count * 1e6, "cpu_us_each": cpu_seconds / count * 1e6}


async def w1(url: str, count: int) -> Numbers:
    """A sequence of queued activities: per step."""
    return await timed(url, sequential, count)


async def w2(url: str, count: int) -> Numbers:
    """Parallel activities in one gather: per activity."""
    return await timed(url, parallel, count)


async def w3(url: str, count: int) -> Numbers:
    """Many workflows of three steps at once: per workflow, from its start to its result."""
    app = new_app(url)
    client = app.client()

    async def one() -> None:
        assert await (await client.start(sequential, 3)).result() == 3

    async with app.worker():
        await one()
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one() for _ in range(count)))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    await app.store.close()
    return {"us_each": seconds / count * 1e6, "cpu_us_each": cpu_seconds / count * 1e6}


async def w4(url: str, count: int) -> Numbers:
    """Reading a history and replaying it from the start: per event. Two events are a step."""
    from nexus_sdk.engine.instance import open_instance

    app = new_app(url)
    async with app.worker():
        handle = await app.client().start(sequential, count // 2)
        await handle.result()
    surroundings = app.client().surroundings
    began, cpu = time.perf_counter(), time.process_time()
    instance = await open_instance(app.store, await app.store.load(handle.id))
    loaded = time.perf_counter()
    instance.execute(surroundings)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    events = instance.projection.event_count
    await app.store.close()
    return {
        "us_each": seconds / events * 1e6,
        "cpu_us_each": cpu_seconds / events * 1e6,
        "load_us_each": (loaded - began) / events * 1e6,
    }


async def w5(url: str, count: int) -> Numbers:
    """A cold import with a workflow and an activity defined, over the bare interpreter: milliseconds."""
    program = """
from nexus_sdk import Context, Nexus, activity, workflow
@activity
async def act(n: int) -> int: return n
@workflow
async def work(ctx: Context, n: int): yield act(n)
Nexus("memory://", workflows=[work], activities=[act])
"""

    def ms(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - began) * 1e3

    ms(program)
    bare, ours = (statistics.median(ms(code) for _ in range(count)) for code in ("pass", program))
    return {"ms_over_bare": ours - bare, "ms_bare": bare}


async def w7(url: str, count: int) -> Numbers:
    """Sleeping instances: memory each, and what one start costs."""
    app = new_app(url)
    client = app.client()
    async with app.worker():
        await asyncio.gather(*(client.start(asleep) for _ in range(10)))
        before, began = memory_kb(), time.perf_counter()
        for _ in range(count // 100):
            await asyncio.gather(*(client.start(asleep) for _ in range(100)))
        while await client.count(status="pending"):  # noqa: ASYNC110  # nothing rings for a count
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - began
        kb_each = (memory_kb() - before) / count
    await app.store.close()
    return {"us_each": seconds / count * 1e6, "kb_each": kb_each}


WORKLOADS: dict[str, tuple[Callable[[str, int], Any], int]] = {
    "W1": (w1, 1_000),
    "W2": (w2, 5_000),
    "W3": (w3, 500),
    "W4": (w4, 10_000),
    "W5": (w5, 5),
    "W7": (w7, 5_000),
}
"""By name: what runs, and how much of it."""


# --- running them -----------------------------------------------------------------------------------------------------


def run_one(name: str, store: str, count: int) -> Numbers:
    with tempfile.TemporaryDirectory(prefix="bench-nexus-") as folder:
        floor = floor_us(folder)
        url = "memory://" if store == "memory" else f"sqlite:///{folder}/bench.db"
        numbers: Numbers = asyncio.run(WORKLOADS[name][0](url, count))
    if "us_each" in numbers:
        numbers["floors"] = numbers["us_each"] / floor
    return {**numbers, "floor_us": floor}


def run_apart(name: str, store: str, count: int) -> Numbers:
    command = [sys.executable, __file__, "--one", name, "--stores", store, "--count", str(count)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    numbers: Numbers = json.loads(ended.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="e.g. W1,W2")
    parser.add_argument("--stores", default="sqlite,memory")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--count", type=int, default=0, help="how much of it, instead of the workload's own size")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(run_one(asked.one, asked.stores, asked.count or WORKLOADS[asked.one][1])))
        return
    cases = [(name, store) for name in asked.only.split(",") for store in asked.stores.split(",")]
    cases = [(name, store) for name, store in cases if name != "W5" or store == "memory"]
    results: dict[tuple[str, str], list[Numbers]] = {case: [] for case in cases}
    for _ in range(asked.reps):
        for name, store in cases:
            results[name, store].append(run_apart(name, store, asked.count or WORKLOADS[name][1]))
    print(f"medians of {asked.reps}; floor: one raw four-row commit; floors: how many of those one of ours takes")
    for (name, store), found in results.items():
        medians = {key: statistics.median(numbers[key] for numbers in found) for key in found[0]}
        print(f"{name} {store:6}", "  ".join(f"{key} {value:,.1f}" for key, value in medians.items()))


if __name__ == "__main__":
    main()
