"""An instance whose history was damaged is blocked; what comes for it afterwards waits, and keeps no worker busy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from nexus_sdk import Context, workflow
from nexus_sdk.core.status import Status
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import TURNS, Lease
from nexus_sdk.testing import WorkflowEnvironment


@workflow
async def waiting(ctx: Context) -> Any:
    return await ctx.wait_for_event("go")


async def test_what_comes_for_a_damaged_instance_is_held_back() -> None:
    store = MemoryStore()
    async with WorkflowEnvironment(workflows=[waiting], store=store, clock="manual") as env:
        handle = await env.start(waiting, id="a")
        await env.settle()
        await env.crash_worker()
        batches = cast("Any", store)._items["a"].runs[(await store.find("a")).run_id]
        batches[0] = replace(batches[0], data=batches[0].data[:-1] + b"\xff")
        await env.restart_worker()
        await handle.send_event("go")
        await env.settle()
        record = await store.find("a")
        assert record.status is Status.BLOCKED
        await handle.resume()
        await env.settle()
        loaded = await store.load("a")
        assert len(loaded.messages) == 2
        assert loaded.record.held_through == loaded.messages[-1].number
        received = await store.receive([TURNS], limit=9, lease=Lease("a hand", 9.0), now_us=env.clock.now_us())
        assert received.deliveries == ()
