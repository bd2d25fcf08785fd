"""Child workflows: their outcomes, and what becomes of them when their parent ends or goes on."""

from __future__ import annotations

from typing import Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import ChildWorkflowFailed
from nexus_sdk.testing.provider_suite.shapes.activities import add_one, near, unserved
from nexus_sdk.testing.provider_suite.shapes.shape import Shape


@workflow
async def grandchild(ctx: Context, x: int) -> int:
    return await add_one(x)


@workflow
async def child(ctx: Context, x: int) -> Completes[int]:
    value = yield grandchild(x)
    if value == 2:
        raise ValueError("two")
    yield ctx.complete(value)


@workflow
async def family(ctx: Context) -> list[Any]:
    results = await ctx.gather(child(0), child(1), return_exceptions=True)
    return [r.failure.type if isinstance(r, ChildWorkflowFailed) else r for r in results]


@workflow
async def sleeper(ctx: Context, hours: int) -> int:
    try:
        await ctx.sleep(3_600 * hours)
    finally:
        await near(hours)
    return hours


@workflow
async def racing_a_child(ctx: Context) -> str | None:
    winner = await ctx.race(child=sleeper(9), timer=ctx.sleep("1h"))
    await ctx.sleep("1h")
    return winner.name


@workflow
async def leaving_behind(ctx: Context) -> Completes[str]:
    """One child outlives it, one is cancelled with it."""
    ctx.spawn(sleeper.options(id="detached", detached=True)(2))
    ctx.spawn(sleeper.options(id="attached")(2))
    yield ctx.sleep("1h")
    yield ctx.complete("gone")


@workflow
async def same_id_twice(ctx: Context) -> list[Any]:
    first = ctx.spawn(sleeper.options(id="one")(1))
    await ctx.sleep("1m")
    try:
        await grandchild.options(id="one")(1)
    except ChildWorkflowFailed as error:
        return [error.type, await first]
    return []


@workflow(timeout="1h")
async def limited(ctx: Context) -> None:
    await unserved()


@workflow
async def impatient_parent(ctx: Context) -> str:
    try:
        await limited()
    except ChildWorkflowFailed as error:
        return error.type
    return "not reached"


@workflow
async def growing(ctx: Context, x: int) -> Completes[int]:
    x = yield near(x)
    if x < 20:
        yield ctx.continue_as_new(x)
    yield ctx.complete(x)


@workflow
async def growing_children(ctx: Context) -> list[int]:
    return await ctx.map(growing, [1, 2], concurrency=1)


SHAPES = {
    "children": Shape(family, (), [1, "ValueError"]),
    "race with a child": Shape(racing_a_child, (), "timer"),
    "detached and attached": Shape(leaving_behind, (), "gone"),
    "a child's id is taken": Shape(same_id_twice, (), ["InstanceExists", 1]),
    "a child's time is up": Shape(impatient_parent, (), "WaitTimedOut"),
    "children that continue": Shape(growing_children, (), [21, 22]),
}
