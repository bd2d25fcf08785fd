"""What a run did, read off its history."""

from __future__ import annotations

from nexus_sdk import Context, Retry, activity, workflow
from nexus_sdk.costing.work import Work, work_of
from nexus_sdk.testing import WorkflowEnvironment


@activity(retry=Retry(max_attempts=3))
async def charge(cents: int) -> int:
    return cents


@workflow
async def child(ctx: Context) -> None:
    await ctx.sleep("1h")


@workflow
async def parent(ctx: Context) -> None:
    await charge(1)
    await ctx.gather(charge(2), charge(3), child.options(id="child")())
    await ctx.wait_for_event("go")


async def test_each_kind_of_work_is_counted_once() -> None:
    async with WorkflowEnvironment(workflows=[parent, child], activities=[charge]) as env:
        env.mock(charge, sequence=[ValueError("once"), 1, 2, 3])
        handle = await env.start(parent)
        await handle.send_event("go", None)
        await handle.result()
        batches = [(await env.history(id)).batches for id in (handle, "child")]
    work = work_of(batches)
    assert work == Work(
        runs=2,
        activities=3,
        attempts=4,
        timers=1,
        events=1,
        children=1,
        fan_outs=1,
        turns=sum(map(len, batches)),
        waits=work.waits,
        value_bytes=sum(batch.value_bytes for own in batches for batch in own),
    )
    assert 1 <= work.waits <= 3  # the event, the timer, the child: some may come in one turn
    assert work.value_bytes > 0


def test_nothing_is_no_work() -> None:
    assert work_of([]) == Work()
