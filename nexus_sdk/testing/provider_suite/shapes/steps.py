"""One thing after another."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Completes, workflow
from nexus_sdk.errors import WorkflowFailed
from nexus_sdk.testing.provider_suite.shapes.activities import add_one, double, near, repeat
from nexus_sdk.testing.provider_suite.shapes.shape import Shape

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle

LARGE = 2_000
"""More than the stores of the crash tests let travel inline."""


@workflow
async def at_once(ctx: Context) -> Completes[int]:
    yield ctx.complete(7)


@workflow
async def sequence(ctx: Context, x: int) -> Completes[int]:
    for _ in range(3):
        x = yield add_one(x)
    yield ctx.sleep("1h")
    yield ctx.complete((yield double(x)))


@workflow
async def staying_near(ctx: Context, x: int) -> int:
    for _ in range(3):
        x = await near(x)
    return await add_one(x)


@workflow
async def helped(ctx: Context, x: int) -> int:
    async def twice(y: int) -> int:
        return await add_one(await add_one(y))

    return await twice(await near(await twice(x)))


@workflow
async def by_name(ctx: Context, x: int) -> int:
    y: int = await ctx.call("add_one", x)
    return y * 2


@workflow
async def timers(ctx: Context) -> float:
    began = ctx.now()
    await ctx.sleep(0)
    await ctx.sleep_until(began + timedelta(hours=1))
    await ctx.sleep("30m")
    return (ctx.now() - began).total_seconds() // 60


@workflow
async def side_effects(ctx: Context) -> list[Any]:
    first = await ctx.side_effect(lambda: 5)
    second = await add_one(first)
    ids = {ctx.uuid4(), ctx.uuid4(), await ctx.side_effect(lambda: "id")}
    return [first, second, len(ids)]


@workflow
async def patched(ctx: Context, x: int) -> int:
    x = await add_one(x) if ctx.patched("more") else await double(x)
    await ctx.sleep("1h")
    return await (add_one(x) if ctx.patched("more") else double(x))


@workflow
async def telling(ctx: Context) -> Completes[None]:
    ctx.on_query("how far", lambda: ctx.run)
    for word in ("one", "two"):
        ctx.set_status({"word": word})
        yield near(1)
    ctx.set_status(None)


@workflow
async def lengthening(ctx: Context, text: str) -> str:
    return await repeat(text)


@workflow
async def voluminous(ctx: Context, text: str) -> int:
    """Values too large to travel inline, every way."""
    doubled = await repeat(text)
    heard: str = await ctx.wait_for_event("text", str)
    return len(await lengthening(doubled + heard))


@workflow
async def raising(ctx: Context) -> None:
    await near(1)
    raise ValueError("this is the end")


async def send_text(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await handle.send_event("text", "x" * LARGE, event_id="once")


async def ask(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.settle()
    assert await handle.query("how far") == 1


SHAPES = {
    "at once": Shape(at_once, (), 7),
    "sequence": Shape(sequence, (1,), 8),
    "local": Shape(staying_near, (1,), 32),
    "helpers": Shape(helped, (1,), 15),
    "by name": Shape(by_name, (1,), 4),
    "timers": Shape(timers, (), 90),
    "side effects": Shape(side_effects, (), [5, 6, 3]),
    "patched": Shape(patched, (1,), 3),
    "status and query": Shape(telling, (), None, ask),
    "large values": Shape(voluminous, ("x" * LARGE,), 6 * LARGE, send_text),
    "failing": Shape(raising, (), WorkflowFailed),
}
