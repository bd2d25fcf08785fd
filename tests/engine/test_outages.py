"""A store that is out for a while, or for one call: nothing that was done is lost, done twice, or blocked for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, Retry, activity, activity_info, heartbeat, workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.status import Status
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.testing.faults import Point

LEASES = WorkerOptions(lease_seconds=30.0)
COLD = WorkerOptions(lease_seconds=30.0, warm_max=0)
RAN: list[tuple[str, int]] = []
GATES: dict[str, asyncio.Event] = {}


class Outage:
    """`times` calls of a verb fail, before or after they are done; none until it is told to begin."""

    has_crashed = False

    def __init__(self, point: str, times: int = 3, *, has_begun: bool = False) -> None:
        self.has_begun = has_begun
        self.left = self.times = times
        self._point = point

    async def at(self, point: Point) -> None:
        if self.has_begun and self.left and str(point) == self._point:
            self.left -= 1
            raise StoreUnavailable("it is out.")

    def revive(self) -> None:
        """Nobody dies of it."""


@activity(retry=Retry(max_attempts=1))
async def charge(name: str) -> str:
    RAN.append((name, activity_info().attempt))
    await GATES.setdefault(name, asyncio.Event()).wait()
    return name


@activity(retry=Retry(max_attempts=2, jitter="none"))
async def shaky() -> int:
    RAN.append(("shaky", activity_info().attempt))
    if len(RAN) == 1:
        raise ConnectionError("no luck")
    return activity_info().attempt


@workflow
async def paying(ctx: Context, names: list[str]) -> list[str]:
    return await ctx.gather(*(charge(name) for name in names))


@workflow
async def daring(ctx: Context) -> Any:
    try:
        return await charge("dared")
    except ActivityFailed as error:
        return error.type


@workflow
async def trying(ctx: Context) -> int:
    return await shaky()


@pytest.fixture(autouse=True)
def fresh() -> None:
    RAN.clear()
    GATES.clear()


async def until_it_is_over(env: Any, outage: Outage) -> None:
    for _ in range(10):
        await env.advance("2s")
    assert outage.left < outage.times


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_turn_that_cannot_load_its_instance_keeps_the_outcome_and_blocks_nothing(
    environment: Any, when: str
) -> None:
    outage = Outage(f"{when} load")
    env = await environment(paying, charge, clock="manual", worker=COLD, faults=outage)
    handle = await env.start(paying, ["a"])
    await env.settle()
    outage.has_begun = True
    GATES["a"].set()
    await until_it_is_over(env, outage)
    assert await handle.result() == ["a"]
    assert RAN == [("a", 1)]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_outcome_that_cannot_be_put_into_the_inbox_at_once_is_not_lost(environment: Any, when: str) -> None:
    outage = Outage(f"{when} send")
    env = await environment(paying, charge, clock="manual", worker=LEASES, faults=outage)
    handle = await env.start(paying, ["a", "b"])
    await env.settle()
    await handle.suspend()
    await env.settle()
    outage.has_begun = True
    GATES["a"].set()
    GATES["b"].set()
    await until_it_is_over(env, outage)
    await handle.resume()
    await env.settle()
    assert await handle.result() == ["a", "b"]
    assert sorted(RAN) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_next_attempt_that_cannot_be_asked_for_at_once_comes_all_the_same(environment: Any, when: str) -> None:
    outage = Outage(f"{when} retry", has_begun=True)
    env = await environment(trying, shaky, clock="manual", worker=LEASES, faults=outage)
    handle = await env.start(trying)
    await until_it_is_over(env, outage)
    assert await handle.result() == 2
    [completed] = [event for event in await env.history(handle) if isinstance(event, e.ActivityCompleted)]
    assert [failure.type for failure in completed.failures] == ["ConnectionError"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_task_that_cannot_be_left_to_others_at_once_is_not_taken_for_run(environment: Any, when: str) -> None:
    outage = Outage(f"{when} release", has_begun=True)
    env = await environment(paying, clock="manual", worker=WorkerOptions(frozenset({"default"})), faults=outage)
    handle = await env.start(paying, ["a"])
    await until_it_is_over(env, outage)
    GATES["a"] = asyncio.Event()
    GATES["a"].set()
    async with env.another_worker([paying], [charge], worker=LEASES):
        await env.advance("1m")
        assert (await handle.status()).status is Status.COMPLETED
    assert RAN == [("a", 1)]


async def test_an_outcome_that_comes_after_a_suspension_of_the_same_turn_is_kept(environment: Any) -> None:
    env = await environment(paying, charge, clock="manual", worker=COLD)
    handle = await env.start(paying, ["a"])
    await env.settle()
    for task in env.worker._service:  # it takes nothing by itself: the outcome's turn finds the suspension
        task.cancel()
    await handle.suspend()
    await env.advance("1s")
    GATES["a"].set()
    await env.settle()
    assert (await handle.status()).status is Status.SUSPENDED
    await env.restart_worker()
    await handle.resume()
    await env.advance("1s")
    assert await handle.result() == ["a"]
    assert RAN == [("a", 1)]


async def test_one_that_may_run_once_is_not_given_back_when_it_takes_too_long_to_drain(environment: Any) -> None:
    env = await environment(daring, charge, clock="manual", worker=LEASES)
    handle = await env.start(daring)
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.advance("11s")
    assert leaving.done()
    async with env.another_worker():
        await env.settle()
        assert await handle.result() == "WorkerLost"
    assert RAN == [("dared", 1)]


class Held:
    """Calls of a verb are done, and their replies kept back until they are let go."""

    has_crashed = False

    def __init__(self, point: str) -> None:
        self.gate: asyncio.Event | None = None
        self._point = point

    async def at(self, point: Point) -> None:
        if self.gate is not None and str(point) == self._point:
            await self.gate.wait()

    def revive(self) -> None:
        """Nobody dies of it."""


async def test_what_a_leaving_worker_is_just_receiving_it_gives_back_as_never_begun(environment: Any) -> None:
    held = Held("after receive")
    env = await environment(paying, charge, clock="manual", worker=LEASES, faults=held)
    held.gate = asyncio.Event()
    handle = await env.start(paying, ["a"])
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    await env.settle()
    held.gate.set()
    await env.settle()
    assert leaving.done()
    GATES.setdefault("a", asyncio.Event()).set()
    async with env.another_worker():
        await env.settle()
        assert (await handle.status()).status is Status.COMPLETED
    assert RAN == [("a", 1)]


async def test_a_leaving_worker_keeps_its_leases_until_what_runs_is_over(environment: Any) -> None:
    options = WorkerOptions(lease_seconds=30.0, drain_seconds=300.0)
    env = await environment(paying, charge, clock="manual", worker=options)
    handle = await env.start(paying, ["a"])
    await env.settle()
    leaving = asyncio.ensure_future(env.worker.stop())
    async with env.another_worker():
        for _ in range(10):
            await env.advance("10s")
        GATES["a"].set()
        await env.settle()
        assert leaving.done()
        assert (await handle.status()).status is Status.COMPLETED
    assert RAN == [("a", 1)]


@pytest.mark.parametrize("point", ["before commit", "after commit"])
async def test_outcomes_that_wait_for_a_long_commit_keep_their_leases(environment: Any, point: str) -> None:
    """One is part of the commit that takes long, the other one waits for it: neither is run again elsewhere."""
    held = Held(point)
    env = await environment(paying, charge, clock="manual", worker=LEASES, faults=held)
    handle = await env.start(paying, ["a", "b"])
    await env.settle()
    held.gate = asyncio.Event()
    GATES["a"].set()
    await env.settle()
    GATES["b"].set()
    await env.settle()
    async with env.another_worker():
        for _ in range(10):
            await env.advance("10s")
        held.gate.set()
        await env.advance("1s")
        assert (await handle.status()).status is Status.COMPLETED
        assert await handle.result() == ["a", "b"]
    assert sorted(RAN) == [("a", 1), ("b", 1)]


async def test_turns_that_are_committed_together_do_not_claim_the_same_free_slot(environment: Any) -> None:
    names = [f"n{number}" for number in range(8)]
    options = WorkerOptions(lease_seconds=30.0, concurrency=2)
    env = await environment(paying, charge, clock="manual", worker=options)
    handles = [await env.start(paying, [name]) for name in names]
    for _ in names:
        await env.settle()
        assert env.worker.running_activities <= 2
        for name, _attempt in RAN:
            GATES[name].set()
    await env.settle()
    assert [await handle.result() for handle in handles] == [[name] for name in names]
    assert len(RAN) == len(names)


async def test_a_heartbeat_that_does_not_reach_the_store_hurts_nobody(environment: Any) -> None:
    @activity(heartbeat_timeout="30s")
    async def beating() -> str:
        heartbeat("one")
        await GATES.setdefault("beating", asyncio.Event()).wait()
        return "done"

    @workflow
    async def calling(ctx: Context) -> str:
        return await beating()

    outage = Outage("before extend", 1, has_begun=True)
    env = await environment(calling, beating, clock="manual", worker=LEASES, faults=outage)
    handle = await env.start(calling)
    await env.settle()
    assert outage.left == 0
    GATES["beating"].set()
    assert await handle.result() == "done"
    assert any("heartbeat" in said for _, said, _ in env.said)
