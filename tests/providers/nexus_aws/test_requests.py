"""What a step costs, counted by a hook of botocore where requests leave: no more than it says in the documentation."""

from __future__ import annotations

from collections import Counter

import pytest

from nexus_sdk.store.port import Claim, TaskDelivery
from nexus_sdk.testing.provider_suite.builders import ANNA, BERT, T0, message, receive_tasks, started, task, turn
from tests.providers.nexus_aws.cloud import Cloud
from tests.providers.nexus_aws.test_limits import Asked, size_of

pytestmark = pytest.mark.component

STEPS = 5
CLAIM = Claim(frozenset({"work"}), 1, ANNA)


async def test_a_step_whose_activity_the_committer_claims_is_one_conditional_write_and_nothing_else(
    cloud: Cloud,
) -> None:
    store = cloud.stores()()
    before = await started(store, "a")
    first = turn(before, task("a", "0"), claim=CLAIM)
    (held,) = (await store.commit(first, now_us=T0)).deliveries
    before = first.record
    cloud.requests.clear()
    for n in range(1, STEPS + 1):
        step = turn(before, task("a", str(n)), settles=[held], claim=CLAIM)
        (held,) = (await store.commit(step, now_us=T0)).deliveries
        before = step.record
    assert cloud.requests == Counter({"TransactWriteItems": STEPS})


async def test_a_step_through_the_queue(cloud: Cloud) -> None:
    """Received and leased (a conditional write of one row); then the turn: one conditional write, and the sends.

    Nothing is read. Why the lease is a write of its own: `docs/decisions/0017-one-protocol-for-all-split-stores.md`.
    """
    open_store = cloud.stores()
    store = open_store()
    before = await started(store, "a", task("a", "0"))
    cloud.requests.clear()
    for n in range(1, STEPS + 1):
        received = await store.receive(["work"], limit=1, lease=BERT, now_us=T0)
        held: TaskDelivery = received.deliveries[0]  # type: ignore[assignment]
        step = turn(before, task("a", str(n)), settles=[held])
        await store.commit(step, now_us=T0)
        before = step.record
    assert cloud.requests == Counter(
        {
            "ReceiveMessage": STEPS,
            "PutItem": STEPS,  # the lease
            "TransactWriteItems": STEPS,  # the turn
            "SendMessageBatch": STEPS,
            "DeleteMessage": STEPS,
        }
    )


async def test_a_process_that_does_not_know_the_instance_reads_once_before_it_leases(cloud: Cloud) -> None:
    open_store = cloud.stores()
    before = await started(open_store(), "a", task("a", "0"))
    other = open_store()
    await other.sqs.make()
    await other.receive(["elsewhere"], limit=1, lease=BERT, now_us=T0)
    await other.sqs._url("work")
    cloud.requests.clear()
    (held,) = (await other.receive(["work"], limit=1, lease=BERT, now_us=T0)).deliveries
    await other.commit(turn(before, task("a", "1"), settles=[held]), now_us=T0)
    assert cloud.requests["BatchGetItem"] + cloud.requests["GetItem"] == 1
    assert cloud.requests["TransactWriteItems"] == 1


async def test_what_comes_together_is_read_together(cloud: Cloud) -> None:
    open_store = cloud.stores()
    await started(open_store(), "a", *(task("a", str(n)) for n in range(10)))
    other = open_store()
    await other.receive(["elsewhere"], limit=1, lease=BERT, now_us=T0)
    await other.sqs._url("work")
    cloud.requests.clear()
    assert len((await other.receive(["work"], limit=10, lease=BERT, now_us=T0)).deliveries) == 10
    assert cloud.requests == Counter({"ReceiveMessage": 1, "BatchGetItem": 1, "PutItem": 10})


async def test_a_fan_out_is_sent_in_batches(cloud: Cloud) -> None:
    store = cloud.stores()()
    before = await started(store, "a")
    cloud.requests.clear()
    await store.commit(turn(before, *(task("a", str(n)) for n in range(200))), now_us=T0)
    assert cloud.requests["SendMessageBatch"] <= 200 / 10 + 4
    assert cloud.requests["TransactWriteItems"] <= 1 + 2 + 1  # the turn, two slices, and that they were sent


async def test_many_outcomes_ring_once(cloud: Cloud) -> None:
    store = cloud.stores()()
    await started(store, "a", *(task("a", str(n)) for n in range(10)))
    held = await receive_tasks(store)
    cloud.requests.clear()
    for delivery in held:
        await store.send([message("a", f"done-{delivery.task.id}")], settles=[delivery], now_us=T0)
    assert cloud.requests["SendMessageBatch"] == 1
    assert cloud.requests["TransactWriteItems"] == 10


def write_units(asked: Asked) -> int:
    """Each row by begun kilobytes, twice in a transaction."""
    rows = [(1, parameters["Item"]) for parameters in asked.of("PutItem")]
    for parameters in asked.of("TransactWriteItems"):
        rows += [(2, row.get("Item") or row["Key"]) for write in parameters["TransactItems"] for row in write.values()]
    return sum(times * -(-size_of(row) // 1_024) for times, row in rows)


async def test_the_write_units_of_a_step_are_those_that_are_stated(cloud: Cloud) -> None:
    """Head, batch, the settled task and the next one: four rows of less than a kilobyte, in one transaction."""
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    first = turn(before, task("a", "0"), claim=CLAIM)
    (held,) = (await store.commit(first, now_us=T0)).deliveries
    asked.asked.clear()
    await store.commit(turn(first.record, task("a", "1"), settles=[held], claim=CLAIM), now_us=T0)
    assert write_units(asked) == 8


@pytest.mark.parametrize(("is_warm", "read_units"), [(True, 0), (False, 2)])
async def test_the_units_of_a_step_through_the_queue_are_those_that_are_stated(
    cloud: Cloud, is_warm: bool, read_units: int
) -> None:
    """The lease is one unit; who has not seen the instance reads its head and the task, together."""
    asked = Asked(cloud)
    open_store = cloud.stores(call=asked)
    one, other = open_store(), open_store()
    before = await started(one, "a", task("a", "0"))
    store = one if is_warm else other
    await store.receive(["elsewhere"], limit=1, lease=BERT, now_us=T0)
    asked.asked.clear()
    (held,) = (await store.receive(["work"], limit=1, lease=BERT, now_us=T0)).deliveries
    await store.commit(turn(before, task("a", "1"), settles=[held]), now_us=T0)
    assert write_units(asked) == 1 + 8
    reads = [keys for each in asked.of("BatchGetItem") for keys in each["RequestItems"].values()]
    assert len(reads) == (read_units > 0)
    assert sum(len(each["Keys"]) for each in reads) == read_units  # of four kilobytes, strongly consistent
    assert not asked.of("GetItem")
