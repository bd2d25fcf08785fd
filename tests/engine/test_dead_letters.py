"""An activity whose message the queue gave up fails, with the reason; it does not run again."""

from __future__ import annotations

import asyncio

from nexus_sdk import ActivityFailed, Context, Retry, activity, workflow
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing import WorkflowEnvironment

RUNS: list[str] = []


@activity(retry=Retry(max_attempts=100))
async def deadly() -> None:
    RUNS.append("deadly")
    await asyncio.get_running_loop().create_future()


@workflow
async def risking(ctx: Context) -> tuple[str, str, int]:
    try:
        await deadly()
    except ActivityFailed as error:
        return error.type, error.message, error.attempts
    return "", "", 0


async def test_an_activity_that_the_queue_gave_up_fails_with_the_reason() -> None:
    RUNS.clear()
    store = SplitMemoryStore()
    async with WorkflowEnvironment(
        workflows=[risking], activities=[deadly], store=store, clock="manual", worker=WorkerOptions(lease_seconds=30.0)
    ) as env:
        handle = await env.start(risking)
        await env.settle()
        await env.crash_worker()
        await env.advance("31s")
        store.queue.dead = [ring for ring in store.queue.all() if ring.task_id]
        assert store.queue.dead
        store.queue.lose(lambda ring: bool(ring.task_id))
        await env.restart_worker()
        await env.advance("5s")
        kind, message, attempts = await handle.result()
    assert kind == "DeadLettered"
    assert "nobody answered for it" in message
    assert attempts == 2
    assert RUNS == ["deadly"]
