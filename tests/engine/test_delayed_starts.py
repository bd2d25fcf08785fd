"""Starts that are put off: nothing happens before their time, and their time alone wakes them."""

from __future__ import annotations

from typing import Any

from nexus_sdk import Context, workflow


@workflow
async def listening(ctx: Context) -> list[str]:
    began = ctx.now()
    return [await ctx.wait_for_event("word", str), began.isoformat()]


async def test_an_instance_that_starts_later_is_left_alone_until_then(environment: Any) -> None:
    env = await environment(listening, clock="manual")
    handle = await env.start(listening, delay="1h")
    created = await env.app.store.load(handle.id)
    assert created.messages == ()
    await env.advance("59m")
    assert await env.app.store.load(handle.id) == created
    await env.advance("1m")
    assert (await handle.status()).status == "running"


async def test_an_instance_that_starts_later_is_started_by_a_worker_that_came_later(environment: Any) -> None:
    env = await environment(listening, clock="manual", has_worker=False)
    handle = await env.start(listening, delay="1h")
    await env.advance("2h")
    await env.restart_worker()
    await handle.send_event("word", "now")
    assert await handle.result() == ["now", env.now.isoformat()]


async def test_a_start_whose_time_has_passed_already_is_made_at_once(environment: Any) -> None:
    env = await environment(listening, clock="manual")
    handle = await env.start(listening, delay=env.now)
    await env.settle()
    assert (await handle.status()).status == "running"
