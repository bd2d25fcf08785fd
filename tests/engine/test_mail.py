"""How many outcomes a turn takes: no more than its store settles together with the batch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities, Commit, Committed
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.environment import WorkflowEnvironment

WIDTH = 95


@activity
async def same(number: int) -> int:
    await asyncio.sleep(0)
    return number


@workflow
async def wide(ctx: Context) -> Any:
    return sum(await ctx.map(same, list(range(WIDTH)), concurrency=WIDTH))


def counted(store: Any) -> list[int]:
    """How many deliveries each commit settles, from now on."""
    counts: list[int] = []
    commit = store.commit

    async def noted(given: Commit, *, now_us: int) -> Committed:
        counts.append(len(given.settles))
        committed: Committed = await commit(given, now_us=now_us)
        return committed

    store.commit = noted
    return counts


class Small(MemoryStore):
    capabilities = Capabilities(settles_max=7)


@pytest.mark.parametrize("store", [Small, SplitMemoryStore])
async def test_a_turn_takes_no_more_than_its_store_settles_at_once(store: type[Any]) -> None:
    kept = store()
    counts = counted(kept)
    async with WorkflowEnvironment([wide], [same], store=kept) as env:
        assert await env.run(wide) == sum(range(WIDTH))
    assert kept.capabilities.settles_max is not None
    assert max(counts) == kept.capabilities.settles_max


async def test_where_there_is_no_limit_it_takes_all_that_there_are() -> None:
    kept = MemoryStore()
    counts = counted(kept)
    async with WorkflowEnvironment([wide], [same], store=kept) as env:
        assert await env.run(wide) == sum(range(WIDTH))
    assert max(counts) > 30
