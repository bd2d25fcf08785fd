"""What the function's role may do, and which operation needs it. The one rule: a line without a reason is not there.

A test records what the store asks of AWS and holds it against these lines, both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class On(StrEnum):
    """What a permission is for."""

    TABLE = "the table"
    INDEXES = "its indexes"
    QUEUES = "the queues of bells and activities"
    SERVED_QUEUES = "the queues that the function is fed from"
    DEAD_QUEUE = "the queue of dead letters"
    OBJECTS = "the objects of the bucket"
    BUCKET = "the bucket"
    LOG = "the function's log"


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on something.

    Attributes:
        operations: of AWS, that need it; empty: AWS itself does it in the role's name.
        reason: what for.
    """

    action: str
    on: On
    operations: tuple[str, ...]
    reason: str


_WRITES = ("PutItem", "TransactWriteItems")
_ERASES = ("DeleteItem", "TransactWriteItems")

PERMISSIONS = (
    Permission("dynamodb:GetItem", On.TABLE, ("GetItem",), "reads one row of an instance"),
    Permission("dynamodb:BatchGetItem", On.TABLE, ("BatchGetItem",), "reads several rows"),
    Permission("dynamodb:Query", On.TABLE, ("Query",), "reads a history"),
    Permission("dynamodb:PutItem", On.TABLE, _WRITES, "a turn: appends to a history"),
    Permission("dynamodb:DeleteItem", On.TABLE, _ERASES, "a turn: takes away what it has consumed"),
    Permission("dynamodb:ConditionCheckItem", On.TABLE, ("TransactWriteItems",), "a turn of very many rows: its fence"),
    Permission("dynamodb:BatchWriteItem", On.TABLE, ("BatchWriteItem",), "takes away what a turn of many has consumed"),
    Permission("dynamodb:Query", On.INDEXES, ("Query",), "the sweep: what is due; lists of instances"),
    Permission("sqs:GetQueueUrl", On.QUEUES, ("GetQueueUrl",), "finds a queue by its name"),
    Permission("sqs:SendMessage", On.QUEUES, ("SendMessageBatch",), "rings for instances, sends activities"),
    Permission(
        "sqs:ChangeMessageVisibility",
        On.SERVED_QUEUES,
        ("ChangeMessageVisibility",),
        "keeps the message of an activity that runs; gives back what is not done",
    ),
    Permission("sqs:ReceiveMessage", On.SERVED_QUEUES, (), "Lambda feeds the function"),
    Permission("sqs:DeleteMessage", On.SERVED_QUEUES, (), "Lambda takes away what was answered"),
    Permission("sqs:GetQueueAttributes", On.SERVED_QUEUES, (), "Lambda looks how much there is"),
    Permission("sqs:GetQueueUrl", On.DEAD_QUEUE, ("GetQueueUrl",), "finds it by its name"),
    Permission("sqs:ReceiveMessage", On.DEAD_QUEUE, ("ReceiveMessage",), "the sweep: heeds dead letters"),
    Permission("sqs:DeleteMessage", On.DEAD_QUEUE, ("DeleteMessage",), "the sweep: takes away those it has heeded"),
    Permission("s3:PutObject", On.OBJECTS, ("PutObject",), "large values"),
    Permission("s3:GetObject", On.OBJECTS, ("GetObject",), "large values"),
    Permission("s3:ListBucket", On.BUCKET, ("GetObject",), "tells a value that is gone from one that is refused"),
    Permission("logs:CreateLogStream", On.LOG, (), "Lambda begins a log"),
    Permission("logs:PutLogEvents", On.LOG, (), "Lambda writes the log"),
)
