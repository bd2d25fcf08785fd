"""Child workflows: ids, outcomes told once, and what becomes of them when their parent ends."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import (
    ActivityFailed,
    CancelledError,
    ChildWorkflowFailed,
    Context,
    Retry,
    WorkflowCancelled,
    activity,
    workflow,
)
from nexus_sdk.core import events as e


@activity
async def add_one(x: int) -> int:
    return x + 1


@workflow
async def adding(ctx: Context, x: int) -> int:
    return await add_one(x)


@workflow
async def who(ctx: Context) -> list[Any]:
    return [ctx.instance_id, ctx.parent_id, ctx.workflow_name, ctx.version, ctx.run]


@workflow
async def failing(ctx: Context) -> None:
    raise LookupError("nothing here")


@workflow
async def sleeping(ctx: Context) -> str:
    await ctx.sleep("10h")
    return "slept"


@workflow
async def middle(ctx: Context) -> str:
    """A child with a child of its own."""
    return await sleeping.options(id=f"{ctx.instance_id}/below")()


@workflow
async def parent(ctx: Context, how: str, detached: bool):
    ctx.spawn(middle.options(id=f"{ctx.instance_id}/child", detached=detached)())
    yield ctx.sleep("1m")
    match how:
        case "completed":
            yield ctx.complete("done")
        case "failed":
            raise RuntimeError("failed on purpose")
        case "continued" if ctx.run == 1:
            yield ctx.continue_as_new("continued again", detached)
        case "cancelled" | "terminated":
            yield ctx.wait_for_event("never")


async def status(env: Any, id: str) -> str:
    return str((await env.get(id).status()).status)


async def test_a_childs_result_is_the_operations_result(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context):
        yield ctx.complete([(yield adding(1)), (yield ctx.gather(adding(2), adding(3)))])

    env = await environment(calling, adding, add_one)
    assert await env.run(calling) == [2, [3, 4]]


async def test_a_child_knows_its_parent_and_its_default_id_is_made_of_its_parents(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context):
        yield ctx.complete([(yield who()), (yield who.options(id="chosen")())])

    env = await environment(calling, who)
    assert await env.run(calling, id="above") == [
        ["above/0", "above", "who", "1", 1],
        ["chosen", "above", "who", "1", 1],
    ]
    assert (await env.get("chosen").status()).parent_id == "above"


async def test_a_childs_failure_is_an_ordinary_exception(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> list[Any]:
        try:
            await failing.options(id="child")()
        except ChildWorkflowFailed as error:
            return [error.instance_id, error.type, error.message, error.is_type(LookupError), error.is_type(OSError)]
        return []

    env = await environment(calling, failing)
    assert await env.run(calling) == ["child", "LookupError", "nothing here", True, False]


@activity(retry=Retry(max_attempts=1))
async def look_up() -> None:
    try:
        raise OSError("the disk")
    except OSError as error:
        raise KeyError("k") from error


@workflow
async def looking_up(ctx: Context) -> None:
    await look_up()


@workflow
async def delegating(ctx: Context) -> None:
    await looking_up()


@pytest.mark.parametrize("child", [looking_up, delegating])
async def test_a_failure_is_known_by_its_type_through_whatever_it_has_passed(environment: Any, child: Any) -> None:
    """But not what was only its reason: a `KeyError` that an `OSError` led to is no `OSError`."""
    kinds = (ActivityFailed, LookupError, "KeyError", OSError, ValueError)

    @workflow
    async def calling(ctx: Context) -> Any:
        try:
            await child()
        except ChildWorkflowFailed as error:
            return [error.is_type(kind) for kind in kinds]

    env = await environment(calling, looking_up, delegating, look_up)
    assert await env.run(calling) == [True, True, True, False, False]


async def test_a_cancelled_or_terminated_child_fails_its_operation(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> list[Any]:
        results = await ctx.gather(sleeping.options(id="one")(), sleeping.options(id="two")(), return_exceptions=True)
        return [[r.type, r.message] for r in results]

    env = await environment(calling, sleeping)
    handle = await env.start(calling)
    await env.settle()
    await env.get("one").cancel("not you")
    await env.get("two").terminate("nor you")
    assert await handle.result() == [["WorkflowCancelled", "not you"], ["WorkflowTerminated", "nor you"]]


async def test_a_child_with_its_parents_id_fails_and_hurts_nobody(environment: Any) -> None:
    @workflow
    async def narcissus(ctx: Context) -> list[Any]:
        try:
            await adding.options(id=ctx.instance_id)(1)
        except ChildWorkflowFailed as error:
            return [error.type, error.is_type("InstanceExists"), await adding(1)]
        return []

    env = await environment(narcissus, adding, add_one)
    assert await env.run(narcissus, id="me") == ["InstanceExists", True, 2]


async def test_a_child_whose_id_is_taken_fails_with_instance_exists(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> str:
        try:
            await adding.options(id="taken")(1)
        except ChildWorkflowFailed as error:
            return error.type
        return ""

    env = await environment(calling, adding, sleeping, add_one)
    await env.start(sleeping, id="taken")
    assert await env.run(calling) == "InstanceExists"
    assert await env.get("taken").result() == "slept"


@pytest.mark.parametrize("how", ["completed", "failed", "continued", "cancelled", "terminated"])
async def test_however_a_parent_ends_its_attached_descendants_are_cancelled(environment: Any, how: str) -> None:
    env = await environment(parent, middle, sleeping)
    handle = await env.start(parent, how, False, id="it")
    await env.advance("2m")
    if how in ("cancelled", "terminated"):
        await (handle.cancel() if how == "cancelled" else handle.terminate())
    await env.run_until_idle()
    assert await status(env, "it") == ("completed" if how == "continued" else how)
    assert await status(env, "it/child") == "cancelled"
    assert await status(env, "it/child/below") == "cancelled"


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled", "terminated"])
async def test_however_a_parent_ends_its_detached_children_go_on(environment: Any, how: str) -> None:
    env = await environment(parent, middle, sleeping)
    handle = await env.start(parent, how, True, id="it")
    await env.advance("2m")
    if how in ("cancelled", "terminated"):
        await (handle.cancel() if how == "cancelled" else handle.terminate())
    await env.settle()
    assert await status(env, "it") == how
    assert await env.get("it/child").result() == "slept"


async def test_a_detached_child_whose_id_a_later_run_wants_again_is_refused(environment: Any) -> None:
    env = await environment(parent, middle, sleeping)
    handle = await env.start(parent, "continued", True, id="it")
    assert await handle.result() is None
    assert await env.get("it/child").result() == "slept"


async def test_a_childs_outcome_reaches_its_parent_once(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context):
        results = yield ctx.gather(*(adding(i) for i in range(5)))
        yield ctx.sleep("1h")
        yield ctx.complete(results)

    env = await environment(calling, adding, add_one)
    handle = await env.start(calling)
    assert await handle.result() == [1, 2, 3, 4, 5]
    assert sum(isinstance(event, e.ChildCompleted) for event in await env.history(handle)) == 5


async def test_an_attached_child_is_cancelled_with_its_waiting_parent(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context) -> str:
        return await sleeping.options(id="below")()

    env = await environment(calling, sleeping)
    handle = await env.start(calling)
    await env.settle()
    await handle.cancel("both")
    with pytest.raises(WorkflowCancelled, match="both"):
        await handle.result()
    await env.settle()
    assert await status(env, "below") == "cancelled"


async def test_a_child_may_refuse_to_stop_and_its_outcome_is_late(environment: Any) -> None:
    @workflow
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.sleep("10h")
        except CancelledError:
            await ctx.sleep("1h")
        return "done anyway"

    @workflow
    async def calling(ctx: Context) -> str:
        won = await ctx.race(child=stubborn.options(id="below")(), time=ctx.sleep("1m"))
        await ctx.sleep("5h")
        return str(won.name)

    env = await environment(calling, stubborn)
    handle = await env.start(calling)
    assert await handle.result() == "time"
    assert await env.get("below").result() == "done anyway"
    assert not any(isinstance(event, e.ChildCompleted) for event in await env.history(handle))


async def test_a_cancel_of_an_earlier_parent_does_not_stop_a_stranger_of_the_same_id(environment: Any) -> None:
    @workflow
    async def calling(ctx: Context):
        spawned = ctx.spawn(sleeping.options(id="shared")())
        yield ctx.sleep("1m")
        spawned.cancel()
        yield ctx.sleep("1m")

    env = await environment(calling, sleeping)
    stranger = await env.start(sleeping, id="shared")
    handle = await env.start(calling)
    await handle.result()
    assert await stranger.result() == "slept"


async def test_a_childs_workflow_timeout_counts_for_it(environment: Any) -> None:
    @workflow(timeout="1h")
    async def limited(ctx: Context) -> None:
        await ctx.sleep("2h")

    @workflow
    async def calling(ctx: Context) -> str:
        try:
            await limited()
        except ChildWorkflowFailed as error:
            return error.type
        return ""

    env = await environment(calling, limited)
    assert await env.run(calling) == "WaitTimedOut"


async def test_descendants_of_three_generations_bring_their_result_up(environment: Any) -> None:
    @workflow
    async def nested(ctx: Context, depth: int) -> int:
        return 1 + await nested(depth - 1) if depth else 0

    env = await environment(nested)
    assert await env.run(nested, 12) == 12
