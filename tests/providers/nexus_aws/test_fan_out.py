"""A fan-out of many activities: sent in batches, taken up where a crash left it, and far fewer turns than activities."""

from __future__ import annotations

import os
import time

import pytest

from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.store.port import Send
from nexus_sdk.store.split.outbox import TASKS_MAX
from nexus_sdk.testing.provider_suite.builders import at, message, pending, receive_tasks, started, task, turn
from nexus_sdk.testing.provider_suite.recovery import Crash
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.test_limits import Asked

pytestmark = [pytest.mark.component, pytest.mark.timeout(3_000)]

nightly = pytest.mark.skipif(os.environ.get("NEXUS_NIGHTLY") != "1", reason="takes minutes: NEXUS_NIGHTLY=1")


@activity
async def square(n: int) -> int:
    return n * n


@workflow
async def squares(ctx: Context, n: int) -> int:
    return sum(await ctx.gather(*(square(each) for each in range(n))))


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=nightly)])
async def test_a_fan_out_is_sent_in_batches_and_takes_far_fewer_turns_than_activities(cloud: Cloud, count: int) -> None:
    now.set(0)  # on real time
    asked = Asked(cloud)
    store = cloud.stores(call=asked, is_timed=False)()
    app = Nexus(store, workflows=[squares], activities=[square])
    before, cpu = time.monotonic(), time.process_time()
    async with app.worker():
        handle = await app.client().start(squares(count), id="it")
        assert await handle.result() == sum(n * n for n in range(count))
    record = await store.find("it")
    sends = len(asked.of("SendMessageBatch"))
    writes = len(asked.of("TransactWriteItems"))
    print(
        f"{count} activities: {record.last_batch} turns, {writes} transactions, {sends} sends, "
        f"{len(asked.of('PutItem'))} single writes, {len(asked.of('ReceiveMessage'))} receives, "
        f"{len(asked.of('DeleteMessageBatch')) + len(asked.of('DeleteMessage'))} deletes, "
        f"{len(asked.of('GetItem')) + len(asked.of('BatchGetItem'))} reads, {len(asked.of('Query'))} queries, "
        f"{time.monotonic() - before:.1f} s, {time.process_time() - cpu:.1f} s of this process"
    )
    assert record.last_batch <= count / 10
    assert sends <= count / 10 + record.last_batch + 30
