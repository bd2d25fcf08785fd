"""What a step costs, counted where requests leave: no more than it says in the documentation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from nexus_sdk.store.port import Claim, TaskDelivery
from nexus_sdk.testing.provider_suite.builders import ANNA, BERT, T0, message, receive_tasks, started, task, turn
from tests.providers.nexus_aws.cloud import Cloud

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
    """Received and leased (a receive, a strong read, a conditional write); then the turn: one write, and the sends."""
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


async def test_a_fan_out_is_sent_in_batches(cloud: Cloud) -> None:
    store = cloud.stores()()
    before = await started(store, "a")
    cloud.requests.clear()
    await store.commit(turn(before, *(task("a", str(n)) for n in range(200))), now_us=T0)
    assert cloud.requests["SendMessageBatch"] <= 200 / 10 + 7
    assert cloud.requests["TransactWriteItems"] <= 200 / 30 + 2


async def test_many_outcomes_ring_once(cloud: Cloud) -> None:
    store = cloud.stores()()
    await started(store, "a", *(task("a", str(n)) for n in range(10)))
    held = await receive_tasks(store)
    cloud.requests.clear()
    for delivery in held:
        await store.send([message("a", f"done-{delivery.task.id}")], settles=[delivery], now_us=T0)
    assert cloud.requests["SendMessageBatch"] == 1
    assert cloud.requests["TransactWriteItems"] == 10


def units(requests: list[tuple[str, int]]) -> int:
    """Write units: a kilobyte each, twice in a transaction."""
    return sum(-(-size // 1_000) * (2 if operation == "TransactWriteItems" else 1) for operation, size in requests)


async def test_the_write_units_of_a_step_are_those_that_are_stated(cloud: Cloud) -> None:
    """Head, batch, the settled task and the next one: four rows of less than a kilobyte, in one transaction."""
    from tests.providers.nexus_aws.test_limits import Asked, size_of

    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    first = turn(before, task("a", "0"), claim=CLAIM)
    (held,) = (await store.commit(first, now_us=T0)).deliveries
    asked.asked.clear()
    await store.commit(replace(turn(first.record, task("a", "1"), settles=[held], claim=CLAIM)), now_us=T0)
    ((operation, parameters),) = asked.asked
    rows = [each for write in parameters["TransactItems"] for each in write.values()]
    sizes = [(operation, size_of(row.get("Item", row.get("Key", {})))) for row in rows]
    assert units(sizes) == 8
    print(f"write units of a step: {units(sizes)} ({len(rows)} rows, {sum(size for _, size in sizes)} bytes)")
