# mypy: ignore-errors
# pyright: basic
"""Without an annotation pyright infers what a workflow completes with. (mypy does not look: to it, it is `Any`.)"""

from __future__ import annotations

from typing import assert_type

from nexus_sdk import Context, Nexus, activity, workflow


@activity
async def count(word: str) -> int:
    return len(word)


@workflow
async def completing(ctx: Context, word: str):
    async with ctx.saga():
        yield count(word)
    yield ctx.complete({word: await count(word)})


@workflow
async def completing_twice(ctx: Context, word: str):
    if word:
        yield ctx.complete("yes")
    yield ctx.complete(0)


@workflow(version="2")
async def falling_off(ctx: Context, word: str):
    yield count(word)


def results(app: Nexus) -> None:
    assert_type(app.run(completing, "a"), dict[str, int])
    assert_type(app.run(completing_twice, "a"), str | int)
    assert_type(app.run(falling_off, "a"), None)
