"""What lies in the rows of a split store, as bytes. The one rule: fields are only ever appended.

msgpack arrays. A reader fills in what an older writer did not know.
"""

from __future__ import annotations

from typing import Any

import msgpack

from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store import records
from nexus_sdk.store.item import Hold, TaskState
from nexus_sdk.store.port import CancelTask, InboxMessage, NewInstance, Send, StoredBatch, Task
from nexus_sdk.store.split.item import Entry

MESSAGE, TASK, INSTANCE, CANCEL = range(4)
"""The kinds of sends."""


def pack(value: Any) -> bytes:
    """Plain values as bytes."""
    packed: bytes = msgpack.packb(value)
    return packed


def unpack(data: bytes, what: str) -> Any:
    """The values in a row.

    Raises:
        HistoryCorruptedError: these are not the bytes of any.
    """
    try:
        return msgpack.unpackb(data, use_list=False, strict_map_key=False)
    except Exception as error:  # garbage fails in too many ways to list
        raise HistoryCorruptedError(
            f"{len(data):,} bytes are not {what} ({type(error).__name__}: {error!s:.200}).",
            hint="The table was changed by something else, or a newer version wrote it.",
        ) from error


# --- messages -------------------------------------------------------------------------------------------------------


def plain_message(message: InboxMessage | None) -> Any:
    """A message with its replies."""
    if message is None:
        return None
    replies = (message.if_accepted, message.if_refused, message.if_finished)
    return (
        message.id,
        message.instance_id,
        message.body,
        message.is_remembered,
        *(plain_message(reply) for reply in replies),
        message.accepted_at_us,
        message.number,
    )


def message_of(plain: Any) -> InboxMessage | None:
    """The reverse of `plain_message`."""
    if plain is None:
        return None
    id, instance_id, body, is_remembered, accepted, refused, finished, accepted_at_us, number = plain[:9]
    return InboxMessage(
        id,
        instance_id,
        body,
        is_remembered,
        if_accepted=message_of(accepted),
        if_refused=message_of(refused),
        if_finished=message_of(finished),
        accepted_at_us=accepted_at_us,
        number=number,
    )


def certain_message(plain: Any) -> InboxMessage:
    """A message that is there."""
    message = message_of(plain)
    assert message is not None
    return message


# --- tasks ------------------------------------------------------------------------------------------------------------


def plain_task(task: Task) -> Any:
    """What was asked for."""
    return (
        task.id,
        task.queue,
        task.instance_id,
        task.run_id,
        task.body,
        task.not_before_us,
        task.attempt,
        task.priority,
        task.details,
    )


def task_of(plain: Any) -> Task:
    """The reverse of `plain_task`."""
    return Task(*plain[:9])


def plain_state(state: TaskState, sent_attempt: int, rung: tuple[int, int], incarnation: int) -> Any:
    """A task, who has it, which of its attempts lies on the queue, and of which incarnation of its item it is."""
    hold = state.hold
    return (
        plain_task(state.task),
        state.seq,
        hold.token,
        hold.until_us,
        state.deliveries,
        state.is_cancel_requested,
        state.dead_letter,
        sent_attempt,
        *rung,
        incarnation,
    )


def state_of(plain: Any) -> tuple[TaskState, int, tuple[int, int], int]:
    """The reverse of `plain_state`."""
    task, seq, token, until_us, deliveries, is_cancel_requested, dead_letter, sent_attempt, rings, rung_us = plain[:10]
    state = TaskState(task_of(task), seq, Hold(token, until_us), deliveries, is_cancel_requested, dead_letter)
    return state, sent_attempt, (rings, rung_us), plain[10]


# --- batches and the outbox -----------------------------------------------------------------------------------------


def plain_batch(batch: StoredBatch) -> Any:
    """A batch."""
    return (batch.run_id, batch.number, batch.turn_id, batch.data)


def batch_of(plain: Any) -> StoredBatch:
    """The reverse of `plain_batch`."""
    return StoredBatch(*plain[:4])


def plain_send(send: Send) -> Any:
    """Something that a turn sends."""
    match send:
        case InboxMessage():
            return (MESSAGE, plain_message(send))
        case Task():
            return (TASK, plain_task(send))
        case NewInstance():
            return (
                INSTANCE,
                records.pack(send.record),
                plain_batch(send.batch),
                plain_message(send.message),
                plain_message(send.if_refused),
            )
        case CancelTask():
            return (CANCEL, send.task_id, send.instance_id, plain_message(send.if_removed))


def send_of(plain: Any) -> Send:
    """The reverse of `plain_send`."""
    kind, *fields = plain
    if kind == MESSAGE:
        return certain_message(fields[0])
    if kind == TASK:
        return task_of(fields[0])
    if kind == INSTANCE:
        record, batch, message, if_refused = fields[:4]
        return NewInstance(records.unpack(record), batch_of(batch), message_of(message), message_of(if_refused))
    if kind == CANCEL:
        return CancelTask(fields[0], fields[1], certain_message(fields[2]))
    raise HistoryCorruptedError(f"a send of the kind {kind} is not known here.", hint="A newer version wrote it.")


def plain_sends(entry: Entry) -> Any:
    """What a batch sends to others."""
    return [plain_send(send) for send in entry.sends]


def sends_of(plain: Any) -> tuple[Send, ...]:
    """The reverse of `plain_sends`."""
    return tuple(send_of(send) for send in plain)
