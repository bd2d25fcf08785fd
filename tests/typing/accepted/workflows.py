"""The two shapes of workflows, and the type of their results."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, assert_type

from nexus_sdk import Completes, Completion, Context, Nexus, Operation, activity, workflow


@activity
async def count(word: str) -> int:
    return len(word)


@workflow
async def generator(ctx: Context, word: str, times: int = 1) -> Completes[dict[str, int]]:
    number = yield count(word)  # the one send type of a generator: Any
    assert_type(number, Any)
    assert_type(await count(word), int)  # `await` does the same, and keeps the type
    if times == 0:
        yield ctx.complete({})
    yield ctx.complete({word: await count(word)})


@workflow(version="2", timeout="1h")
async def generator_with_options(ctx: Context) -> Completes[str]:
    yield ctx.sleep(1)
    await ctx.complete("done")


@workflow("renamed")
async def without_result(ctx: Context, word: str) -> Completes[None]:
    yield count(word)


@workflow
async def ends_with_nothing(ctx: Context) -> Completes[None]:
    yield ctx.complete()


@workflow
async def spelled_out(ctx: Context, word: str) -> AsyncGenerator[Operation[Any] | Completion[int], Any]:
    yield count(word)
    yield ctx.complete(1)


@workflow
async def of_anything(ctx: Context, word: str) -> AsyncGenerator[Any, Any]:
    yield count(word)
    yield ctx.complete(1)


@workflow
async def wide(ctx: Context) -> Completes[float | str | None]:
    yield ctx.complete(1.0)


@workflow
async def again(ctx: Context, turn: int) -> Completes[int]:
    yield ctx.sleep("1h")
    if turn < 3:
        yield ctx.continue_as_new(turn + 1)
    yield ctx.complete(turn)


@workflow
async def coroutine(ctx: Context, word: str, *, times: int = 1) -> int:
    return await count(word) * times


@workflow(name="other", version="2", timeout=60)
async def coroutine_with_options(ctx: Context) -> list[str]:
    return []


@workflow
async def parent(ctx: Context, word: str) -> Completes[int]:
    assert_type(await generator(word), dict[str, int])
    assert_type(await generator(word, times=2), dict[str, int])
    assert_type(await generator_with_options(), str)
    await without_result(word)
    assert_type(await spelled_out(word), int)
    assert_type(await of_anything(word), Any)
    assert_type(await coroutine(word, times=2), int)
    assert_type(await coroutine_with_options(), list[str])
    assert_type(await coroutine.options(id="child-1", detached=True)(word), int)
    yield generator(word)
    yield ctx.complete(await coroutine(word))


def results(app: Nexus) -> None:
    assert_type(app.run(generator, "a"), dict[str, int])
    assert_type(app.run(generator_with_options), str)
    assert_type(app.run(spelled_out, "a"), int)
    assert_type(app.run(of_anything, "a"), Any)
    assert_type(app.run(wide), float | str | None)
    assert_type(app.run(again, 1), int)
    assert_type(app.run(coroutine, "a"), int)
    assert_type(app.run(coroutine_with_options), list[str])
    app.run(without_result, "a")
    app.run(ends_with_nothing)
