"""DynamoDB, SQS and S3 in memory, as far as this provider asks for them, and what each request is billed as.

It keeps what a request changes and answers as the service would. Sizes and units follow the published rules: a write
unit is a begun kilobyte of the larger of what was and what is, twice in a transaction, and one for each entry of an
index that is made, moved (two) or removed; a read unit is four begun kilobytes, half of it from an index. A request to
SQS is 64 begun kilobytes of messages. The one rule: what the provider does not ask for is refused aloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from math import ceil
from typing import Any

from nexus_aws.call import AwsError

Item = Mapping[str, Any]
Billed = dict[str, float]

WRITE_UNIT_BYTES = 1_024
READ_UNIT_BYTES = 4_096
REQUEST_BYTES = 65_536
"""Of messages: so much is one request to SQS."""

ITEM_OVERHEAD_BYTES = 100
"""What DynamoDB bills the storage of an item, and of an entry of an index, for besides its data."""

INDEXES: Mapping[str, tuple[str, str]] = {"look": ("ls", "l"), "created": ("cs", "c")}
"""Their keys: see `nexus_aws.dynamodb`."""


class MemoryServices:
    """All of them. Calling it applies a request: the reply, and what it is billed as."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.queues = MemoryQueues()
        self.bucket = MemoryBucket()

    def apply(
        self, service: str, operation: str, parameters: Mapping[str, Any], now_us: int
    ) -> tuple[dict[str, Any], Billed]:
        """Do what a request asks for.

        Raises:
            AwsError: a condition does not hold.
            NotImplementedError: the provider asks for something that this does not know.
        """
        handler = self._handlers.get((service, operation))
        if handler is None:
            raise NotImplementedError(f"costing: {service} {operation} is not among the services in memory")
        self.queues.now_us = now_us
        return handler(parameters)

    @property
    def _handlers(self) -> Mapping[tuple[str, str], Callable[[Mapping[str, Any]], tuple[dict[str, Any], Billed]]]:
        table, queues, bucket = self.table, self.queues, self.bucket
        return {
            ("dynamodb", "GetItem"): table.get,
            ("dynamodb", "BatchGetItem"): table.get_batch,
            ("dynamodb", "Query"): table.query,
            ("dynamodb", "PutItem"): table.write_one,
            ("dynamodb", "DeleteItem"): table.write_one,
            ("dynamodb", "TransactWriteItems"): table.write_together,
            ("dynamodb", "BatchWriteItem"): table.write_batch,
            ("sqs", "GetQueueUrl"): queues.find,
            ("sqs", "SendMessageBatch"): queues.send,
            ("sqs", "ReceiveMessage"): queues.receive,
            ("sqs", "ChangeMessageVisibility"): queues.hide,
            ("sqs", "DeleteMessage"): queues.delete,
            ("sqs", "DeleteMessageBatch"): queues.delete,
            ("s3", "PutObject"): bucket.put,
            ("s3", "GetObject"): bucket.get,
            ("s3", "ListObjectsV2"): bucket.list,
            ("s3", "DeleteObjects"): bucket.delete,
        }


# --- DynamoDB ---------------------------------------------------------------------------------------------------------


