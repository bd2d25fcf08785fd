"""Keeping instances warm changes nothing but time, however little room there is."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from nexus_sdk import Context, activity, workflow
from nexus_sdk.engine.warm import ASLEEP_MAX
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Commit, Committed
from nexus_sdk.testing.environment import WorkflowEnvironment


class StoreWithAGate(MemoryStore):
    """Lets the n-th commit of an instance wait."""

    def __init__(self, instance_id: str, number: int) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self._instance_id = instance_id
        self._left = number

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        if commit.record.id == self._instance_id:
            self._left -= 1
            if self._left == 0:
                await self.gate.wait()
        return await super().commit(commit, now_us=now_us)


@activity
async def add_one(x: int) -> int:
    return x + 1


@workflow
async def adding(ctx: Context, x: int) -> Any:
    for _ in range(3):
        x = await add_one(x)
    await ctx.sleep("1h")
    return x


async def test_an_instance_that_is_at_work_does_not_make_room_for_another() -> None:
    store = StoreWithAGate("slow", 2)
    options = WorkerOptions(lease_seconds=30.0, warm_max=1)
    async with WorkflowEnvironment([adding], [add_one], store=store, worker=options, clock="manual") as env:
        slow = await env.start(adding, 0, id="slow")
        await env.settle()
        await env.start(adding, 10, id="quick")  # it needs the only place while the other one commits
        await env.settle()
        store.gate.set()
        await env.advance("2h")
        assert await slow.result() == 3


class ReleasedWhenDropped:
    """An object of a workflow's own: alive as long as its live execution is kept."""

    alive = 0

    def __init__(self) -> None:
        ReleasedWhenDropped.alive += 1

    def __del__(self) -> None:
        ReleasedWhenDropped.alive -= 1


@workflow
async def sleeping(ctx: Context, how_long: str) -> Any:
    kept = ReleasedWhenDropped()
    await ctx.sleep(how_long)
    return type(kept).__name__


async def test_of_those_that_sleep_for_long_only_some_cost_memory_and_all_wake_in_time() -> None:
    ReleasedWhenDropped.alive = 0
    async with WorkflowEnvironment([sleeping], [], clock="manual") as env:
        far = [await env.start(sleeping, "1h", id=f"far-{number}") for number in range(ASLEEP_MAX + 20)]
        near = await env.start(sleeping, "5s", id="near")
        await env.settle()
        gc.collect()
        assert ReleasedWhenDropped.alive == ASLEEP_MAX + 1
        await env.advance("2h")
        assert {await handle.result() for handle in [*far, near]} == {"ReleasedWhenDropped"}
