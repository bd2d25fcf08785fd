"""The limits of the services are kept by our own code: the emulator would let most of them pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nexus_aws import limits
from nexus_aws.call import AwsError
from nexus_aws.sqs import DEAD, batches, seconds_until
from nexus_aws.store import AwsStore
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import TURNS, Claim, Lease, TaskDelivery
from nexus_sdk.store.split.rings import Ring
from nexus_sdk.testing.provider_suite.builders import ANNA, T0, at, message, receive_tasks, started, task, turn
from tests.providers.nexus_aws.cloud import Cloud, now

pytestmark = pytest.mark.component

DAY = 86_400


class Asked:
    """Passes requests on, and keeps what was asked, held to the limits of the services."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((operation, parameters))
        problem = violation(operation, parameters)
        assert problem is None, problem
        return await self._cloud(service, operation, parameters)

    def of(self, operation: str) -> list[Mapping[str, Any]]:
        """The requests of one kind."""
        return [parameters for name, parameters in self.asked if name == operation]


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item: names and values."""
    sizes = {"S": lambda value: len(value.encode()), "B": len, "N": lambda value: len(value) // 2 + 2}
    return sum(len(name) + sizes[kind](value) for name, typed in item.items() for kind, value in typed.items())


def violation(operation: str, parameters: Mapping[str, Any]) -> str | None:
    """What the service would refuse."""
    match operation:
        case "TransactWriteItems":
            items = [each for write in parameters["TransactItems"] for each in write.values()]
            sizes = [size_of(each.get("Item", each.get("Key", {}))) for each in items]
            if len(items) > 100 or sum(sizes) > 4_000_000 or max(sizes) > 409_600:
                return f"{len(items)} items of {sum(sizes)} bytes, the largest {max(sizes)}"
            if len(parameters["ClientRequestToken"]) > 36:
                return "the token is too long"
        case "PutItem" if size_of(parameters["Item"]) > 409_600:
            return "the item is too large"
        case "SendMessageBatch":
            entries = parameters["Entries"]
            total = sum(len(entry["MessageBody"].encode()) for entry in entries)
            if len(entries) > 10 or total > 262_144 or any(entry.get("DelaySeconds", 0) > 900 for entry in entries):
                return f"{len(entries)} messages of {total} bytes"
        case "ReceiveMessage" | "ChangeMessageVisibility" if not 0 <= parameters["VisibilityTimeout"] <= 43_200:
            return f"hidden for {parameters['VisibilityTimeout']} s"
        case "CreateQueue" if len(parameters["QueueName"]) > 80:
            return "the name is too long"
        case "BatchGetItem" if any(len(asked["Keys"]) > 100 for asked in parameters["RequestItems"].values()):
            return "too many keys"
        case "BatchWriteItem" if any(len(asked) > 25 for asked in parameters["RequestItems"].values()):
            return "too many writes"
    return None


async def test_a_row_of_the_largest_size_fits_into_an_item_with_the_longest_keys() -> None:
    keys = 2 * 1_100 + 200
    assert limits.ROW_BYTES_MAX + keys <= limits.ITEM_BYTES_MAX


async def test_a_batch_too_large_for_an_item_lies_in_the_bucket_before_it_is_referred_to(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    asked.asked.clear()
    commit = turn(before)
    large = bytes(1_000_000)
    await store.commit(
        type(commit)(
            commit.record, commit.expected_run_id, commit.expected, (type(commit.batches[0])("run-1", 3, "t", large),)
        ),
        now_us=T0,
    )
    operations = [name for name, _ in asked.asked]
    assert operations.index("PutObject") < operations.index("TransactWriteItems")
    assert (await store.load("a", after=2)).batches[0].data == large


async def test_a_turn_of_many_large_sends_fits_into_its_transactions(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    tasks = [task("a", str(n), body=bytes(200_000)) for n in range(35)]
    await store.commit(turn(before, *tasks), now_us=T0)
    assert len(await receive_tasks(store)) == 35
    assert asked.of("PutObject")


async def test_many_messages_are_consumed_by_one_turn(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    for n in range(110):
        await store.send([message("a", f"m{n}")], now_us=T0)
    numbers = [found.number for found in (await store.load("a")).messages]
    await store.commit(turn(before, consumed=numbers), now_us=T0)
    assert (await store.load("a")).messages == ()
    assert asked.of("BatchWriteItem")


async def test_what_falls_due_later_than_sqs_delays_is_not_put_and_found_by_the_sweep(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    await started(store, "a", task("a", "near", not_before_us=at(900)), task("a", "far", not_before_us=at(901)))
    bodies = [json.loads(entry["MessageBody"]) for each in asked.of("SendMessageBatch") for entry in each["Entries"]]
    assert [body[1] for body in bodies if body[1]] == ["run-1/near"]
    assert {found.task.id for found in await receive_tasks(store, now_us=at(901))} == {"run-1/near", "run-1/far"}


async def test_a_lease_longer_than_sqs_hides_is_kept_by_the_table(cloud: Cloud) -> None:
    store = cloud.stores(call=Asked(cloud))()
    await started(store, "a", task("a"))
    (held,) = await receive_tasks(store, lease=Lease("anna", 30 * DAY))
    assert await receive_tasks(store, now_us=at(29 * DAY)) == []
    assert not (await store.extend(held, lease=Lease("anna", 60 * DAY), now_us=at(29 * DAY))).is_lost


async def test_the_longest_names_make_names_of_queues(cloud: Cloud) -> None:
    store = cloud.stores(call=Asked(cloud))()
    queues = ["🚚" * 256, "a" * 300, "with blanks", "with-blanks", "a.b"]
    await started(store, "a", *(task("a", str(n), queue) for n, queue in enumerate(queues)))
    for n, queue in enumerate(queues):
        assert [found.task.id for found in await receive_tasks(store, queue)] == [f"run-1/{n}"]


def test_messages_are_sent_in_batches_of_ten_and_of_what_a_request_holds() -> None:
    small = [{"MessageBody": "x"}] * 23
    assert [len(batch) for batch in batches(small)] == [10, 10, 3]
    large = [{"MessageBody": "x" * 100_000}] * 5
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]


def test_seconds_are_rounded_up() -> None:
    assert [seconds_until(at(s), T0) for s in (0, 0.000001, 1, 1.2, -0.5)] == [0, 1, 1, 2, 0]


async def test_a_dead_letter_of_a_bell_rings_again_and_one_of_a_task_is_its_failure(cloud: Cloud) -> None:
    store = cloud.stores()()
    before = await started(store, "a", task("a"))
    await store.send([message("a", "m")], now_us=T0)
    for n in range(limits.RECEIVES_MAX + 1):  # whoever takes them dies
        now.set(at(n * 31))
        for queue in (TURNS, "work"):
            await store.sqs.take(queue, limit=10, now_us=at(n * 31), until_us=at(n * 31 + 30), holder="dying")
    late = at((limits.RECEIVES_MAX + 2) * 31)
    now.set(late)
    assert await store.sqs.dead_letters(now_us=late)
    await store.due(before_us=late + 61_000_000, limit=10)
    received = await store.receive([TURNS, "work"], limit=9, lease=ANNA, now_us=late + 61_000_000)
    tasks = [delivery for delivery in received.deliveries if isinstance(delivery, TaskDelivery)]
    assert len(received.deliveries) == 2
    assert "nobody answered" in tasks[0].dead_letter
    assert before.status is Status.RUNNING


FOREIGN = ("hello", "{}", "[1, 2, 3, 4, 5, 6]", '["a"]', "[" * 5_000, '["a", "", 0, 0, 1, "another queue"]')


async def put_foreign(cloud: Cloud, store: AwsStore, queue: str, bodies: Sequence[str]) -> None:
    url = await store.sqs._url(queue)
    for body in bodies:
        await cloud("sqs", "SendMessage", {"QueueUrl": url, "MessageBody": body})


async def test_messages_of_somebody_else_are_told_of_and_left_and_keep_nobody_from_his_own(cloud: Cloud) -> None:
    told: list[str] = []
    store = cloud.stores(say=lambda level, event, fields: told.append(event))()
    await put_foreign(cloud, store, "work", FOREIGN)
    await started(store, "a", task("a"))
    found = [held.task.id for _ in range(3) for held in await receive_tasks(store)]
    assert found == ["run-1/0"]
    assert len(told) == len(FOREIGN)
    assert all("[NX401]" in each and "is not one of this store's" in each for each in told)
    assert "another queue" in told[-1]
    cloud.requests.clear()
    assert await receive_tasks(store, now_us=at(20)) == []
    assert cloud.requests["DeleteMessage"] + cloud.requests["DeleteMessageBatch"] == 0


async def test_dead_letters_of_somebody_else_keep_the_sweep_from_nothing(cloud: Cloud) -> None:
    """There are more of them than one request gives."""
    told: list[str] = []
    store = cloud.stores(say=lambda level, event, fields: told.append(event))()
    await store.receive([TURNS], limit=1, lease=ANNA, now_us=T0)
    await started(store, "a", task("a"))
    bodies = [f"{body}{' ' * number}" for number in range(4) for body in FOREIGN[:5]]
    await put_foreign(cloud, store, DEAD, bodies)
    letter = ["a", "run-1/0", 1, 0, 1, "work"]
    await put_foreign(cloud, store, DEAD, [json.dumps(letter)])
    await store.due(before_us=at(1), limit=10)
    (held,) = await receive_tasks(store, now_us=at(2))
    assert "nobody answered" in held.dead_letter
    assert len(told) == len(bodies)
    now.set(at(120))
    assert len(await store.sqs._messages(DEAD, 1, 10)) == 10  # they lie there
    await store.due(before_us=at(240), limit=10)
    assert len(told) == len(bodies)  # each is told of once


async def test_what_is_missing_is_made_by_whoever_comes_first(cloud: Cloud) -> None:
    from nexus_sdk.errors import InstanceNotFound

    store = AwsStore("not-there-yet", "not-there-yet", cloud)
    with pytest.raises(InstanceNotFound):
        await store.find("a")
    assert await store.get_blobs("a", [b"d"]) == {}
    await store.put_blobs("a", {b"d": b"data"}, now_us=T0)
    await started(store, "a", task("a"))
    assert await store.get_blobs("a", [b"d"]) == {b"d": b"data"}


def test_an_error_of_a_transaction_is_momentary_when_all_its_reasons_are() -> None:
    for reasons, expected in [
        (["None", "TransactionConflict"], True),
        (["ThrottlingError", "TransactionConflict"], True),
        (["ConditionalCheckFailed", "TransactionConflict"], False),
        (["ValidationError"], False),
    ]:
        assert AwsError("TransactionCanceledException", "", reasons=reasons).is_momentary is expected


async def test_rings_that_somebody_holds_are_not_put(cloud: Cloud) -> None:
    asked = Asked(cloud)
    store = cloud.stores(call=asked)()
    before = await started(store, "a")
    asked.asked.clear()
    claim = Claim(frozenset({"work"}), 1, ANNA)
    await store.commit(turn(before, task("a"), claim=claim), now_us=T0)
    assert [name for name, _ in asked.asked] == ["TransactWriteItems"]
    assert Ring(1, "work", "a", is_taken=True).is_taken
