"""Workers of different code on one store: who lacks something leaves it to the others, and never blocks it."""

from __future__ import annotations

from typing import Any

from nexus_sdk import Context, activity, workflow


@activity
async def charge() -> str:
    return "charged"


@activity(task_queue="gpu")
async def paint() -> str:
    return "painted"


@workflow(name="order", version="1")
async def first_order(ctx: Context):
    yield ctx.sleep("1h")
    yield ctx.complete(["v1", (yield charge())])


@workflow(name="order", version="2")
async def second_order(ctx: Context):
    yield ctx.sleep("1h")
    yield ctx.complete(["v2", (yield charge()), (yield paint())])


@workflow
async def other(ctx: Context):
    yield ctx.complete("other")


async def test_a_worker_without_the_workflow_leaves_it_alone(environment: Any) -> None:
    env = await environment(other, first_order, charge, has_worker=False)
    handle = await env.start(first_order)
    async with env.another_worker([other]):
        await env.advance("1m")
        assert (await handle.status()).status == "pending"
        async with env.another_worker([first_order], [charge]):
            assert await handle.result() == ["v1", "charged"]


async def test_each_version_is_served_by_its_own_worker(environment: Any) -> None:
    env = await environment(first_order, second_order, charge, paint, has_worker=False)
    old = await env.start(first_order)
    new = await env.start(second_order)
    async with (
        env.another_worker([first_order], [charge]),
        env.another_worker([second_order], [charge, paint]),
    ):
        assert await old.result() == ["v1", "charged"]
        assert await new.result() == ["v2", "charged", "painted"]


async def test_a_worker_without_the_activity_leaves_it_alone(environment: Any) -> None:
    env = await environment(first_order, charge, has_worker=False)
    handle = await env.start(first_order)
    async with env.another_worker([first_order]):
        await env.advance("2h")
        assert (await handle.status()).status == "running"
        async with env.another_worker([other], [charge]):
            assert await handle.result() == ["v1", "charged"]
    completed = [event for event in await env.history(handle) if type(event).__name__ == "ActivityCompleted"]
    assert [event.attempts for event in completed] == [1]


async def test_activities_of_other_queues_run_where_their_queue_is_served(environment: Any) -> None:
    env = await environment(second_order, charge, paint, has_worker=False)
    handle = await env.start(second_order)
    async with env.another_worker([second_order], [charge, paint], task_queues=["default"]):
        await env.advance("2h")
        assert (await handle.status()).status == "running"
        async with env.another_worker([other], [paint]):
            assert await handle.result() == ["v2", "charged", "painted"]


async def test_a_string_names_the_latest_version(environment: Any) -> None:
    env = await environment(first_order, second_order, charge, paint)
    assert await env.run("order") == ["v2", "charged", "painted"]


async def test_a_worker_that_serves_only_activities_serves_activities(environment: Any) -> None:
    env = await environment(first_order, charge, has_worker=False)
    handle = await env.start(first_order)
    async with env.another_worker([], [charge]), env.another_worker([first_order], task_queues=["none"]):
        assert await handle.result() == ["v1", "charged"]


async def test_a_timer_behind_what_nobody_serves_fires_on_time(environment: Any) -> None:
    env = await environment(first_order, second_order, charge, paint, has_worker=False)
    unserved = await env.start(second_order)
    handle = await env.start(first_order)
    before = env.now
    async with env.another_worker([first_order], [charge]):
        assert await handle.result() == ["v1", "charged"]
        assert 3600 <= (env.now - before).total_seconds() < 3601
        assert (await unserved.status()).status == "pending"
