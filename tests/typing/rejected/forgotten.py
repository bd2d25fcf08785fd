# mypy: enable-error-code="unused-awaitable"
# pyright: reportUnusedCallResult=true
"""Operations that are asked for and dropped: both checkers can see them, when they are told to look."""

from __future__ import annotations

from nexus_sdk import Context, activity, workflow


@activity
async def charge(order: str) -> int:
    return len(order)


@workflow
async def child(ctx: Context) -> int:
    return 1


@workflow
async def forgetting(ctx: Context, order: str) -> None:
    charge(order)  # E: unused-awaitable | reportUnusedCallResult
    child()  # E: unused-awaitable | reportUnusedCallResult
    ctx.sleep("1s")  # E: unused-awaitable | reportUnusedCallResult
    ctx.complete()  # E: unused-awaitable | reportUnusedCallResult
    ctx.gather(charge(order), child())  # E: unused-awaitable | reportUnusedCallResult
