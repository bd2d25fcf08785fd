"""The way forward: `commit` and `send`. Each function is one job's work.

The one rule: what may fail comes first; a job that fails is undone whole by its writer.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError
from nexus_sdk.store.port import (
    CancelTask,
    Commit,
    Committed,
    Delivery,
    InboxMessage,
    NewInstance,
    Send,
    Task,
)
from nexus_sdk.store.refusals import finished
from nexus_sdk.store.sqlite import leases
from nexus_sdk.store.sqlite.leases import Taker
from nexus_sdk.store.sqlite.work import Row, Work


def commit(work: Work, turn: Commit, taker: Taker | None) -> Committed:
    """Append, send, consume, settle and claim."""
    row = work.get(turn.record.id)
    if not _check_fence(work, row, turn):
        return Committed(tuple(leases.still_held(work, turn)), is_ready=_is_ready(work, row))
    work.settle(turn.settles)
    for batch in turn.batches:
        work.append(row.id, batch)
    work.replace(row, turn.record)
    work.consume(row, turn.consumed)
    if row.token is None or row.is_finished:
        row.free()
    tasks: dict[tuple[str, str], Task] = {}
    for message in turn.sends:
        _send(work, message, tasks)
    deliveries = leases.insert_tasks(work, tasks.values(), turn.claim, taker)
    work.flush()
    return Committed(tuple(deliveries), is_ready=_is_ready(work, row))


def _check_fence(work: Work, row: Row, turn: Commit) -> bool:
    """Whether the instance is where the turn was replayed from; False when this very commit was made before."""
    if (row.run_id, row.last_batch) == (turn.expected_run_id, turn.expected):
        return True
    if turn.batches and work.has(row.id, turn.batches[0]):
        return False
    raise ConflictError(
        f"{row.id}: the turn was replayed from batch {turn.expected} of run {turn.expected_run_id!r}, "
        f"the instance is at batch {row.last_batch} of run {row.run_id!r}.",
        hint="Load the instance again; nothing was written.",
    )


def _is_ready(work: Work, row: Row) -> bool:
    due_us = work.due_us(row)
    return due_us is not None and due_us <= work.now_us


def _send(work: Work, message: Send, tasks: dict[tuple[str, str], Task]) -> None:
    """Make one send. Tasks are gathered and written at the end, when it is known which of them the claim hands out."""
    match message:
        case InboxMessage():
            reply = work.offer(message)
            if reply is not None:
                work.offer(reply)
        case Task():
            if work.find(message.instance_id) is not None:
                tasks.setdefault((message.instance_id, message.id), message)
        case NewInstance():
            _send_instance(work, message)
        case CancelTask():
            was_gathered = tasks.pop((message.instance_id, message.task_id), None) is not None
            is_known = work.execute(
                "SELECT 1 FROM tasks WHERE instance_id = ? AND id = ?", (message.instance_id, message.task_id)
            ).fetchone()
            if leases.cancel(work, message) if is_known else was_gathered:
                work.offer(message.if_removed)


def _send_instance(work: Work, new: NewInstance) -> None:
    if work.is_buried(new.record):
        return
    row = work.find(new.record.id)
    if row is None:
        work.insert(new)
    elif row.request_id != new.record.request_id and new.if_refused is not None:
        work.offer(new.if_refused)


def send(work: Work, messages: Sequence[InboxMessage], settles: Sequence[Delivery]) -> None:
    """Accept messages, all or none."""
    for message in messages:
        row = work.get(message.instance_id)
        if row.is_finished and not work.knows(message):
            raise finished(row.id, Status(row.status))
    work.settle(settles)
    for message in messages:
        work.offer(message)
    work.flush()
