"""Queries and results: asking an instance, and waiting for its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_sdk import Context, DefinitionError, InstanceNotFound, UnknownQuery, WaitTimedOut, activity, workflow
from nexus_sdk.errors import ReadOnlyError

RAN: list[str] = []


class Report(BaseModel):
    total: int


@activity
async def step(name: str) -> str:
    RAN.append(name)
    return name


@workflow
async def asked(ctx: Context):
    done: list[str] = []
    ctx.on_query("done", lambda: list(done))
    ctx.on_query("plus", lambda x, y=1: len(done) + x + y)
    ctx.on_query("cheat", lambda: ctx.sleep(1))
    ctx.on_query("mark", lambda: ctx.set_status("cheated"))
    ctx.on_query("broken", lambda: 1 / 0)
    done.append((yield step("one")))
    yield ctx.wait_for_event("go")
    done.append((yield step("two")))
    ctx.on_query("late", lambda: "only at the end")
    ctx.set_status(f"{len(done)} done")
    yield ctx.complete(done)


@workflow
async def reporting(ctx: Context) -> Report:
    return Report(total=3)


@pytest.fixture
async def env(environment: Any) -> Any:
    RAN.clear()
    return await environment(asked, reporting, step)


async def test_a_running_instance_answers(env: Any) -> None:
    handle = await env.start(asked)
    await env.settle()
    assert await handle.query("done") == ["one"]
    assert await handle.query("plus", 1) == 3
    assert await handle.query("plus", 1, 5) == 7


async def test_a_finished_instance_answers(env: Any) -> None:
    handle = await env.start(asked)
    await handle.send_event("go")
    await handle.result()
    assert await handle.query("done") == ["one", "two"]
    assert await handle.query("late") == "only at the end"


async def test_before_the_first_turn_it_is_run_unrecorded(environment: Any) -> None:
    RAN.clear()
    env = await environment(asked, step, has_worker=False)
    handle = await env.start(asked)
    delayed = await env.start(asked, delay="1h")
    assert await handle.query("done") == []
    assert await delayed.query("done") == []
    assert len(await handle.history()) == 1
    assert RAN == []


async def test_an_unknown_query_names_what_there_is(env: Any) -> None:
    handle = await env.start(asked)
    await env.settle()
    with pytest.raises(UnknownQuery, match="broken, cheat, done, mark, plus"):
        await handle.query("late")


async def test_a_query_is_read_only(env: Any) -> None:
    handle = await env.start(asked)
    await env.settle()
    before = len(await handle.history())
    for name in ("cheat", "mark"):
        with pytest.raises(ReadOnlyError):
            await handle.query(name)
    assert len(await handle.history()) == before
    assert (await handle.status()).custom_status is None


async def test_a_handlers_own_error_reaches_who_asked(env: Any) -> None:
    handle = await env.start(asked)
    await env.settle()
    with pytest.raises(ZeroDivisionError):
        await handle.query("broken")
    await handle.send_event("go")
    assert await handle.result() == ["one", "two"]


async def test_a_query_needs_the_workflows_code_and_an_instance(env: Any) -> None:
    handle = await env.start(asked)
    other = env.another_app([reporting]).client()
    with pytest.raises(DefinitionError, match="asked"):
        await other.get(handle.id).query("done")
    with pytest.raises(InstanceNotFound):
        await env.client.get("nobody").query("done")


async def test_a_query_runs_no_activity_and_logs_nothing(env: Any) -> None:
    @workflow
    async def chatty(ctx: Context) -> None:
        ctx.log.info("hello")
        ctx.on_query("x", lambda: 1)
        await step("once")
        await ctx.wait_for_event("go")

    app = env.another_app([chatty], [step])
    handle = await app.client().start(chatty)
    async with env.another_worker([chatty], [step]):
        await env.settle()
    for _ in range(3):
        assert await handle.query("x") == 1
    assert RAN == ["once"]
    assert [event for _, event, _ in env.said].count("hello") == 1


async def test_the_custom_status_is_what_was_set_last(env: Any) -> None:
    handle = await env.start(asked)
    await handle.send_event("go")
    await handle.result()
    assert (await handle.status()).custom_status == "2 done"


async def test_a_result_has_the_annotated_type(env: Any) -> None:
    assert await env.run(reporting) == Report(total=3)
    handle = await env.start(reporting, id="it")
    await env.settle()
    assert await env.get("it").result() == {"total": 3}  # a plain handle does not know the type
    assert await handle.result() == Report(total=3)


async def test_waiting_for_a_result_has_a_timeout(env: Any) -> None:
    handle = await env.client.start(asked)
    waiting = asyncio.ensure_future(handle.result(timeout="10s"))
    await env.advance("9s")
    assert not waiting.done()
    await env.advance("2s")
    with pytest.raises(WaitTimedOut, match="10s"):
        await waiting
    await handle.send_event("go")
    await env.settle()
    assert await handle.result(timeout="1s") == ["one", "two"]


async def test_a_client_that_waits_is_told_without_polling(env: Any) -> None:
    handle = await env.client.start(asked)
    waiting = asyncio.ensure_future(handle.result())
    await env.settle()
    await handle.send_event("go")
    await env.settle()
    assert waiting.done()
    assert waiting.result() == ["one", "two"]
