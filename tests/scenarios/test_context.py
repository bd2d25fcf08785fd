"""What `ctx` gives: the same at every replay; logs said once; statuses, calls by name, new runs."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, DefinitionError, WorkflowFailed, activity, workflow
from nexus_sdk.core import events as e


@activity
async def greet(name: str, greeting: str = "Hello") -> str:
    return f"{greeting}, {name}"


@workflow
async def drawing(ctx: Context) -> list[Any]:
    drawn: list[Any] = []
    for _ in range(3):
        drawn.append([str(ctx.uuid4()), ctx.random.random(), ctx.now().isoformat()])
        await ctx.sleep("1h")
    return drawn


@workflow
async def talking(ctx: Context) -> None:
    for number in range(4):
        ctx.log.info("step", number=number)
        await greet("you")
    ctx.log.warning("done", replaying=ctx.is_replaying)


@workflow
async def running_on(ctx: Context, left: int, seen: list[int]):
    seen = [*seen, ctx.run]
    yield greet("you")
    if left:
        yield ctx.continue_as_new(left - 1, seen=seen)
    yield ctx.complete(seen)


class RestartedAtEachTurn:
    """Settles, and starts the worker anew: every turn begins with a replay."""

    @staticmethod
    async def result(env: Any, handle: Any) -> Any:
        for _ in range(50):
            await env.restart_worker()
            await env.advance("1h")
            if (await handle.status()).status == "completed":
                return await handle.result()
        raise AssertionError("it never ended")


async def test_time_and_chance_are_the_same_at_every_replay(environment: Any) -> None:
    env = await environment(drawing, clock="manual")
    handle = await env.start(drawing, id="it")
    disturbed = await RestartedAtEachTurn.result(env, handle)
    undisturbed = await environment(drawing, store="memory://")
    assert await undisturbed.run(drawing, id="it") == disturbed
    assert len({row[0] for row in disturbed}) == 3


async def test_each_thing_is_said_once_although_turns_are_replayed(environment: Any) -> None:
    from nexus_sdk.engine.worker import WorkerOptions

    env = await environment(talking, greet, worker=WorkerOptions(lease_seconds=1e9, warm_max=0))
    await env.run(talking, id="it")
    said = [(level, event, fields) for level, event, fields in env.said if event in ("step", "done")]
    assert [(level, event) for level, event, _ in said] == [("info", "step")] * 4 + [("warning", "done")]
    assert [fields["number"] for *_, fields in said[:4]] == [0, 1, 2, 3]
    assert said[0][2]["instance_id"] == "it"
    assert said[4][2]["replaying"] is False


async def test_a_custom_status_is_seen_while_it_runs(environment: Any) -> None:
    @workflow
    async def working(ctx: Context) -> None:
        for done in range(3):
            ctx.set_status({"done": done})
            await ctx.sleep("1h")

    env = await environment(working, clock="manual")
    handle = await env.start(working)
    for done in range(3):
        await env.settle()
        assert (await handle.status()).custom_status == {"done": done}
        await env.advance("1h")


async def test_an_activity_can_be_called_by_its_name(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> Any:
        return [
            await ctx.call("greet", "Ada"),
            await ctx.call("greet", "Ada", "Bye", timeout="5s", local=True),
        ]

    env = await environment(calling, greet)
    handle = await env.start(calling)
    assert await handle.result() == ["Hello, Ada", "Bye, Ada"]
    scheduled = [event for event in await env.history(handle) if isinstance(event, e.ActivityScheduled)]
    assert env.app.codec.decode(scheduled[1].arguments) == ["Ada", "Bye"]
    assert scheduled[1].options.start_to_close_us == 5_000_000


async def test_a_call_by_name_with_arguments_that_do_not_fit_fails_where_it_runs(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> Any:
        try:
            await ctx.call("greet", 1, 2, 3)
        except ActivityFailed as error:
            return [error.type, error.attempts]

    env = await environment(calling, greet)
    assert await env.run(calling) == ["PayloadError", 1]


async def test_a_side_effect_is_recorded_and_not_run_again(environment: Any) -> None:
    ran = []

    @workflow
    async def effective(ctx: Context):
        value = yield ctx.side_effect(lambda: ran.append(1) or len(ran))
        yield ctx.sleep("1h")
        yield ctx.complete(value)

    env = await environment(effective, clock="manual")
    handle = await env.start(effective)
    assert await RestartedAtEachTurn.result(env, handle) == 1
    assert ran == [1]


async def test_a_run_counts_up_with_a_fresh_history(environment: Any) -> None:
    env = await environment(running_on, greet)
    handle = await env.start(running_on, 5, [])
    assert await handle.result() == [1, 2, 3, 4, 5, 6]
    assert (await handle.status()).run == 6
    assert len(await env.history(handle)) < 8


async def test_a_new_run_cancels_what_the_old_one_had_under_way(environment: Any) -> None:
    @activity(task_queue="nobody's")
    async def never() -> None: ...

    @workflow
    async def moving(ctx: Context):
        if ctx.run == 1:
            ctx.spawn(never())
            ctx.spawn(ctx.sleep("1h"))
            yield ctx.sleep("1m")
            yield ctx.continue_as_new()
        yield ctx.sleep("1d")
        yield ctx.complete(ctx.run)

    env = await environment(moving)
    assert await env.run(moving) == 2


async def test_a_new_run_inside_a_saga_is_an_error(environment: Any) -> None:
    @workflow
    async def moving(ctx: Context):
        async with ctx.saga():
            yield ctx.continue_as_new()

    env = await environment(moving)
    with pytest.raises(WorkflowFailed, match="saga") as caught:
        await env.run(moving)
    assert caught.value.type == DefinitionError.__name__


async def test_a_new_run_keeps_attributes_timeout_and_custom_status(environment: Any) -> None:
    @workflow(timeout="1h")
    async def moving(ctx: Context):
        if ctx.run == 1:
            ctx.set_status("from the first run")
            yield ctx.sleep("50m")
            yield ctx.continue_as_new()
        yield ctx.sleep("50m")  # the timeout is that of a run
        yield ctx.complete(ctx.run)

    env = await environment(moving)
    handle = await env.start(moving, attributes={"kind": "mover"})
    assert await handle.result() == 2
    status = await handle.status()
    assert (status.custom_status, dict(status.attributes)) == ("from the first run", {"kind": "mover"})


async def test_patched_is_decided_once_for_a_run(environment: Any) -> None:
    def code(is_new: bool) -> Any:
        @workflow(name="patching")
        async def patching(ctx: Context):
            yield greet("first")
            took = ctx.patched("greet twice") if is_new else False
            if took:
                yield greet("second")
            yield ctx.wait_for_event("go")
            yield ctx.complete([took, ctx.patched("greet twice") if is_new else False])

        return patching

    env = await environment(code(True), greet, has_worker=False)
    async with env.another_worker([code(False)], [greet]):
        old = await env.start("patching")
        await env.settle()
    async with env.another_worker():
        new = await env.start("patching")
        await env.settle()
    async with env.another_worker():
        await old.send_event("go")
        await new.send_event("go")
        assert await old.result() == [False, False]
        assert await new.result() == [True, True]
