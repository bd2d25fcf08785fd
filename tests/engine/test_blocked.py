"""Blocked instances: visible, with a coded reason; they hold nobody up, and go on when the code can."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import (
    BlockingError,
    Context,
    HistoryCorruptedError,
    IllegalAwaitError,
    IllegalYieldError,
    NonDeterminismError,
    UnusedOperationError,
    WaitTimedOut,
    activity,
    workflow,
)
from nexus_sdk.core import events as e
from nexus_sdk.errors import WorkflowSpinningError


@activity
async def charge(x: int) -> int:
    return x


@activity
async def pack(x: int) -> int:
    return x


def old_code() -> Any:
    @workflow(name="order")
    async def order(ctx: Context):
        yield charge(1)
        yield ctx.wait_for_event("go")
        yield ctx.complete("old")

    return order


def new_code() -> Any:
    @workflow(name="order")
    async def order(ctx: Context):
        yield pack(1)
        yield ctx.wait_for_event("go")
        yield ctx.complete("new")

    return order


def mended_code() -> Any:
    @workflow(name="order")
    async def order(ctx: Context):
        yield charge(1)
        yield ctx.wait_for_event("go")
        yield pack(2)
        yield ctx.complete("mended")

    return order


async def blocked_order(environment: Any, **options: Any) -> tuple[Any, Any]:
    """An environment of the new code, and an order that the old code began."""
    env = await environment(new_code(), charge, pack, replays=False, has_worker=False, **options)
    async with env.another_worker([old_code()], [charge, pack]):
        handle = await env.start(env.app.registry.latest("order"), id="order")
        await env.settle()
    await env.restart_worker()
    await handle.send_event("go")
    await env.settle()
    return env, handle


async def test_changed_code_blocks_with_an_explanation(environment: Any) -> None:
    _, handle = await blocked_order(environment)
    status = await handle.status()
    assert status.status == "blocked"
    assert status.failure.code == "NX201"
    assert "charge" in status.failure.message
    assert "pack" in status.failure.message


async def test_the_test_environment_raises_the_blocking_error(environment: Any) -> None:
    _, handle = await blocked_order(environment)
    with pytest.raises(NonDeterminismError, match="charge"):
        await handle.result()


async def test_the_old_code_goes_on_with_it_by_itself(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    async with env.another_worker([old_code()], [charge, pack]):
        await env.settle()
        assert await handle.result() == "old"
    kinds = [type(event) for event in await env.history(handle)]
    assert kinds.count(e.WorkflowBlocked) == kinds.count(e.WorkflowUnblocked) == 1


async def test_mended_code_goes_on_with_it_by_itself(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    async with env.another_worker([mended_code()], [charge, pack]):
        assert await handle.result() == "mended"


async def test_more_than_one_page_of_blocked_instances_is_tried_again(
    environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexus_sdk.engine import sweep

    monkeypatch.setattr(sweep, "BLOCKED_PAGE", 2)
    env, _ = await blocked_order(environment)
    async with env.another_worker([old_code()], [charge, pack]):
        await env.settle()
    await env.crash_worker()
    handles = []
    async with env.another_worker([old_code()], [charge, pack]):
        for number in range(5):
            handles.append(await env.start(env.app.registry.latest("order"), id=f"order-{number}"))
        await env.settle()
    await env.restart_worker()
    for handle in handles:
        await handle.send_event("go")
    await env.settle()
    assert await env.client.count(status="blocked") == 5
    await env.restart_worker()  # the same build: none of them can go on, and in their later rounds they stay tried
    for _ in range(5):
        await env.advance("2s")
    assert len(env.worker._sweep.tried) == 5
    async with env.another_worker([mended_code()], [charge, pack]) as mended:
        for _ in range(5):
            await env.advance("2s")
        assert [(await handle.status()).status for handle in handles] == ["completed"] * 5
        await env.advance("10s")
        assert not mended._sweep.tried


async def test_two_builds_that_both_cannot_go_on_leave_one_record_of_it(environment: Any) -> None:
    env, handle = await blocked_order(environment)

    @workflow(name="order")
    async def other(ctx: Context):
        yield ctx.sleep("1h")

    async with env.another_worker([other]):
        await env.advance("1m")
    assert (await handle.status()).status == "blocked"
    assert [type(event) for event in await env.history(handle)].count(e.WorkflowBlocked) == 1


async def test_resume_by_hand_tries_again_and_blocks_again(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    await handle.resume()
    await env.settle()
    assert (await handle.status()).status == "blocked"


async def test_a_clients_result_waits_on_until_it_can_go_on(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    waiting = asyncio.ensure_future(env.client.get("order").result())
    await env.settle()
    assert not waiting.done()
    async with env.another_worker([old_code()], [charge, pack]):
        await env.settle()
        assert await waiting == "old"
    assert await handle.result() == "old"


async def test_a_blocked_instance_hides_nobody_else(environment: Any) -> None:
    env, _ = await blocked_order(environment)
    healthy = await env.start(env.app.registry.latest("order"), id="healthy")
    await healthy.send_event("go")
    assert await healthy.result() == "new"


async def test_messages_wait_while_it_is_blocked(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    await handle.send_event("go", "another")
    await env.settle()
    async with env.another_worker([old_code()], [charge, pack]):
        assert await handle.result() == "old"
    received = [event for event in await env.history(handle) if isinstance(event, e.EventReceived)]
    assert len(received) == 1  # the second came after the end of the workflow: nobody waited for it


async def test_a_blocked_instance_can_be_terminated(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    await handle.terminate("hopeless")
    await env.settle()
    assert (await handle.status()).status == "terminated"


async def test_suspended_and_resumed_with_code_that_cannot_go_on_it_is_blocked_again(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    await handle.suspend()
    await env.settle()
    assert (await handle.status()).status == "suspended"
    await handle.resume()
    await env.settle()
    status = await handle.status()
    assert (status.status, status.failure.code) == ("blocked", "NX201")


async def test_suspended_while_blocked_it_goes_on_after_the_resume_without_a_stain(environment: Any) -> None:
    env, handle = await blocked_order(environment)
    await handle.suspend()
    await env.settle()
    await env.crash_worker()
    async with env.another_worker([mended_code()], [charge]):
        await handle.resume()
        await env.settle()
        status = await handle.status()
        assert (status.status, status.failure) == ("running", None)
    async with env.another_worker([mended_code()], [charge, pack]):
        await env.advance("1m")
        assert await handle.result() == "mended"


async def test_an_activity_that_ends_while_its_instance_is_blocked_is_not_lost(environment: Any) -> None:
    going = asyncio.Event()

    @activity
    async def slow() -> str:
        await going.wait()
        return "done"

    @workflow(name="slow order")
    async def before(ctx: Context):
        spawned = ctx.spawn(slow())
        yield ctx.wait_for_event("go")
        yield ctx.complete((yield spawned))

    @workflow(name="slow order")
    async def after(ctx: Context):
        yield ctx.sleep(1)

    env = await environment(after, slow, replays=False, has_worker=False)
    async with env.another_worker([before], [slow]):
        handle = await env.start(after, id="it")
        await env.settle()
        async with env.another_worker([after], [slow]):
            await handle.send_event("go")
            await env.settle()
            going.set()
            assert await handle.result() == "done"


# --- what else blocks -------------------------------------------------------------------------------------------------


@workflow
async def foreign(ctx: Context):
    await asyncio.sleep(1)
    yield ctx.complete(1)


@workflow
async def wrong(ctx: Context):
    yield 42


@workflow
async def forgetful(ctx: Context) -> None:
    charge(1)  # the forgotten await is the point


@pytest.mark.parametrize(
    ("broken", "kind"),
    [(foreign, IllegalAwaitError), (wrong, IllegalYieldError), (forgetful, UnusedOperationError)],
)
async def test_broken_code_blocks_and_names_its_line(environment: Any, broken: Any, kind: type[BlockingError]) -> None:
    env = await environment(broken, charge, replays=False)
    handle = await env.start(broken)
    with pytest.raises(kind, match=r"test_blocked\.py:\d+"):
        await handle.result()
    assert (await handle.status()).failure.code == kind.code


@workflow
async def spinning(ctx: Context):
    yield charge(1)
    while True:
        pass


@workflow
async def swallowing(ctx: Context) -> None:
    for _ in range(2):
        try:
            while True:
                pass
        except BaseException:
            continue


@workflow
async def modest(ctx: Context):
    yield ctx.complete((yield charge(2)))


@pytest.mark.parametrize("bad", [spinning, swallowing])
async def test_a_workflow_that_spins_is_stopped_and_others_go_on(environment: Any, bad: Any) -> None:
    env = await environment(spinning, swallowing, modest, charge, spin_seconds=0.1, replays=False)
    handle = await env.start(bad)
    with pytest.raises(WorkflowSpinningError, match="without yielding"):
        await handle.result()
    assert (await handle.status()).failure.code == "NX206"
    assert await env.run(modest) == 2


async def test_a_history_that_was_altered_blocks_and_changes_nothing(environment: Any) -> None:
    env = await environment(modest, charge, store="memory://")
    from dataclasses import replace

    handle = await env.start(modest, delay="1h")
    await env.settle()
    await env.crash_worker()
    item = env.app.store._items[handle.id]
    [first] = item.runs[item.record.run_id]
    data = bytearray(first.data)
    data[len(data) // 2] ^= 1
    item.runs[item.record.run_id][0] = replace(first, data=bytes(data))
    await env.restart_worker()
    await env.advance("2h")
    assert (await handle.status()).status == "blocked"
    with pytest.raises(HistoryCorruptedError):
        await handle.result()
    with pytest.raises(HistoryCorruptedError):
        await handle.history()
    item.runs[item.record.run_id][0] = first  # restored from the backup
    await handle.resume()


async def test_app_run_raises_what_blocks_it(environment: Any) -> None:
    env = await environment(wrong, charge, replays=False, has_worker=False)
    with pytest.raises(IllegalYieldError):
        await env.app.run_async(wrong, id="it")
    with pytest.raises(IllegalYieldError):
        await env.app.run_async(wrong, id="it")


async def test_a_result_with_a_timeout_gives_up_on_a_blocked_instance(environment: Any) -> None:
    env = await environment(wrong, replays=False)
    handle = await env.start(wrong)
    await env.settle()
    waiting = asyncio.ensure_future(env.client.get(handle.id).result(timeout="5m"))
    await env.advance("6m")
    with pytest.raises(WaitTimedOut):
        await waiting
