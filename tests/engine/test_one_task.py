"""A sequence of steps is one task of the event loop; its activities must not notice."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from nexus_sdk import Context, activity, workflow
from nexus_sdk.testing import WorkflowEnvironment

MARK: ContextVar[str] = ContextVar("mark", default="none")


@activity
async def leave_a_mark(mark: str) -> str:
    found = MARK.get()
    MARK.set(mark)
    await asyncio.sleep(0)
    assert MARK.get() == mark
    return found


@activity
def leave_a_mark_in_a_thread(mark: str) -> str:
    found = MARK.get()
    MARK.set(mark)
    return found


@workflow
async def marking(ctx: Context):
    found = [(yield leave_a_mark("1")), (yield leave_a_mark("2"))]
    found += [(yield leave_a_mark_in_a_thread("3")), (yield leave_a_mark("4"))]
    yield ctx.complete(found)


async def test_what_an_activity_sets_in_its_context_is_not_seen_by_the_next() -> None:
    async with WorkflowEnvironment([marking], [leave_a_mark, leave_a_mark_in_a_thread]) as env:
        handle = await env.start(marking)
        assert await handle.result() == ["none"] * 4


@activity
async def cancels_itself() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "done"


@activity
async def echo(value: Any) -> Any:
    return value


@workflow
async def careless(ctx: Context):
    yield ctx.complete([(yield echo(1)), (yield cancels_itself()), (yield echo(2))])


async def test_an_activity_that_cancels_its_task_and_returns_cancels_no_turn() -> None:
    async with WorkflowEnvironment([careless], [cancels_itself, echo]) as env:
        handle = await env.start(careless)
        assert await handle.result() == [1, "done", 2]
        assert len(env.calls(cancels_itself)) == 1


@activity
async def wait_for_the_gate() -> str:
    await GATES[0].wait()
    return "open"


@activity
async def open_the_gate() -> None:
    GATES[0].set()


GATES: list[asyncio.Event] = []


@workflow
async def at_the_gate(ctx: Context):
    yield echo(1)
    waiting = ctx.spawn(wait_for_the_gate())
    yield ctx.wait_for_event("knock")
    yield open_the_gate()
    yield ctx.complete((yield waiting))


async def test_an_instance_moves_on_while_an_activity_that_its_last_turn_asked_for_runs() -> None:
    GATES[:] = [asyncio.Event()]
    async with WorkflowEnvironment([at_the_gate], [echo, wait_for_the_gate, open_the_gate]) as env:
        handle = await env.start(at_the_gate)
        await handle.send_event("knock")
        assert await handle.result() == "open"
