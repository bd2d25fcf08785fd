"""Small workflows of every shape, each with what its client does and what must come of it, however often it crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nexus_sdk import ActivityFailed, ChildWorkflowFailed, Context, activity, activity_info, workflow
from nexus_sdk.authoring.workflow import Workflow

EFFECTS: list[str] = []
"""The idempotency key of each time an activity's function ran."""


@activity
async def add_one(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    return x + 1


@activity
def double(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    return 2 * x


@activity
async def undo(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    return -x


@activity(compensate=undo)
async def book(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    return x


@activity(local=True)
async def near(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    return x + 10


@activity(task_queue="nobody's")
async def unserved() -> None: ...


@workflow
async def sequence(ctx: Context, x: int):
    for _ in range(3):
        x = yield add_one(x)
    yield ctx.sleep("1h")
    yield ctx.complete((yield double(x)))


@workflow
async def fan_out(ctx: Context, n: int) -> list[Any]:
    first = await ctx.gather(*(add_one(i) for i in range(n)))
    second = await ctx.map(double, first, concurrency=2)
    return [first, second]


@workflow
async def racing(ctx: Context):
    spawned = ctx.spawn(add_one(100))
    winner = yield ctx.race(never=unserved(), late=ctx.sleep("2d"), first=double(4))
    yield ctx.complete([winner.name, winner.value, (yield spawned)])


@workflow
async def undone(ctx: Context):
    async with ctx.saga():
        yield ctx.gather(book(1), book(2))
        yield book(3)
        raise RuntimeError("out of stock")


@workflow
async def saga_failing(ctx: Context) -> str:
    try:
        await undone()
    except ChildWorkflowFailed as error:
        return error.failure.message
    return "not reached"


@workflow
async def grandchild(ctx: Context, x: int) -> int:
    return await add_one(x)


@workflow
async def child(ctx: Context, x: int):
    value = yield grandchild(x)
    if value == 2:
        raise ValueError("two")
    yield ctx.complete(value)


@workflow
async def family(ctx: Context) -> list[Any]:
    results = await ctx.gather(child(0), child(1), return_exceptions=True)
    return [r if isinstance(r, int) else r.failure.type for r in results]


@workflow
async def continuing(ctx: Context, total: int, rounds: int):
    total = yield add_one(total)
    item = yield ctx.wait_for_event("item", int)
    if rounds > 1:
        yield ctx.continue_as_new(total + item, rounds - 1)
    yield ctx.complete(total + item)


@workflow
async def listening(ctx: Context) -> list[Any]:
    heard = [await ctx.wait_for_event("word", str) for _ in range(2)]
    spawned = ctx.spawn(receiver.options(id="receiver")())
    await ctx.send_event("receiver", "word", "/".join(heard))
    return [*heard, await spawned]


@workflow
async def receiver(ctx: Context) -> str:
    word: str = await ctx.wait_for_event("word", str)
    return word.upper()


@workflow
async def staying_near(ctx: Context, x: int) -> int:
    for _ in range(3):
        x = await near(x)
    return await add_one(x)


@activity
async def flaky(x: int) -> int:
    EFFECTS.append(activity_info().idempotency_key)
    if activity_info().attempt == 1:
        raise ConnectionError("try again")
    return x


@workflow
async def persistent(ctx: Context) -> list[Any]:
    try:
        await ctx.call("missing_argument", 1, 2, 3)
    except ActivityFailed as error:
        return [await flaky(5), error.type]
    return []


@activity
async def missing_argument() -> None: ...


@activity
async def repeat(text: str) -> str:
    EFFECTS.append(activity_info().idempotency_key)
    return text * 2


@workflow
async def lengthening(ctx: Context, text: str) -> str:
    return await repeat(text)


@workflow
async def voluminous(ctx: Context, text: str) -> int:
    """Values too large to travel inline, every way."""
    doubled = await repeat(text)
    heard: str = await ctx.wait_for_event("text", str)
    return len(await lengthening(doubled + heard))


@dataclass(frozen=True)
class Shape:
    """A workflow with its arguments, what its client does after the start, and its result."""

    workflow: Workflow[Any, Any]
    arguments: tuple[Any, ...]
    result: Any
    client: Callable[[Any], Awaitable[None]] | None = None


async def send_items(handle: Any) -> None:
    for number in range(3):
        await handle.send_event("item", 10**number, event_id=f"item-{number}")
        await handle.send_event("item", 10**number, event_id=f"item-{number}")


async def send_words(handle: Any) -> None:
    await handle.send_event("word", "to")
    await handle.send_event("word", "be")


async def send_text(handle: Any) -> None:
    await handle.send_event("text", "x" * LARGE, event_id="once")


LARGE = 2_000
"""More than the stores of these tests let travel inline."""

SHAPES = {
    "sequence": Shape(sequence, (1,), 8),
    "gather and map": Shape(fan_out, (3,), [[1, 2, 3], [2, 4, 6]]),
    "race": Shape(racing, (), ["first", 8, 101]),
    "saga that fails": Shape(saga_failing, (), "out of stock"),
    "children": Shape(family, (), [1, "ValueError"]),
    "continue_as_new": Shape(continuing, (0, 3), 114, send_items),
    "events": Shape(listening, (), ["to", "be", "TO/BE"], send_words),
    "local": Shape(staying_near, (1,), 32),
    "retries": Shape(persistent, (), [5, "PayloadError"]),
    "large values": Shape(voluminous, ("x" * LARGE,), 6 * LARGE, send_text),
}

WORKFLOWS = [sequence, fan_out, racing, undone, saga_failing, grandchild, child, family, continuing, listening]
WORKFLOWS += [receiver, staying_near, persistent, lengthening, voluminous]
ACTIVITIES = [add_one, double, undo, book, near, flaky, missing_argument, repeat]
