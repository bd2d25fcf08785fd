"""A fan-out of many activities: sent in batches, and far fewer turns than activities.

That a crash half-way does not begin it anew is a rule of split stores: `tests/store/split_rules.py`.
"""

from __future__ import annotations

import os

import pytest

from nexus_sdk import Context, Nexus, activity, workflow
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.test_limits import Asked

pytestmark = [pytest.mark.component, pytest.mark.timeout(440)]

NIGHTLY = os.environ.get("NEXUS_NIGHTLY") == "1"


@activity
async def square(n: int) -> int:
    return n * n


@workflow
async def squares(ctx: Context, n: int) -> int:
    return sum(await ctx.gather(*(square(each) for each in range(n))))


@pytest.mark.parametrize("count", [500, *([3_000] if NIGHTLY else [])])
async def test_a_fan_out_is_sent_in_batches_and_takes_far_fewer_turns_than_activities(cloud: Cloud, count: int) -> None:
    """The emulator looks at all messages for each that it gives: ten thousand take it half an hour."""
    now.set(0)
    asked = Asked(cloud)
    store = cloud.stores(call=asked, is_timed=False)()
    app = Nexus(store, workflows=[squares], activities=[square])
    async with app.worker(lease_seconds=900):  # the emulator is slow
        handle = await app.client().start(squares(count), id="it")
        assert await handle.result() == sum(n * n for n in range(count))
    turns = (await store.find("it")).last_batch
    sends, writes = asked.of("SendMessageBatch"), asked.of("TransactWriteItems")
    print(f"{count} activities: {turns} turns, {len(writes)} transactions, {len(sends)} sends")
    assert turns <= count / 15
    assert len(sends) <= count / 10 + turns + 30
    assert len(writes) <= count / 90 + turns + 30
    assert len(asked.of("PutItem")) <= count + turns + 5  # each activity is leased once
