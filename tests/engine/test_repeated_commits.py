"""A commit that is repeated may hand out what `receive` is about to bring: each lease is run once all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nexus_sdk import Context, Retry, activity, workflow
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import TURNS, Commit, Committed, Lease, Received
from nexus_sdk.testing.environment import WorkflowEnvironment

CHARGED: list[str] = []


class StoreThatTakesItsTime(MemoryStore):
    """`receive` looks for tasks when it may, and answers when it may; the reply to the first commit is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.may_look = asyncio.Event()
        self.may_answer = asyncio.Event()
        self._has_committed = False

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        if TURNS in queues:
            return await super().receive(queues, limit=limit, lease=lease, now_us=now_us)
        await self.may_look.wait()
        received = await super().receive(queues, limit=limit, lease=lease, now_us=now_us)
        await self.may_answer.wait()
        return received

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        committed = await super().commit(commit, now_us=now_us)
        if not self._has_committed:
            self._has_committed = True
            raise StoreUnavailable("the reply was lost.")
        return committed


@activity(retry=Retry(max_attempts=1))
async def charge(order: str) -> str:
    CHARGED.append(order)
    return f"receipt for {order}"


@workflow
async def buying(ctx: Context, order: str) -> str:
    return await charge(order)


async def test_a_lease_that_comes_twice_is_run_once() -> None:
    CHARGED.clear()
    store = StoreThatTakesItsTime()
    env = WorkflowEnvironment([buying], [charge], store=store, has_worker=False, clock="manual")
    async with env:
        handle = await env.start(buying, "a lamp")
        await env.restart_worker(WorkerOptions(concurrency=1))  # its one slot is kept for what `receive` brings
        await env.settle()
        store.may_look.set()
        await env.settle()
        await env.advance("1s")  # the commit is repeated, and brings what is leased by now
        store.may_answer.set()
        await env.advance("1s")
        assert await handle.result() == "receipt for a lamp"
        assert CHARGED == ["a lamp"]
