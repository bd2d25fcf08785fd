"""Before a deployment the new code is tried on what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.building import rehearsal
from nexus_sdk.building.rehearsal import rehearse
from nexus_sdk.errors import InstancesAtRisk
from nexus_sdk.testing import WorkflowEnvironment


@activity
async def charge(order: str) -> str:
    return f"receipt for {order}"


@workflow
async def fulfil(ctx: Context, order: str) -> str:
    receipt = await charge(order)
    await ctx.wait_for_event("approved")
    return receipt


@workflow(name="fulfil")
async def waits_first(ctx: Context, order: str) -> str:
    await ctx.sleep("1h")
    return await charge(order)


@workflow(name="fulfil")
async def goes_further(ctx: Context, order: str) -> str:
    receipt = await charge(order)
    await ctx.wait_for_event("approved")
    return await charge(receipt)


@workflow(name="fulfil", version="2")
async def newer(ctx: Context, order: str) -> str:
    return order


Fill = Callable[..., Awaitable[None]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deployed.db"


async def left(url: str, *ids: str, completed: tuple[str, ...] = ()) -> None:
    """Leaves instances that wait, and some that have ended."""
    async with WorkflowEnvironment([fulfil], [charge], store=url) as env:
        for id in (*ids, *completed):
            handle = await env.start(fulfil, "a lamp", id=id)
            await env.settle()
            if id in completed:
                await handle.send_event("approved")
                await handle.result()


async def tried(url: str, *workflows: Any) -> Any:
    return await asyncio.to_thread(rehearse, Nexus("memory://", workflows=workflows, activities=[charge]), url)


async def test_the_same_code_goes_on_with_everything(url: str) -> None:
    await left(url, "a", "b", completed=("c",))
    done = await tried(url, fulfil)
    assert (done.number, done.is_cut) == (2, False)
    assert (await tried(url, goes_further)).number == 2


async def test_what_would_block_is_told_with_the_first_difference(url: str) -> None:
    await left(url, "a", "b", completed=("c",))
    with pytest.raises(InstancesAtRisk, match="2 of 2 instances that run would be blocked") as told:
        await tried(url, waits_first)
    assert "b (fulfil), a (fulfil)" in told.value.message
    assert "[NX201]" in told.value.hint
    assert "test_rehearsal.py" in told.value.hint
    assert "--unchecked" in told.value.hint


async def test_a_version_that_is_no_longer_there_is_a_risk(url: str) -> None:
    await left(url, "a")
    with pytest.raises(InstancesAtRisk, match="1 of 1 instance that runs") as told:
        await tried(url, newer)
    assert "version '1', which this code does not have" in told.value.hint
    assert (await tried(url, newer, fulfil)).number == 1


async def test_of_very_many_the_newest_are_tried(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await left(url, *(f"i-{n}" for n in range(5)))
    monkeypatch.setattr(rehearsal, "INSTANCES_MAX", 3)
    done = await tried(url, fulfil)
    assert (done.number, done.is_cut) == (3, True)


async def test_only_some_are_named(url: str) -> None:
    await left(url, *(f"i-{n}" for n in range(7)))
    with pytest.raises(InstancesAtRisk, match="and 2 more"):
        await tried(url, waits_first)
