"""What the operations of `ctx` give."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Optional, TypeAlias, TypedDict, assert_type

from nexus_sdk import Completes, Context, Operation, Retry, Winner, activity, workflow

Either: TypeAlias = int | str


class Named(TypedDict):
    name: str


@activity
async def count(word: str) -> int:
    return len(word)


@activity
def spell(word: str, reverse: bool = False) -> list[str]:
    return list(word)


@workflow
async def child(ctx: Context, word: str) -> bytes:
    return word.encode()


async def helper(word: str) -> float:
    return float(await count(word))


@workflow
async def asking(ctx: Context, word: str) -> Completes[None]:
    assert_type(ctx.instance_id, str)
    assert_type(ctx.run, int)
    assert_type(ctx.workflow_name, str)
    assert_type(ctx.version, str)
    assert_type(ctx.parent_id, str | None)
    assert_type(ctx.now(), datetime)
    assert_type(ctx.uuid4(), uuid.UUID)
    assert_type(ctx.random, random.Random)
    assert_type(ctx.is_replaying, bool)
    assert_type(ctx.patched("a change"), bool)
    ctx.log.info("hello", word=word)
    ctx.set_status({"at": 1})
    ctx.on_query("words", lambda: [word])
    yield ctx.sleep(1)


@workflow
async def waiting(ctx: Context, word: str) -> None:
    assert_type(ctx.sleep("24h"), Operation[None])
    await ctx.sleep(timedelta(days=1))
    await ctx.sleep(0.5)
    await ctx.sleep_until(datetime(2030, 1, 1, tzinfo=UTC))
    assert_type(await ctx.wait_for_event("approved", bool), bool)
    assert_type(await ctx.wait_for_event("approved", bool, timeout="1h"), bool)
    assert_type(await ctx.wait_for_event("words", list[str]), list[str])
    assert_type(await ctx.wait_for_event("approved"), Any)
    # To mypy a union is no class: `Any`. pyright knows better.
    approved: bool | None = await ctx.wait_for_event("approved", bool | None)
    perhaps: bool | None = await ctx.wait_for_event("approved", Optional[bool])  # noqa: UP045
    colour: Literal["red", "blue"] = await ctx.wait_for_event("colour", Literal["red", "blue"])
    named: Named = await ctx.wait_for_event("named", Named)
    either: Either = await ctx.wait_for_event("either", Either)
    print(approved, perhaps, colour, named, either)
    await ctx.send_event("other", "approved", {"by": "Ada"})
    assert_type(await ctx.side_effect(lambda: 1), int)
    assert_type(await ctx.call("count", word), Any)
    assert_type(await ctx.call("count", word, timeout="1s", retry=Retry(max_attempts=1), task_queue="slow"), Any)
    async with ctx.timeout("1h"), ctx.saga():
        await count(word)


@workflow
async def gathering(ctx: Context, word: str) -> None:
    assert_type(await ctx.gather(count(word), spell(word)), tuple[int, list[str]])
    number, letters, encoded = await ctx.gather(count(word), spell(word), child(word))
    assert_type(number, int)
    assert_type(letters, list[str])
    assert_type(encoded, bytes)
    assert_type(
        await ctx.gather(count(word), helper(word), spell(word), child(word)), tuple[int, float, list[str], bytes]
    )
    assert_type(
        await ctx.gather(count(word), helper(word), spell(word), child(word), ctx.sleep(1)),
        tuple[int, float, list[str], bytes, None],
    )
    assert_type(
        await ctx.gather(count(word), spell(word), return_exceptions=True),
        tuple[int | BaseException, list[str] | BaseException],
    )
    assert_type(await ctx.gather(*(count(one) for one in word)), list[int])
    assert_type(await ctx.gather(*[count(one) for one in word]), list[int])
    assert_type(await ctx.gather(*(count(one) for one in word), return_exceptions=True), list[int | BaseException])
    assert_type(await ctx.gather(count("1"), count("2"), count("3"), count("4"), count("5"), count("6")), list[int])
    assert_type(await ctx.gather(count(word)), list[int])


@workflow
async def racing(ctx: Context, word: str) -> None:
    first = await ctx.race(count(word), helper(word))
    assert_type(first, Winner)
    assert_type(first.index, int)
    assert_type(first.name, str | None)
    named = await ctx.race(approved=ctx.wait_for_event("approved", bool), expired=ctx.sleep("24h"))
    assert_type(named.value, Any)


@workflow
async def mapping(ctx: Context, words: list[str]) -> None:
    assert_type(await ctx.map(count, words), list[int])
    assert_type(await ctx.map(spell, words, concurrency=10), list[list[str]])
    assert_type(await ctx.map(child, words), list[bytes])
    assert_type(await ctx.map(helper, words), list[float])
    assert_type(await ctx.map(lambda word: count(word), words), list[int])
    assert_type(await ctx.map(count.options(timeout="1s"), (one for one in words)), list[int])
    assert_type(await ctx.map(count, words, return_exceptions=True), list[int | BaseException])


@workflow
async def spawning(ctx: Context, word: str) -> Completes[int]:
    running = ctx.spawn(count(word))
    background = ctx.spawn(helper(word))
    family = ctx.spawn(child(word))
    assert_type(running.is_done, bool)
    yield ctx.sleep(1)
    background.cancel("enough")
    assert_type(await background, float)
    assert_type(await family, bytes)
    assert_type(await ctx.gather(running, family), tuple[int, bytes])
    yield ctx.complete(await running)
