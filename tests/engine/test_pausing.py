"""A worker that pauses, as in a function between two invocations: it goes on where it was, with what is warm."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.engine.worker import WorkerOptions

BEGINNINGS: list[str] = []


@activity
async def double(n: int) -> int:
    return 2 * n


@workflow
async def adding(ctx: Context) -> int:
    BEGINNINGS.append(ctx.instance_id)
    total = 0
    for _ in range(2):
        total += await double(await ctx.wait_for_event("add", int))
    return total


@pytest.fixture
async def env(environment: Any) -> Any:
    BEGINNINGS.clear()
    return await environment(adding, double)


async def test_a_worker_that_pauses_takes_nothing_and_goes_on_with_the_live_instance(env: Any) -> None:
    handle = await env.start(adding, id="it")
    await env.settle()
    worker = await env.restart_worker()
    begun = len(BEGINNINGS)
    await handle.send_event("add", 1)
    await env.settle()
    await worker.pause()
    await handle.send_event("add", 2)
    await env.settle()
    assert (await handle.status()).status == "running"
    assert len(BEGINNINGS) == begun + 1
    await worker.start()
    assert await handle.result() == 6
    assert len(BEGINNINGS) == begun + 1  # nothing was replayed


async def test_a_worker_that_does_not_sweep_looks_when_it_is_told_to(env: Any) -> None:
    worker = await env.restart_worker(WorkerOptions(sweeps=False, migrates=False))
    handle = await env.start(adding, id="it")
    await env.settle()
    assert await worker.sweep() == 0
    await worker.pause(drain_seconds=0.0)
    await worker.start()
    for n in (1, 2):
        await handle.send_event("add", n)
    assert await handle.result() == 6
