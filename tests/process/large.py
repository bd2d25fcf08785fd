"""A program that runs something large in a process of its own and prints what it cost, as JSON: counts and memory."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path

from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.store.port import Query
from nexus_sdk.testing import WorkflowEnvironment

EARLY = 10
"""Of so many sleepers one wakes after an hour, the others sleep on."""


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
async def sleeper(ctx: Context, number: int):
    yield ctx.sleep("1h" if number % EARLY == 0 else "30d")
    yield ctx.complete(number)


def memory_kb(kind: str) -> int:
    """`VmHWM`: the most that this process has ever used; `VmRSS`: what it uses now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[kind].split()[0])


async def run(url: str, kind: str, count: int) -> dict[str, int]:
    app = Nexus(url, workflows=[sequential, parallel], activities=[echo])
    client = app.client()
    work = {"sequential": sequential, "parallel": parallel}[kind]
    async with app.worker():
        assert await (await client.start(work, 10)).result() == 45
        before = memory_kb("VmHWM")
        handle = await client.start(work, count)
        assert await handle.result() == sum(range(count))
        peak = memory_kb("VmHWM")
    batches = (await app.store.find(handle.id)).last_batch
    await app.store.close()
    return {"before_kb": before, "peak_kb": peak, "batches": batches}


async def sleep(count: int) -> dict[str, int]:
    async with WorkflowEnvironment(workflows=[sleeper], clock="manual") as env:

        async def start(numbers: range) -> None:
            for number in numbers:
                await env.start(sleeper, number, id=f"sleeper-{number}")
            await env.settle()

        async def completed() -> int:
            return await env.app.store.count(Query(statuses=frozenset({"completed"})))

        await start(range(10))
        idle = {"threads": threading.active_count(), "tasks": len(asyncio.all_tasks())}
        before = memory_kb("VmRSS")
        await start(range(10, count))
        asleep = {"threads": threading.active_count(), "tasks": len(asyncio.all_tasks())}
        used = memory_kb("VmRSS") - before
        await env.advance("59m")
        early = await completed()
        await env.advance("1m")
        results = [await env.get(f"sleeper-{number}").result() for number in range(0, count, EARLY)]
        assert results == list(range(0, count, EARLY))
        return {
            "more_threads": asleep["threads"] - idle["threads"],
            "more_tasks": asleep["tasks"] - idle["tasks"],
            "bytes_each": 1024 * used // count,
            "early": early,
            "completed": await completed(),
        }


if __name__ == "__main__":
    what, size, *urls = sys.argv[1:]
    cost = asyncio.run(sleep(int(size)) if what == "sleeping" else run(urls[0], what, int(size)))
    print(json.dumps(cost))
