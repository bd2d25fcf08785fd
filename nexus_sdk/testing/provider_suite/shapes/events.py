"""External events: before the wait, twice, too late, of the wrong type, and between instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import workflow
from nexus_sdk.errors import InstanceFinished, InstanceNotFound, PayloadError, WaitTimedOut
from nexus_sdk.testing.provider_suite.shapes.activities import add_one
from nexus_sdk.testing.provider_suite.shapes.shape import Shape

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle


@workflow
async def listening(ctx: Context) -> list[Any]:
    heard = [await ctx.wait_for_event("word", str) for _ in range(2)]
    spawned = ctx.spawn(receiver.options(id="receiver")())
    await ctx.send_event("receiver", "word", "/".join(heard))
    return [*heard, await spawned]


@workflow
async def receiver(ctx: Context) -> str:
    word = await ctx.wait_for_event("word", str)
    return word.upper()


@workflow
async def hearing_late(ctx: Context) -> list[str]:
    """Its words come long before it listens."""
    await ctx.sleep("1h")
    return [await ctx.wait_for_event("word", str), await ctx.wait_for_event("word", str)]


@workflow
async def waiting_in_vain(ctx: Context) -> list[str]:
    try:
        await ctx.wait_for_event("word", str, timeout="1h")
    except WaitTimedOut:
        return ["silence", await ctx.wait_for_event("word", str)]
    return []


@workflow
async def leaving_an_event(ctx: Context) -> list[Any]:
    """A wait that loses a race consumes nothing."""
    winner = await ctx.race(word=ctx.wait_for_event("word", str), time=add_one(1))
    return [winner.name, await ctx.wait_for_event("word", str)]


@workflow
async def misfit(ctx: Context) -> int:
    try:
        await ctx.wait_for_event("number", int)
    except PayloadError:
        return await ctx.wait_for_event("number", int)
    return 0


@workflow
async def writing_to_nobody(ctx: Context) -> list[str]:
    answers: list[str] = []
    await receiver_of_none.options(id="finished")()
    for target in ("nobody", "finished"):
        try:
            await ctx.send_event(target, "word", "hello")
        except (InstanceNotFound, InstanceFinished) as error:
            answers.append(type(error).__name__)
    return answers


@workflow
async def receiver_of_none(ctx: Context) -> None:
    await add_one(1)


@workflow
async def ping(ctx: Context, rounds: int) -> int:
    other = ctx.spawn(pong.options(id="pong")(rounds))
    number = 0
    for _ in range(rounds):
        await ctx.send_event("pong", "ball", number)
        number = await ctx.wait_for_event("ball", int)
    await other
    return number


@workflow
async def pong(ctx: Context, rounds: int) -> None:
    assert ctx.parent_id is not None
    for _ in range(rounds):
        number = await ctx.wait_for_event("ball", int)
        await ctx.send_event(ctx.parent_id, "ball", number + 1)


async def send_words(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await handle.send_event("word", "to")
    await handle.send_event("word", "be")


async def send_twice(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    for word in ("to", "be", "to", "be"):
        await handle.send_event("word", word, event_id=f"the word {word}")


async def send_late(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await env.advance("3h")
    await handle.send_event("word", "at last")


async def send_badly_and_well(env: WorkflowEnvironment, handle: EnvironmentHandle[Any]) -> None:
    await handle.send_event("number", "seven")
    await handle.send_event("number", 7)


SHAPES = {
    "events": Shape(listening, (), ["to", "be", "TO/BE"], send_words),
    "events before the wait, twice": Shape(hearing_late, (), ["to", "be"], send_twice),
    "an event after its time": Shape(waiting_in_vain, (), ["silence", "at last"], send_late),
    "an event that lost a race": Shape(leaving_an_event, (), ["time", "at last"], send_late),
    "an event of another type": Shape(misfit, (), 7, send_badly_and_well),
    "events to nobody": Shape(writing_to_nobody, (), ["InstanceNotFound", "InstanceFinished"]),
    "events to and fro": Shape(ping, (2,), 2),
}
