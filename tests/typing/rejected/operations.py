"""Operations asked for in ways that make no sense."""

from __future__ import annotations

import asyncio

from nexus_sdk import Context, activity, workflow


@activity
async def count(word: str) -> int:
    return len(word)


@activity
async def spell(word: str, reverse: bool) -> list[str]:
    return list(word)


async def helper(number: int) -> float:
    return 1.0


@workflow
async def asking(ctx: Context, word: str) -> None:
    await ctx.sleep([1])  # E: arg-type | reportArgumentType
    await ctx.sleep(None)  # E: arg-type | reportArgumentType
    await ctx.sleep()  # E: call-arg | reportCallIssue
    await ctx.sleep_until("tomorrow")  # E: arg-type | reportArgumentType
    await ctx.wait_for_event(1)  # E: call-overload | reportArgumentType
    await ctx.wait_for_event("approved", bool, timeout=[1])  # E: call-overload | reportArgumentType
    text: str = await ctx.wait_for_event("approved", bool)  # E: arg-type | reportAssignmentType
    await ctx.side_effect(1)  # E: arg-type | reportArgumentType
    number: int = await ctx.side_effect(lambda: "a text")  # E: arg-type | reportAssignmentType
    await ctx.call(count, word)  # E: arg-type | reportArgumentType
    await ctx.call("count", word, speed=1)  # E: call-arg | reportCallIssue
    await ctx.call("count", word, timeout=[1])  # E: arg-type | reportArgumentType
    await ctx.send_event("other")  # E: call-arg | reportCallIssue
    ctx.on_query("words", word)  # E: arg-type | reportArgumentType
    ctx.timeout([1])  # E: arg-type | reportArgumentType
    ctx.nothing  # E: attr-defined | reportAttributeAccessIssue
    with ctx.saga():  # E: attr-defined | reportGeneralTypeIssues
        pass
    print(text, number)


@workflow
async def groups(ctx: Context, word: str) -> None:
    await ctx.gather(count(word), 1)  # E: call-overload | reportArgumentType
    await ctx.gather(count(word), asyncio.sleep)  # E: call-overload | reportArgumentType
    await ctx.gather(count(word), spell(word, True), return_exceptions=1)  # E: call-overload | reportArgumentType
    first, second = await ctx.gather(count(word), count(word), count(word))  # E: misc | reportAssignmentType
    letters: str = (await ctx.gather(count(word), spell(word, True)))[1]  # E: assignment | reportAssignmentType
    await ctx.race(count(word), word)  # E: arg-type | reportArgumentType
    await ctx.race(approved=ctx)  # E: arg-type | reportArgumentType
    await ctx.map(count, [1])  # E: arg-type | reportArgumentType
    await ctx.map(spell, [word])  # E: arg-type | reportArgumentType
    await ctx.map(helper, [word])  # E: arg-type | reportArgumentType
    await ctx.map(len, [word])  # E: arg-type | reportArgumentType
    await ctx.map(count, word, concurrency="2")  # E: call-overload | reportArgumentType
    numbers: list[str] = await ctx.map(count, [word])  # E: arg-type | reportAssignmentType
    ctx.spawn(count)  # E: arg-type | reportArgumentType
    ctx.spawn(1)  # E: arg-type | reportArgumentType
    ctx.spawn(asyncio.Future[int]())  # E: arg-type | reportArgumentType
    spawned: str = await ctx.spawn(helper(1))  # E: arg-type | reportAssignmentType
    ctx.spawn(count(word)).stop()  # E: attr-defined | reportAttributeAccessIssue
    print(first, second, letters, numbers, spawned)
