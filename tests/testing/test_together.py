"""Several results awaited at once, as `asyncio.gather` has them: each comes at its time, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from nexus_sdk import Completes, Context, activity, workflow
from nexus_sdk.testing import NothingIsDue, WorkflowEnvironment


@activity
def in_a_thread(hours: int) -> int:
    return hours


@workflow
async def sleeping(ctx: Context, hours: int) -> Completes[int]:
    yield ctx.sleep(timedelta(hours=hours))
    yield ctx.complete((yield in_a_thread(hours)))


@workflow
async def approved(ctx: Context) -> Any:
    return await ctx.wait_for_event("approved")


@pytest.fixture(params=["memory://", "memory://?profile=split", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    return str(request.param) if request.param != "sqlite" else f"sqlite:///{tmp_path}/nexus.db"


async def test_a_hundred_results_at_once(store: str) -> None:
    async with WorkflowEnvironment([sleeping], [in_a_thread], store=store) as env:
        began = env.now
        handles = [await env.start(sleeping, hours % 5) for hours in range(100)]
        results = await asyncio.gather(*(handle.result() for handle in handles))
        assert results == [hours % 5 for hours in range(100)]
        assert timedelta(hours=4) <= env.now - began < timedelta(hours=5)


async def test_each_comes_at_its_time() -> None:
    async with WorkflowEnvironment([sleeping], [in_a_thread]) as env:
        began = env.now

        async def hours_until(hours: int) -> float:
            await (await env.start(sleeping, hours)).result()
            return (env.now - began) / timedelta(hours=1)

        times = await asyncio.gather(*(hours_until(hours) for hours in (3, 1, 2)))
        assert [round(hours, 2) for hours in times] == [3, 1, 2]


async def test_whoever_goes_on_may_help_the_others(store: str) -> None:
    async with WorkflowEnvironment([sleeping, approved], [in_a_thread], store=store) as env:
        waits, helps = await env.start(approved), await env.start(sleeping, 0)

        async def help_it() -> None:
            await waits.send_event("approved", await helps.result())

        result, _ = await asyncio.gather(waits.result(), help_it())
        assert result == 0


async def test_time_that_is_let_pass_beside_a_result() -> None:
    async with WorkflowEnvironment([sleeping], [in_a_thread], clock="manual") as env:
        handle = await env.start(sleeping, 2)
        result, _ = await asyncio.gather(handle.result(), env.advance("2h"))
        assert result == 2


async def test_when_nothing_is_due_for_any_all_are_told() -> None:
    async with WorkflowEnvironment([approved]) as env:
        handles = [await env.start(approved) for _ in range(3)]
        found = await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
        assert [type(error) for error in found] == [NothingIsDue] * 3


async def test_a_timeout_beside_a_longer_wait() -> None:
    async with WorkflowEnvironment([sleeping], [in_a_thread]) as env:
        short, long = await env.start(sleeping, 5), await env.start(sleeping, 3)
        found = await asyncio.gather(short.result(timeout="1h"), long.result(), return_exceptions=True)
        assert [type(one).__name__ for one in found] == ["WaitTimedOut", "int"]


async def test_two_environments_on_one_loop() -> None:
    async def results() -> list[int]:
        async with WorkflowEnvironment([sleeping], [in_a_thread]) as env:
            return [await env.run(sleeping, hours) for hours in range(3)]

    assert list(await asyncio.gather(results(), results())) == [[0, 1, 2], [0, 1, 2]]
