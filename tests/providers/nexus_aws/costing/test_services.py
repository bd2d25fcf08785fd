"""The services in memory bill by the published rules, and refuse what they do not know."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_aws.call import AwsError
from nexus_aws.costing.services import MemoryServices, size_of


def item(key: str, size: int = 10, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "sk": {"S": key}, "v": {"N": "1"}, "d": {"B": b"x" * size}, **more}


@pytest.fixture
def services() -> MemoryServices:
    return MemoryServices()


def units(services: MemoryServices, operation: str, **parameters: Any) -> float:
    _, billed = services.apply("dynamodb", operation, parameters, 0)
    (quantity,) = billed.values()
    return quantity


def put(services: MemoryServices, one: dict[str, Any]) -> float:
    return units(services, "PutItem", Item=one)


def test_a_write_is_billed_by_begun_kilobytes(services: MemoryServices) -> None:
    assert put(services, item("1", 900)) == 1
    assert put(services, item("2", 1_024)) == 2
    assert put(services, item("2", 10)) == 2  # the larger of what was and what is


def test_a_transaction_is_billed_twice(services: MemoryServices) -> None:
    writes = [{"Put": {"Item": item("1")}}, {"Put": {"Item": item("2", 3_000)}}, {"Delete": {"Key": item("3")}}]
    assert units(services, "TransactWriteItems", TransactItems=writes) == 2 * (1 + 3 + 1)
    check = {"ConditionCheck": {"Key": item("2"), "ConditionExpression": "attribute_exists(pk)"}}
    assert units(services, "TransactWriteItems", TransactItems=[check]) == 2 * 3


def test_an_index_is_billed_for_what_changes_in_it(services: MemoryServices) -> None:
    look = {"ls": {"S": "0"}, "l": {"N": "5"}}
    assert put(services, item("1", **look)) == 1 + 1
    assert put(services, item("1", **look)) == 1
    assert put(services, item("1", **look | {"l": {"N": "6"}})) == 1 + 2
    assert put(services, item("1")) == 1 + 1


def test_reads_are_billed_by_four_kilobytes_and_by_half_from_an_index(services: MemoryServices) -> None:
    put(services, item("1", 5_000, ls={"S": "0"}, l={"N": "5"}))
    assert units(services, "GetItem", Key=item("1")) == 2
    assert units(services, "GetItem", Key=item("2")) == 1
    assert units(services, "BatchGetItem", RequestItems={"t": {"Keys": [item("1"), item("2")]}}) == 3
    values = {":shard": {"S": "0"}, ":before": {"N": "9"}}
    assert units(services, "Query", IndexName="look", ExpressionAttributeValues=values, Limit=5) == 0.5


def test_a_condition_that_does_not_hold_changes_nothing(services: MemoryServices) -> None:
    put(services, item("1"))
    again = {"Put": {"Item": item("1"), "ConditionExpression": "attribute_not_exists(pk)"}}
    with pytest.raises(AwsError) as refused:
        units(services, "TransactWriteItems", TransactItems=[{"Put": {"Item": item("2")}}, again])
    assert refused.value.reasons == ("None", "ConditionalCheckFailed")
    assert set(services.table.items) == {("a", "1")}


def test_a_request_is_64_kilobytes_of_messages(services: MemoryServices) -> None:
    services.apply("sqs", "GetQueueUrl", {"QueueName": "q"}, 0)
    for size, expected in ((100, 1), (60_000, 3)):
        entries = [{"Id": str(n), "MessageBody": "x" * size} for n in range(3)]
        _, billed = services.apply("sqs", "SendMessageBatch", {"QueueUrl": "q", "Entries": entries}, 0)
        assert billed == {"sqs.request": expected}


def test_a_message_is_hidden_from_its_receipt_on_and_comes_again(services: MemoryServices) -> None:
    services.apply("sqs", "GetQueueUrl", {"QueueName": "q"}, 0)
    entries = [{"Id": "0", "MessageBody": "x", "DelaySeconds": 5}]
    services.apply("sqs", "SendMessageBatch", {"QueueUrl": "q", "Entries": entries}, 0)
    asked = {"QueueUrl": "q", "MaxNumberOfMessages": 10, "VisibilityTimeout": 10}

    def received(at_seconds: int) -> list[Any]:
        reply, _ = services.apply("sqs", "ReceiveMessage", asked, at_seconds * 1_000_000)
        return list(reply.get("Messages", ()))

    assert [len(received(at)) for at in (4, 5, 14, 15)] == [0, 1, 0, 1]
    (message,) = received(25)
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    services.apply("sqs", "DeleteMessage", {"QueueUrl": "q", "ReceiptHandle": message["ReceiptHandle"]}, 25_000_000)
    assert received(99) == []


def test_storage_counts_each_item_and_its_entries(services: MemoryServices) -> None:
    put(services, item("1"))
    plain = services.table.stored_bytes
    assert plain == size_of(item("1")) + 100
    put(services, item("1", ls={"S": "0"}, l={"N": "5"}))
    assert services.table.stored_bytes > plain + 100


def test_what_is_not_known_is_refused_aloud(services: MemoryServices) -> None:
    with pytest.raises(NotImplementedError, match="dynamodb Scan"):
        services.apply("dynamodb", "Scan", {}, 0)
    with pytest.raises(NotImplementedError, match="condition"):
        units(services, "PutItem", Item=item("1"), ConditionExpression="size(d) < :n")
