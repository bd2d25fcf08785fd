"""Replies that are lost: what was done counts, and what was handed out is not taken for lost with its worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import Context, Retry, activity, workflow
from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.faults import Point, at_sub_step

LEASES = WorkerOptions(lease_seconds=30.0)
ONCE = Retry(max_attempts=1)
RAN: list[str] = []
GATE: list[asyncio.Event] = []


class LostReplies:
    """Each commit is made, and its reply lost the first time that it comes to `point`."""

    has_crashed = False

    def __init__(self, point: str = "after commit") -> None:
        self.lost = 0
        self._point = point
        self._is_next_lost = True

    async def at(self, point: Point) -> None:
        if str(point) != self._point:
            return
        is_lost, self._is_next_lost = self._is_next_lost, not self._is_next_lost
        if is_lost:
            self.lost += 1
            raise StoreUnavailable("the reply was lost.")

    def revive(self) -> None:
        """Nobody dies of it."""


@activity(retry=ONCE)
async def once(name: str) -> str:
    RAN.append(name)
    return name


@activity(retry=ONCE, local=True)
async def once_near(name: str) -> str:
    RAN.append(name)
    return name


@activity(retry=ONCE)
async def once_slowly(name: str) -> str:
    RAN.append(name)
    await GATE[0].wait()
    return name


@workflow
async def inner(ctx: Context) -> str:
    return await once("inner")


@workflow
async def careful(ctx: Context) -> list[Any]:
    first = await once("first")
    both = await ctx.gather(once("left"), once_near("right"))
    return [first, *both, await inner(), await once_near("last")]


@workflow
async def together(ctx: Context, names: list[str]) -> list[str]:
    return await ctx.gather(*(once(name) for name in names))


@workflow
async def slowly_together(ctx: Context, names: list[str]) -> list[str]:
    return await ctx.gather(*(once_slowly(name) for name in names))


@workflow
async def counting_down(ctx: Context, n: int):
    yield once(str(n))
    if n:
        yield ctx.continue_as_new(n - 1)
    yield ctx.complete("done")


@pytest.fixture(autouse=True)
def fresh() -> None:
    RAN.clear()
    GATE[:] = [asyncio.Event()]


def attempts_in(history: list[e.Event]) -> set[int]:
    return {event.attempts for event in history if isinstance(event, e.ActivityCompleted)}


async def test_activities_that_may_run_once_survive_lost_replies(environment: Any) -> None:
    faults = LostReplies()
    env = await environment(careful, inner, once, once_near, worker=LEASES, faults=faults)
    began = env.now
    handle = await env.start(careful)
    assert await handle.result() == ["first", "left", "right", "inner", "last"]
    assert sorted(RAN) == ["first", "inner", "last", "left", "right"]
    assert attempts_in(await env.history(handle)) == {1}
    assert faults.lost >= 5
    assert (env.now - began).total_seconds() < LEASES.lease_seconds


async def test_activities_that_may_run_once_survive_a_reply_lost_between_the_write_and_its_sends(
    environment: Any,
) -> None:
    store, faults = SplitMemoryStore(between=at_sub_step), LostReplies("after commit:write")
    env = await environment(careful, inner, once, once_near, store=store, worker=LEASES, faults=faults)
    assert await env.run(careful) == ["first", "left", "right", "inner", "last"]
    assert sorted(RAN) == ["first", "inner", "last", "left", "right"]
    assert faults.lost >= 5


@pytest.mark.parametrize("concurrency", [1, 2, 10])
async def test_what_was_received_meanwhile_is_not_run_again(environment: Any, concurrency: int) -> None:
    names = [f"n{number}" for number in range(6)]
    options = WorkerOptions(lease_seconds=30.0, concurrency=concurrency)
    env = await environment(together, once, worker=options, faults=LostReplies())
    assert await env.run(together, names) == names
    assert sorted(RAN) == names


async def test_what_was_received_meanwhile_and_still_runs_is_not_run_again(environment: Any) -> None:
    names = ["a", "b", "c"]
    options = WorkerOptions(lease_seconds=30.0, concurrency=2)
    env = await environment(slowly_together, once_slowly, worker=options, faults=LostReplies())
    handle = await env.start(slowly_together, names)
    await env.advance("1s")
    assert len(RAN) == len(set(RAN)) == 2  # the slots that the commit claims are nobody else's until its reply comes
    GATE[0].set()
    assert await handle.result() == names
    assert sorted(RAN) == names


async def test_runs_follow_each_other_over_lost_replies(environment: Any) -> None:
    env = await environment(counting_down, once, worker=LEASES, faults=LostReplies())
    handle = await env.start(counting_down, 3)
    assert await handle.result() == "done"
    assert RAN == ["3", "2", "1", "0"]
    assert (await handle.status()).run == 4
