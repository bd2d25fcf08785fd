"""A fan-out of many activities: sent in batches, and far fewer turns than activities.

That a crash half-way does not begin it anew is a rule of split stores: `tests/store/split_rules.py`.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.engine.worker import Worker, WorkerOptions
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.test_limits import Asked

pytestmark = [pytest.mark.component, pytest.mark.timeout(1_800)]

NIGHTLY = os.environ.get("NEXUS_NIGHTLY") == "1"


@activity
async def square(n: int) -> int:
    return n * n


@workflow
async def squares(ctx: Context, n: int) -> int:
    return sum(await ctx.gather(*(square(each) for each in range(n))))


@pytest.mark.parametrize("count", [500, *([10_000] if NIGHTLY else [])])
async def test_a_fan_out_is_sent_in_batches_and_takes_far_fewer_turns_than_activities(cloud: Cloud, count: int) -> None:
    """The emulator looks at all messages for each that it gives, and at all rows for each look at an index: so leases
    are long, and sweeps are rare. Ten thousand take it some minutes.
    """
    now.set(0)
    asked = Asked(cloud)
    store = cloud.stores(call=asked, is_timed=False)()
    app = Nexus(store, workflows=[squares], activities=[square])
    options = WorkerOptions(lease_seconds=900, sweep_seconds=120)
    worker = Worker(store, app.registry, app.codec, app.environment, options)
    await worker.start()
    handle = await app.client().start(squares(count), id="it")
    assert await handle.result() == sum(n * n for n in range(count))
    await worker.stop()
    turns = (await store.find("it")).last_batch
    requests = Counter(operation for operation, _ in asked.asked)
    print(f"{count} activities, {turns} turns:", dict(requests.most_common()))
    assert turns <= count / 40 + 10
    assert requests["SendMessageBatch"] <= count / 10 + 30
    assert requests["TransactWriteItems"] <= count / 90 + turns + 10
    assert requests["PutItem"] <= count + turns + 5  # each activity is leased once
    assert requests["BatchGetItem"] <= count / 10 + 50  # what came together is read together
    assert requests["DeleteMessageBatch"] + requests["DeleteMessage"] <= count / 10 + turns + 30
