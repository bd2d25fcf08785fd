"""The test environment keeps the types of what it runs."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from nexus_sdk import Context, Handle, InstanceStatus, activity, workflow
from nexus_sdk.testing import WorkflowEnvironment


@activity
async def count(word: str) -> int:
    return len(word)


@workflow
async def counting(ctx: Context, word: str, times: int = 1) -> int:
    return await count(word) * times


async def test_counting() -> None:
    async with WorkflowEnvironment(workflows=[counting], activities=[count], clock="manual") as env:
        handle = await env.start(counting, "a", id="1")
        assert_type(await handle.result(), int)
        assert_type(await handle.status(), InstanceStatus)
        same: Handle[int] = handle
        await env.history(same)
        await env.advance("25h")
        assert_type(await env.run(counting, "a", 2), int)
        assert_type(await env.run(counting(word="a")), int)
        assert_type(env.now, datetime)
