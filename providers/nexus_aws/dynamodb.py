"""The rows of a split store in one table of DynamoDB.

| attribute | what |
|---|---|
| ``pk``, ``sk`` | namespace and instance id; the row's key |
| ``v`` | its version |
| ``d`` | its data |
| ``ls``, ``l`` | where the row stands in the sparse index ``look``: a shard, and the time of the look in microseconds |
| ``cs``, ``c`` | where a head stands in the index ``created``: ``all`` or ``blocked``, and when it was created |

The one rule: a write of several rows is one transaction with an idempotency token, so that trying again is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

from nexus_aws.call import AwsError, PatientCall
from nexus_aws.limits import (
    DELETE_ROWS_MAX,
    GET_ROWS_MAX,
    ROW_BYTES_MAX,
    TRANSACTION_BYTES_MAX,
    TRANSACTION_ROWS_MAX,
)
from nexus_aws.s3 import Bucket
from nexus_sdk.errors import StoreError
from nexus_sdk.store.split.rows import HEAD, Row, Write

LOOK_SHARDS = 4
"""The index ``look`` has so many partitions: each takes a thousand writes a second."""

ALL, BLOCKED = "all", "blocked"
"""The partitions of the index ``created``. Blocked heads stand apart: every sweep looks for them."""

REFUSED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})


class DynamoRows:
    """See `Rows`.

    Args:
        call: to AWS.
        table: its name.
        bucket: where the blobs lie.
        token: a new idempotency token.
        namespace: what the keys of this store begin with.
    """

    row_bytes_max = ROW_BYTES_MAX
    transaction_bytes_max = TRANSACTION_BYTES_MAX
    transaction_rows_max = TRANSACTION_ROWS_MAX

    def __init__(
        self, call: PatientCall, table: str, bucket: Bucket, *, token: Callable[[], str], namespace: str = "default"
    ) -> None:
        self._call = call
        self._table = table
        self._token = token
        self._prefix = f"{namespace}/"
        self._has_table = False
        self.put_blobs = bucket.put_blobs
        self.get_blobs = bucket.get_blobs
        self.delete_blobs = bucket.delete_blobs

    # --- reading ----------------------------------------------------------------------------------------------------

    async def get(self, instance_id: str, keys: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.get`."""
        if len(keys) == 1:
            parameters = {"TableName": self._table, "Key": self._key(instance_id, keys[0]), "ConsistentRead": True}
            item = (await self._ask("GetItem", parameters)).get("Item")
            return {keys[0]: _row(item)} if item is not None else {}
        items = await self._get_all([self._key(instance_id, key) for key in keys])
        return {row.key: row for row in map(_row, items)}

    async def heads(self, instance_ids: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.heads`."""
        items = await self._get_all([self._key(instance_id, HEAD) for instance_id in dict.fromkeys(instance_ids)])
        return {self._instance_id(item): _row(item) for item in items}

    async def _get_all(self, keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(keys), GET_ROWS_MAX):
            left: Sequence[Any] = keys[start : start + GET_ROWS_MAX]
            attempt = 0
            while left:
                asked = {self._table: {"Keys": left, "ConsistentRead": True}}
                reply = await self._ask("BatchGetItem", {"RequestItems": asked})
                found += reply["Responses"].get(self._table, [])
                left = reply.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
                if left:
                    await self._call.patience.pause(attempt)
                    attempt += 1
        return found

    async def range(self, instance_id: str, first: str, last: str) -> Sequence[Row]:
        """See `Rows.range`."""
        parameters = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": {"S": self._prefix + instance_id},
                ":first": {"S": first},
                ":last": {"S": last},
            },
            "ConsistentRead": True,
        }
        return [_row(item) async for items in self._pages(parameters) for item in items]

    async def late(self, *, before_us: int, limit: int) -> Sequence[tuple[str, str]]:
        """See `Rows.late`."""
        found: list[tuple[int, str, str]] = []
        for shard in range(LOOK_SHARDS):
            parameters = {
                "TableName": self._table,
                "IndexName": "look",
                "KeyConditionExpression": "ls = :shard AND l <= :before",
                "ExpressionAttributeValues": {":shard": {"S": str(shard)}, ":before": {"N": str(before_us)}},
                "Limit": limit,
            }
            items = (await self._ask("Query", parameters))["Items"]
            found += [(int(item["l"]["N"]), self._instance_id(item), item["sk"]["S"]) for item in items]
        return [(instance_id, key) for _, instance_id, key in sorted(found)[:limit]]

    async def newest(
        self, before_us: int | None, *, only_blocked: bool = False
    ) -> AsyncIterator[Sequence[tuple[int, str]]]:
        """See `Rows.newest`."""
        kinds = (BLOCKED,) if only_blocked else (ALL, BLOCKED)
        async for portion in merged([self._newest_of(kind, before_us) for kind in kinds]):
            yield portion

    async def _newest_of(self, kind: str, before_us: int | None) -> AsyncIterator[Sequence[tuple[int, str]]]:
        condition = "cs = :kind" if before_us is None else "cs = :kind AND c <= :before"
        values: dict[str, Any] = {":kind": {"S": kind}}
        if before_us is not None:
            values[":before"] = {"N": str(before_us)}
        parameters = {
            "TableName": self._table,
            "IndexName": "created",
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": False,
            "Limit": GET_ROWS_MAX,
        }
        async for items in self._pages(parameters):
            if items:
                yield [(int(item["c"]["N"]), self._instance_id(item)) for item in items]

    async def _pages(self, parameters: Mapping[str, Any]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        start: Mapping[str, Any] = {}
        while True:
            reply = await self._ask("Query", {**parameters, **start})
            yield reply["Items"]
            if "LastEvaluatedKey" not in reply:
                return
            start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}

    # --- writing ----------------------------------------------------------------------------------------------------

    async def transact(self, instance_id: str, writes: Sequence[Write]) -> bool:
        """See `Rows.transact`. A single row needs no transaction: that costs half."""
        if len(writes) == 1 and not writes[0].is_check:
            ((kind, request),) = self._item_of(instance_id, writes[0]).items()
            return await self._is_made(f"{kind}Item", request)
        request = {
            "TransactItems": [self._item_of(instance_id, write) for write in writes],
            "ClientRequestToken": self._token(),
        }
        return await self._is_made("TransactWriteItems", request)

    async def _is_made(self, operation: str, request: Mapping[str, Any]) -> bool:
        try:
            await self._ask(operation, request)
        except AwsError as error:
            if error.code in REFUSED or REFUSED & set(error.reasons):
                return False
            raise
        return True

    def _item_of(self, instance_id: str, write: Write) -> dict[str, Any]:
        """The request for one row, by its kind: Put, Delete or ConditionCheck."""
        request: dict[str, Any] = {"TableName": self._table}
        if write.expected is not None:
            request["ConditionExpression"] = "v = :v" if write.expected else "attribute_not_exists(pk)"
            if write.expected:
                request["ExpressionAttributeValues"] = {":v": {"N": str(write.expected)}}
        elif write.is_check:
            request["ConditionExpression"] = "attribute_exists(pk)"
        key = self._key(instance_id, write.key)
        if write.data is None:
            return {"ConditionCheck" if write.is_check else "Delete": {**request, "Key": key}}
        item = {**key, "v": {"N": str((write.expected or 0) + 1)}, "d": {"B": write.data}}
        if write.look_at_us is not None:
            shard = crc32(instance_id.encode()) % LOOK_SHARDS
            item |= {"ls": {"S": str(shard)}, "l": {"N": str(write.look_at_us)}}
        if write.created_us is not None:
            item |= {"cs": {"S": BLOCKED if write.is_blocked else ALL}, "c": {"N": str(write.created_us)}}
        return {"Put": {**request, "Item": item}}

    async def delete(self, instance_id: str, keys: Sequence[str]) -> None:
        """See `Rows.delete`."""
        for start in range(0, len(keys), DELETE_ROWS_MAX):
            left: Sequence[Any] = [
                {"DeleteRequest": {"Key": self._key(instance_id, key)}} for key in keys[start : start + DELETE_ROWS_MAX]
            ]
            attempt = 0
            while left:
                reply = await self._ask("BatchWriteItem", {"RequestItems": {self._table: left}})
                left = reply.get("UnprocessedItems", {}).get(self._table, [])
                if left:
                    await self._call.patience.pause(attempt)
                    attempt += 1

    # --- the table itself ---------------------------------------------------------------------------------------------

    async def make(self) -> None:
        """Make the table where there is none, and wait until it can be used. Idempotent."""
        self._has_table = True
        attempt = 0
        while (status := await self._status()) != "ACTIVE":
            if status is None:
                try:
                    await self._call("dynamodb", "CreateTable", {"TableName": self._table, **SCHEMA})
                except AwsError as error:
                    if error.code != "ResourceInUseException":
                        raise _refused(error, self._table) from error
            else:
                await self._call.patience.pause(attempt)
                attempt += 1

    async def _status(self) -> str | None:
        try:
            reply = await self._call("dynamodb", "DescribeTable", {"TableName": self._table})
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise _refused(error, self._table) from error
        status: str = reply["Table"]["TableStatus"]
        return status

    # --- leaves -----------------------------------------------------------------------------------------------------

    async def _ask(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request; whoever finds that there is no table makes it."""
        try:
            try:
                return await self._call("dynamodb", operation, parameters)
            except AwsError as error:
                if error.code != "ResourceNotFoundException" or self._has_table:
                    raise
            await self.make()
            return await self._call("dynamodb", operation, parameters)
        except AwsError as error:
            if error.code in REFUSED or REFUSED & set(error.reasons):
                raise
            raise _refused(error, self._table) from error

    def _key(self, instance_id: str, key: str) -> dict[str, Any]:
        return {"pk": {"S": self._prefix + instance_id}, "sk": {"S": key}}

    def _instance_id(self, item: Mapping[str, Any]) -> str:
        instance_id: str = item["pk"]["S"]
        return instance_id.removeprefix(self._prefix)


SCHEMA: Mapping[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        *({"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "ls", "cs")),
        *({"AttributeName": name, "AttributeType": "N"} for name in ("l", "c")),
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [{"AttributeName": shard, "KeyType": "HASH"}, {"AttributeName": when, "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for name, shard, when in (("look", "ls", "l"), ("created", "cs", "c"))
    ],
}
"""What CreateTable is told beside the name."""


async def merged(lists: Sequence[AsyncIterator[Sequence[tuple[int, str]]]]) -> AsyncIterator[Sequence[tuple[int, str]]]:
    """Several lists, each newest first and in portions, as one."""
    open_lists = [(each, portion) for each in lists if (portion := await _next_of(each))]
    while open_lists:
        known_us = max(portion[-1][0] for _, portion in open_lists)  # nobody has anything newer that is not here
        yield sorted((entry for _, portion in open_lists for entry in portion if entry[0] >= known_us), reverse=True)
        left = [(each, [entry for entry in portion if entry[0] < known_us]) for each, portion in open_lists]
        refilled = [(each, portion or await _next_of(each)) for each, portion in left]
        open_lists = [(each, portion) for each, portion in refilled if portion]


async def _next_of(portions: AsyncIterator[Sequence[tuple[int, str]]]) -> list[tuple[int, str]]:
    """The next portion; empty: there is none."""
    async for portion in portions:
        return list(portion)
    return []


def _row(item: Mapping[str, Any]) -> Row:
    return Row(item["sk"]["S"], int(item["v"]["N"]), bytes(item["d"]["B"]))


def _refused(error: AwsError, table: str) -> StoreError:
    if error.code == "ResourceNotFoundException":
        return StoreError(
            f"There is no table {table!r} in this account and region any more.",
            hint="It was there, or was made, by this process. Check table, region and endpoint of the store URL.",
        )
    return StoreError(f"DynamoDB refused a request to the table {table!r}: {error}")
