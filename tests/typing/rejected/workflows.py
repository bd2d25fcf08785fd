"""Definitions of workflows, and endings, that make no sense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

from nexus_sdk import Completes, Context, activity, workflow


@activity
async def count(word: str) -> int:
    return len(word)


@workflow
async def ends_otherwise(ctx: Context, word: str) -> Completes[dict[str, int]]:
    yield count(word)
    yield ctx.complete([1])  # E: arg-type | reportReturnType
    yield ctx.complete({word: "many"})  # E: dict-item | reportReturnType
    yield ctx.complete()  # E: misc | reportReturnType


@workflow
async def ends_with_something(ctx: Context, word: str) -> Completes[None]:
    yield ctx.complete(word)  # E: arg-type | reportReturnType


@workflow
async def yields_what_is_no_operation(ctx: Context, word: str) -> Completes[None]:
    yield 1  # E: misc | reportReturnType
    yield word  # E: misc | reportReturnType
    yield asyncio.sleep(1)  # E: misc | reportReturnType
    yield count  # E: misc | reportReturnType
    await ctx  # E: misc | reportGeneralTypeIssues


@workflow
async def returns_otherwise(ctx: Context, word: str) -> str:
    return await count(word)  # E: return-value | reportReturnType


@workflow  # E: arg-type | reportArgumentType
def plain(ctx: Context, word: str) -> str:
    return word


@workflow  # E: arg-type | reportArgumentType
def generator(ctx: Context, word: str) -> Iterator[str]:
    yield word


@workflow  # E: arg-type | reportArgumentType
async def without_context(word: str) -> None: ...


@workflow  # E: arg-type | reportArgumentType
async def without_anything() -> None: ...


@workflow(version="2")  # E: arg-type | reportArgumentType
async def yielding_texts(ctx: Context) -> AsyncGenerator[str, None]:
    yield "a text"


@workflow(timeout=[1])  # E: call-overload | reportArgumentType
async def wrong_timeout(ctx: Context) -> None: ...


@workflow(version=2)  # E: call-overload | reportArgumentType
async def wrong_version(ctx: Context) -> None: ...


@workflow
async def child(ctx: Context, word: str) -> bytes:
    return word.encode()


@workflow
async def parent(ctx: Context, word: str) -> None:
    await child(1)  # E: arg-type | reportArgumentType
    await child()  # E: call-arg | reportCallIssue
    await child(word, 2)  # E: call-arg | reportCallIssue
    await child(ctx, word)  # E: arg-type | reportCallIssue
    text: str = await child(word)  # E: assignment | reportAssignmentType
    await child.options(id=1)(word)  # E: arg-type | reportArgumentType
    await child.options(detached=True)(1)  # E: arg-type | reportArgumentType
    print(text)
