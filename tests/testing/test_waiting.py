"""`result` raises at once when nothing is due that could finish the instance, and says what is missing."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from nexus_sdk import Context, Retry, WaitTimedOut, activity, workflow
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.testing import ClockRunsAway, NothingIsDue, WorkflowEnvironment
from nexus_sdk.testing import environment as module
from tests.testing.orders import ORDER, Order, charge, pack, print_label, print_poster


@workflow
async def waiting(ctx: Context) -> Any:
    return await ctx.wait_for_event("approved")


@workflow
async def paying(ctx: Context, order: Order) -> Any:
    return await charge(order)


@workflow
async def patient(ctx: Context) -> str:
    winner = await ctx.race(paid=charge(ORDER), packed=pack("lamp"), late=ctx.sleep("30d"))
    return str(winner.name)


@workflow
async def sleeping(ctx: Context) -> str:
    yield ctx.sleep("1h")
    yield ctx.complete("slept")


@pytest.fixture(params=["memory://", "memory://?profile=split", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    return str(request.param) if request.param != "sqlite" else f"sqlite:///{tmp_path}/nexus.db"


# --- at once, and without time passing --------------------------------------------------------------------------------


async def nothing_is_due(env: WorkflowEnvironment, handle: Any, *said: str) -> None:
    began, real = env.now, time.perf_counter()
    with pytest.raises(NothingIsDue) as raised:
        await handle.result()
    for part in said:
        assert part in str(raised.value)
    assert env.now - began < timedelta(minutes=1)
    assert time.perf_counter() - real < 5


async def test_an_event_that_does_not_come(store: str) -> None:
    async with WorkflowEnvironment([waiting], store=store) as env:
        handle = await env.start(waiting, id="w")
        await nothing_is_due(env, handle, "NX701", "w is running", "It waits for event 'approved'", "send_event")
        await handle.send_event("approved", 7)
        assert await handle.result() == 7


async def test_a_workflow_that_nobody_serves(store: str) -> None:
    async with WorkflowEnvironment([waiting, sleeping], has_worker=False, store=store) as env:
        handle = await env.start(sleeping)
        await nothing_is_due(env, handle, "There is no worker", "restart_worker")
        async with env.another_worker([waiting]):
            await nothing_is_due(env, handle, "No worker here serves workflow 'sleeping' version '1'", "workflows=[…]")
            async with env.another_worker([waiting]):  # two that leave it to each other
                await nothing_is_due(env, handle, "No worker here serves")
            async with env.another_worker([sleeping]):
                assert await handle.result() == "slept"


async def test_an_activity_that_nobody_serves(store: str) -> None:
    async with WorkflowEnvironment([paying], store=store) as env:
        handle = await env.start(paying, ORDER)
        await nothing_is_due(env, handle, "activity 'charge', which no worker here serves", "env.mock(charge")
        env.mock(charge, returns={"ok": True})
        assert await handle.result() == {"ok": True}


async def test_a_queue_that_nobody_serves() -> None:
    @workflow
    async def posting(ctx: Context) -> str:
        return await print_poster("lamp")

    options = WorkerOptions(frozenset({"default"}))
    async with WorkflowEnvironment([posting], [print_poster], worker=options) as env:
        handle = await env.start(posting)
        await nothing_is_due(env, handle, "activity 'print_poster' on queue 'printers', which no worker here serves")


async def test_a_child_workflow_that_nobody_serves(store: str) -> None:
    @workflow
    async def packing(ctx: Context) -> str:
        return await pack("lamp")

    async with WorkflowEnvironment([packing], store=store) as env:
        handle = await env.start(packing)
        await nothing_is_due(env, handle, "child workflow 'pack', which no worker here serves", "env.mock(pack")
        env.mock(pack, returns="a box")
        assert await handle.result() == "a box"


async def test_a_suspended_instance() -> None:
    async with WorkflowEnvironment([sleeping], clock="manual") as env:
        handle = await env.start(sleeping)
        await env.settle()
        await handle.suspend()
        await nothing_is_due(env, handle, "is suspended", "handle.resume()")


async def test_a_manual_clock_that_stands() -> None:
    async with WorkflowEnvironment([sleeping], clock="manual") as env:
        handle = await env.start(sleeping)
        await nothing_is_due(env, handle, "It waits for a timer (sleep)", "env.advance")
        await env.advance("1h")
        assert await handle.result() == "slept"


# --- what nobody serves, beside what is due ---------------------------------------------------------------------------


async def test_a_timer_beside_what_nobody_serves_fires_on_time_and_soon(store: str) -> None:
    async with WorkflowEnvironment([patient], store=store) as env:
        began, real = env.now, time.perf_counter()
        assert await env.run(patient) == "late"
        assert env.now - began == timedelta(days=30)
        assert time.perf_counter() - real < 5


async def test_a_retry_beside_what_nobody_serves_is_made_on_time() -> None:
    attempts: list[Any] = []

    @activity(retry=Retry(max_attempts=2, initial="3d", max_interval="3d", jitter="none"))
    async def slow_to_start() -> str:
        attempts.append(env.now)
        if len(attempts) == 1:
            raise ConnectionError
        return "at last"

    @workflow
    async def trying(ctx: Context) -> str:
        winner = await ctx.race(packed=pack("lamp"), tried=slow_to_start())
        return str(winner.value)

    async with WorkflowEnvironment([trying], [slow_to_start]) as env:
        assert await env.run(trying) == "at last"
        assert attempts[1] - attempts[0] == timedelta(days=3)


async def test_time_can_be_let_pass_over_what_nobody_serves() -> None:
    async with WorkflowEnvironment([paying], clock="manual") as env:
        await env.start(paying, ORDER)
        real = time.perf_counter()
        began = env.now
        await env.advance("1000d")
        assert env.now - began == timedelta(days=1000)
        assert time.perf_counter() - real < 5


async def test_the_environment_comes_to_rest_though_something_is_served_by_nobody() -> None:
    async with WorkflowEnvironment([paying, sleeping]) as env:
        await env.start(paying, ORDER)
        handle = await env.start(sleeping)
        began = env.now
        await env.run_until_idle()
        assert env.now - began == timedelta(hours=1)
        assert (await handle.status()).status == "completed"


# --- how long to wait -------------------------------------------------------------------------------------------------


async def test_result_can_be_given_so_much_time() -> None:
    async with WorkflowEnvironment([sleeping, waiting]) as env:
        handle = await env.start(sleeping)
        began = env.now
        with pytest.raises(WaitTimedOut, match="has not ended within 59m"):
            await handle.result(timeout="59m")
        assert env.now - began == timedelta(minutes=59)
        assert await handle.result(timeout="1m") == "slept"
        with pytest.raises(WaitTimedOut):
            await (await env.start(waiting)).result(timeout="1d")


async def test_a_workflow_without_an_end_is_told_from_one_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    @workflow
    async def eternal(ctx: Context, rounds: int):
        yield ctx.sleep("1d")
        yield ctx.continue_as_new(rounds + 1)

    monkeypatch.setattr(module, "JUMPS_MAX", 100)
    async with WorkflowEnvironment([eternal]) as env:
        handle = await env.start(eternal, 0)
        with pytest.raises(ClockRunsAway, match="has not ended after 100 jumps"):
            await handle.result()
        with pytest.raises(ClockRunsAway, match="come to rest"):
            await env.run_until_idle()
        await env.advance("10d")
        assert (await handle.status()).run > 200


# --- where it runs ----------------------------------------------------------------------------------------------------


def test_it_works_in_a_plain_event_loop() -> None:
    async def main() -> Any:
        async with WorkflowEnvironment([sleeping]) as env:
            return await env.run(sleeping)

    assert asyncio.run(main()) == "slept"


def test_it_works_in_a_synchronous_test() -> None:
    async def script(env: Any, handle: Any) -> None:
        await handle.send_event("approved", 7)

    with WorkflowEnvironment([sleeping, waiting, paying], [print_label]) as env:
        assert env.run(sleeping) == "slept"
        env.mock(charge, returns={"ok": True})
        assert env.run(paying, ORDER) == {"ok": True}
        assert env.calls(charge) == [(ORDER,)]
        handle = env.start(waiting, id="w")
        env.advance("1h")
        assert handle.status().status == "running"
        with pytest.raises(NothingIsDue):
            handle.result()
        handle.send_event("approved", 3)
        assert handle.result() == 3
        assert len(env.history(handle)) == len(env.history("w")) > 3
        assert env.get("w").result() == 3
        assert env.crash_everywhere(waiting, script=script) > 3


async def test_an_environment_begins_by_its_first_use() -> None:
    env = WorkflowEnvironment([sleeping])
    try:
        assert await env.run(sleeping) == "slept"
    finally:
        await env.close()
        await env.close()


async def test_two_environments_on_one_store_draw_other_ids() -> None:
    async with WorkflowEnvironment([sleeping]) as one, WorkflowEnvironment([sleeping], store=one.app.store) as other:
        assert (await one.start(sleeping)).id != (await other.start(sleeping)).id


async def test_the_same_test_draws_the_same_ids() -> None:
    async def ids() -> list[str]:
        async with WorkflowEnvironment([sleeping]) as env:
            return [(await env.start(sleeping)).id for _ in range(3)]

    assert await ids() == await ids()