def size_of(item: Item) -> int:
    """Bytes of an item: the names of its attributes, and their values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case _:  # a number: two digits a byte, and one
            return len(value.strip("-0").replace(".", "")) // 2 + 2


class MemoryTable:
    """The table of a store."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}

    @property
    def stored_bytes(self) -> int:
        """What its storage is billed for, indexes included."""
        entries = [entry for item in self.items.values() for entry in _entries(item).values()]
        return sum(size_of(each) + ITEM_OVERHEAD_BYTES for each in [*self.items.values(), *entries])

    def get(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """GetItem."""
        item = self.items.get(_key(asked["Key"]))
        return ({"Item": item} if item is not None else {}), {"dynamodb.read_unit": _read_units([item or {}])}

    def get_batch(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """BatchGetItem."""
        ((table, wanted),) = asked["RequestItems"].items()
        keys = [_key(key) for key in wanted["Keys"]]
        units = sum(_read_units([self.items.get(key, {})]) for key in keys)
        found = [self.items[key] for key in keys if key in self.items]
        return {"Responses": {table: found}}, {"dynamodb.read_unit": units}

    def query(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """Query: rows of an instance, or an index."""
        values = {name: next(iter(value.values())) for name, value in asked["ExpressionAttributeValues"].items()}
        if "IndexName" not in asked:
            found = [
                item
                for (pk, sk), item in sorted(self.items.items())
                if pk == values[":pk"] and values[":first"] <= sk <= values[":last"]
            ]
            return {"Items": found}, {"dynamodb.read_unit": _read_units(found)}
        name = asked["IndexName"]
        shard_name, when = INDEXES[name]
        shard, before = values.get(":shard") or values[":kind"], int(values.get(":before", 10**18))
        entries = [
            entry
            for item in self.items.values()
            if (entry := _entries(item).get(name)) is not None
            and entry[shard_name]["S"] == shard
            and int(entry[when]["N"]) <= before
        ]
        entries.sort(key=lambda entry: int(entry[when]["N"]), reverse=not asked.get("ScanIndexForward", True))
        entries = entries[: asked["Limit"]]
        return {"Items": entries}, {"dynamodb.read_unit": _read_units(entries) / 2}

    def write_one(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """PutItem, DeleteItem."""
        if not self._holds(asked):
            raise AwsError("ConditionalCheckFailedException", "the condition does not hold", status=400)
        return {}, {"dynamodb.write_unit": self._write(asked, 1)}

    def write_together(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """TransactWriteItems."""
        writes = [(kind, request) for write in asked["TransactItems"] for kind, request in write.items()]
        if not all(self._holds(request) for _, request in writes):
            reasons = ["None" if self._holds(request) else "ConditionalCheckFailed" for _, request in writes]
            raise AwsError("TransactionCanceledException", "a condition does not hold", status=400, reasons=reasons)
        units = 0.0
        for kind, request in writes:
            if kind == "ConditionCheck":
                units += 2 * _write_units(self.items.get(_key(request["Key"]), {}))
            else:
                units += self._write(request, 2)
        return {}, {"dynamodb.write_unit": units}

    def write_batch(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """BatchWriteItem: deletions."""
        requests = [request["DeleteRequest"] for own in asked["RequestItems"].values() for request in own]
        return {}, {"dynamodb.write_unit": sum(self._write(request, 1) for request in requests)}

    def _holds(self, request: Mapping[str, Any]) -> bool:
        condition = request.get("ConditionExpression")
        item = self.items.get(_key(request.get("Item") or request["Key"]))
        match condition:
            case None:
                return True
            case "attribute_not_exists(pk)":
                return item is None
            case "attribute_exists(pk)":
                return item is not None
            case "v = :v":
                return item is not None and item["v"] == request["ExpressionAttributeValues"][":v"]
            case _:
                raise NotImplementedError(f"costing: the condition {condition!r} is not known here")

    def _write(self, request: Mapping[str, Any], factor: int) -> float:
        """Put or delete an item: what it is billed as."""
        key = _key(request.get("Item") or request["Key"])
        old, new = self.items.get(key), request.get("Item")
        if new is not None:
            self.items[key] = new
        else:
            self.items.pop(key, None)
        before, after = _entries(old or {}), _entries(new or {})
        moved = sum(
            (name in before) + (name in after) for name in INDEXES if before.get(name) != after.get(name)
        )  # an entry that moves is removed and made
        return factor * max(_write_units(old or {}), _write_units(new or {})) + moved


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _entries(item: Item) -> dict[str, Item]:
    """The entries of the indexes that an item has."""
    return {
        name: {attribute: item[attribute] for attribute in ("pk", "sk", *keys)}
        for name, keys in INDEXES.items()
        if all(key in item for key in keys)
    }


def _write_units(item: Item) -> int:
    return max(1, ceil(size_of(item) / WRITE_UNIT_BYTES))


def _read_units(items: Sequence[Item]) -> float:
    """Of what is read together, strongly consistent."""
    return max(1, ceil(sum(map(size_of, items)) / READ_UNIT_BYTES))


# --- SQS --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Kept:
    """A message. `visible_us`: from when on it is delivered; `receives`: how often it was."""

    name: str
    body: str
    visible_us: int
    receives: int = 0
    receipt: str = ""


@dataclass
class MemoryQueues:
    """The queues of a store; each is there as soon as somebody asks for it."""

    now_us: int = 0
    kept: dict[str, list[Kept]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def find(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """GetQueueUrl."""
        self.kept.setdefault(asked["QueueName"], [])
        return {"QueueUrl": asked["QueueName"]}, {"sqs.request": 1}

    def send(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """SendMessageBatch."""
        for entry in asked["Entries"]:
            visible_us = self.now_us + entry.get("DelaySeconds", 0) * 1_000_000
            name = f"message-{next(self._numbers)}"
            self.kept[asked["QueueUrl"]].append(Kept(name, entry["MessageBody"], visible_us))
        return {"Successful": list(asked["Entries"])}, _requests(entry["MessageBody"] for entry in asked["Entries"])

    def receive(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """ReceiveMessage."""
        visible = [message for message in self.kept[asked["QueueUrl"]] if message.visible_us <= self.now_us]
        taken = visible[: asked["MaxNumberOfMessages"]]
        for message in taken:
            message.visible_us = self.now_us + asked["VisibilityTimeout"] * 1_000_000
            message.receives += 1
            message.receipt = f"{message.name}/{message.receives}"
        told = [
            {
                "MessageId": message.name,
                "ReceiptHandle": message.receipt,
                "Body": message.body,
                "MD5OfBody": md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                "Attributes": {"ApproximateReceiveCount": str(message.receives)},
            }
            for message in taken
        ]
        return ({"Messages": told} if told else {}), _requests(message.body for message in taken)

    def hide(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """ChangeMessageVisibility."""
        for message in self.kept[asked["QueueUrl"]]:
            if message.receipt == asked["ReceiptHandle"]:
                message.visible_us = self.now_us + asked["VisibilityTimeout"] * 1_000_000
        return {}, {"sqs.request": 1}

    def delete(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """DeleteMessage, DeleteMessageBatch."""
        receipts = {entry["ReceiptHandle"] for entry in asked.get("Entries", [asked])}
        kept = self.kept[asked["QueueUrl"]]
        kept[:] = [message for message in kept if message.receipt not in receipts]
        return {"Successful": []}, {"sqs.request": 1}


def _requests(bodies: Iterable[str]) -> Billed:
    """What a request with these messages is billed as."""
    return {"sqs.request": max(1, ceil(sum(len(body.encode()) for body in bodies) / REQUEST_BYTES))}


# --- S3 ---------------------------------------------------------------------------------------------------------------


class MemoryBucket:
    """The bucket of a store."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    @property
    def stored_bytes(self) -> int:
        """What its storage is billed for."""
        return sum(map(len, self.objects.values()))

    def put(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """PutObject."""
        self.objects[asked["Key"]] = asked["Body"]
        return {}, {"s3.put": 1}

    def get(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """GetObject."""
        if asked["Key"] not in self.objects:
            raise AwsError("NoSuchKey", "there is none", status=404)
        return {"Body": self.objects[asked["Key"]]}, {"s3.get": 1}

    def list(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """ListObjectsV2; billed as a PUT."""
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]))
        return {"Contents": [{"Key": key} for key in keys[: asked["MaxKeys"]]]}, {"s3.put": 1}

    def delete(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Billed]:
        """DeleteObjects; free of charge."""
        for entry in asked["Delete"]["Objects"]:
            self.objects.pop(entry["Key"], None)
        return {}, {}
