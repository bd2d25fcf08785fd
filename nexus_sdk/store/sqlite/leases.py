"""Tasks and leases: handing out, prolonging, giving back. Each function is one job's work.

The one rule: a lease that ran out keeps its token until somebody else takes it, and then it counts as an attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nexus_sdk.store.item import is_held_by, lost, until_us
from nexus_sdk.store.port import (
    LOCAL,
    TURNS,
    CancelTask,
    Claim,
    Commit,
    Delivery,
    Extended,
    Lease,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.store.sqlite.work import Work

PROMOTED_MAX = 1000
"""How many tasks that fell due one `receive` puts in line at most."""

READY_TURNS = "SELECT age_us, id FROM instances WHERE due_us = 0 ORDER BY age_us LIMIT ?"
DUE_TURNS = "SELECT due_us, id FROM instances WHERE due_us > 0 AND due_us <= ? ORDER BY due_us LIMIT ?"
NEXT_TURN = "SELECT due_us FROM instances WHERE due_us IS NOT NULL ORDER BY due_us LIMIT 1"
NEXT_WAITING = "SELECT due_us FROM tasks WHERE queue = ? AND is_waiting = 1 ORDER BY due_us LIMIT 1"
ANY_READY = "SELECT 1 FROM tasks WHERE queue = ? AND is_waiting = 0 LIMIT 1"
PROMOTE = """UPDATE tasks SET is_waiting = 0 WHERE seq IN (
    SELECT seq FROM tasks WHERE queue = ? AND is_waiting = 1 AND due_us <= ? ORDER BY due_us LIMIT ?)"""
_TASK = """id, queue, instance_id, run_id, body, not_before_us, attempt, priority, details,
    deliveries, is_cancel_requested, token"""
READY_TASKS = "SELECT seq FROM tasks WHERE queue = ? AND is_waiting = 0 ORDER BY priority DESC, seq LIMIT ?"
_LEASE_TASKS = f"""UPDATE tasks SET attempt = attempt + (token IS NOT NULL), deliveries = deliveries + 1,
    token = ? || seq, peer = ?, is_waiting = 1, due_us = ? WHERE seq IN ({READY_TASKS}) RETURNING seq, {_TASK}"""
_INSERT_TASK = """INSERT INTO tasks (instance_id, id, queue, run_id, priority, not_before_us, attempt, deliveries,
    is_cancel_requested, token, peer, is_waiting, due_us, details, body)
    VALUES (?,?,?,?,?,?,?,?,0,?,?,?,?,?,?) ON CONFLICT DO NOTHING"""
HELD_TASK = f"SELECT {_TASK} FROM tasks WHERE instance_id = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes leases: the lease asked for, the address of his process, and where tokens come from."""

    lease: Lease
    peer: str | None
    new_token: Callable[[], str]

    def token(self) -> str:
        """The next token."""
        return f"{self.lease.holder}/{self.new_token()}"


# --- handing out ------------------------------------------------------------------------------------------------------


def next_due_us(execute: Callable[..., Any], queues: Iterable[str], now_us: int) -> int | None:
    """When there is, or may be, something to deliver on these queues."""
    times: list[int] = []
    for queue in queues:
        if queue == TURNS:
            row = execute(NEXT_TURN).fetchone()
        elif execute(ANY_READY, (queue,)).fetchone() is not None:
            return now_us
        else:
            row = execute(NEXT_WAITING, (queue,)).fetchone()
        if row is not None:
            times.append(max(row[0], now_us))
    return min(times, default=None)


def receive(work: Work, queues: Sequence[str], limit: int, taker: Taker) -> tuple[Delivery, ...]:
    """Lease what is ready."""
    deliveries: list[Delivery] = []
    for queue in dict.fromkeys(queues):
        left = limit - len(deliveries)
        if left <= 0:
            break
        if queue == TURNS:
            deliveries.extend(_lease_turns(work, left, taker))
        else:
            work.execute(PROMOTE, (queue, work.now_us, PROMOTED_MAX))
            deliveries.extend(lease_tasks(work, queue, left, taker))
    work.flush()
    return tuple(deliveries)


def _lease_turns(work: Work, limit: int, taker: Taker) -> Iterator[TurnDelivery]:
    ready = work.execute(READY_TURNS, (limit,)).fetchall()
    due = work.execute(DUE_TURNS, (work.now_us, limit)).fetchall()
    for _, instance_id in sorted(ready + due)[:limit]:
        row = work.get(instance_id)
        row.token, row.until_us, row.peer = taker.token(), until_us(taker.lease, work.now_us), taker.peer
        row.is_dirty = True
        messages = work.messages(instance_id) if row.pending else ()
        loaded = work.loaded(row, messages) if row.last_batch == 1 else None
        yield TurnDelivery(instance_id, row.token, messages, row.run_id, row.last_batch, loaded)


def lease_tasks(work: Work, queue: str, limit: int, taker: Taker) -> list[TaskDelivery]:
    """Lease tasks of a queue that are in line, by priority, then by age. After a lost lease: as the next attempt."""
    until = until_us(taker.lease, work.now_us)
    rows = work.execute(_LEASE_TASKS, (f"{taker.token()}.", taker.peer, until, queue, limit)).fetchall()
    if rows:
        work.note_due(queue, until, is_free=False)
    rows.sort(key=lambda row: (-row[8], row[0]))  # by priority and seq: RETURNING promises no order
    return [_delivery(row[1:]) for row in rows]


def _delivery(row: Sequence[Any]) -> TaskDelivery:
    *fields, deliveries, is_cancel_requested, token = row
    return TaskDelivery(Task(*fields), token, deliveries, bool(is_cancel_requested))


def insert_tasks(work: Work, tasks: Iterable[Task], claim: Claim | None, taker: Taker | None) -> list[TaskDelivery]:
    """Tasks just sent; returns those that the claim hands out, already leased, then older ones up to its limit."""
    handed: list[Task] = []
    others: list[tuple[Any, ...]] = []
    left = claim.limit if claim is not None else 0
    for task in tasks:
        is_local = task.queue == LOCAL
        is_wanted = claim is not None and (is_local or (left > 0 and task.queue in claim.queues))
        if is_wanted and task.not_before_us <= work.now_us:
            handed.append(task)
            left -= not is_local
        else:
            is_waiting = task.not_before_us > work.now_us
            others.append(_row(task, None, None, task.not_before_us, is_waiting=is_waiting))
            work.note_due(task.queue, task.not_before_us, is_free=True)
    if others:
        work.executemany(_INSERT_TASK, others)
    if claim is None or taker is None:
        return []
    deliveries = _insert_leased(work, handed, taker) if handed else []
    left = claim.limit - sum(made.task.queue != LOCAL for made in deliveries)  # some may have been sent before
    if left > 0:
        for queue in sorted(claim.queues - {TURNS}):
            work.execute(PROMOTE, (queue, work.now_us, PROMOTED_MAX))
            older = lease_tasks(work, queue, left, taker)
            left -= len(older)
            deliveries.extend(older)
    return deliveries


def _insert_leased(work: Work, tasks: Sequence[Task], taker: Taker) -> list[TaskDelivery]:
    until = until_us(taker.lease, work.now_us)
    deliveries = [TaskDelivery(task, taker.token()) for task in tasks]
    rows = [_row(made.task, made.token, taker.peer, until, is_waiting=True) for made in deliveries]
    inserted = work.executemany(_INSERT_TASK, rows).rowcount
    if inserted < len(rows):  # some were there already: whoever has them keeps them
        deliveries = [made for made in deliveries if _is_held(work, made)]
    for queue in {made.task.queue for made in deliveries}:
        work.note_due(queue, until, is_free=False)
    return deliveries


def _is_held(work: Work, delivery: TaskDelivery) -> bool:
    row = work.execute(HELD_TASK, (delivery.task.instance_id, delivery.task.id)).fetchone()
    return row is not None and row[-1] == delivery.token


def _row(task: Task, token: str | None, peer: str | None, due_us: int, *, is_waiting: bool) -> tuple[Any, ...]:
    return (
        task.instance_id,
        task.id,
        task.queue,
        task.run_id,
        task.priority,
        task.not_before_us,
        task.attempt,
        int(token is not None),
        token,
        peer,
        is_waiting,
        due_us,
        task.details,
        task.body,
    )


def still_held(work: Work, turn: Commit) -> Iterator[TaskDelivery]:
    """For a commit that is repeated: the tasks that it sent and that its claim's holder has, in order."""
    if turn.claim is None:
        return
    for key in dict.fromkeys((send.instance_id, send.id) for send in turn.sends if isinstance(send, Task)):
        row = work.execute(HELD_TASK, key).fetchone()
        if row is None:
            continue
        held = _delivery(row)
        if is_held_by(held.token, turn.claim.lease.holder):
            yield held


# --- holding ----------------------------------------------------------------------------------------------------------


def extend(work: Work, delivery: Delivery, lease: Lease, details: bytes | None) -> Extended:
    """Prolong a lease that nobody else has taken."""
    until = until_us(lease, work.now_us)
    if isinstance(delivery, TurnDelivery):
        row = work.find(delivery.instance_id)
        if row is None or row.token != delivery.token:
            return Extended(is_lost=True)
        row.until_us, row.is_dirty = until, True
        work.flush()
        return Extended()
    task = delivery.task
    updated = work.execute(
        """UPDATE tasks SET is_waiting = 1, due_us = ?, details = coalesce(?, details)
           WHERE instance_id = ? AND id = ? AND token = ? RETURNING is_cancel_requested""",
        (until, details, task.instance_id, task.id, delivery.token),
    ).fetchall()
    if not updated:
        return Extended(is_lost=True)
    work.note_due(task.queue, until, is_free=False)
    return Extended(is_cancel_requested=bool(updated[0][0]))


def retry(work: Work, delivery: TaskDelivery, task: Task) -> None:
    """The next attempt takes the place of the failed one."""
    updated = work.execute(
        """UPDATE tasks SET queue = ?, run_id = ?, priority = ?, not_before_us = ?, attempt = ?, deliveries = 0,
           token = NULL, peer = NULL, is_waiting = ?, due_us = ?, details = ?, body = ?
           WHERE instance_id = ? AND id = ? AND token = ?""",
        (
            task.queue,
            task.run_id,
            task.priority,
            task.not_before_us,
            task.attempt,
            task.not_before_us > work.now_us,
            task.not_before_us,
            task.details,
            task.body,
            delivery.task.instance_id,
            delivery.task.id,
            delivery.token,
        ),
    )
    if updated.rowcount == 0:
        raise lost(delivery)
    work.note_due(task.queue, task.not_before_us, is_free=True)


def release(work: Work, delivery: Delivery, not_before_us: int | None) -> None:
    """Give a delivery back as if it had never been made."""
    if isinstance(delivery, TurnDelivery):
        row = work.find(delivery.instance_id)
        if row is not None and row.token == delivery.token:
            row.free(not_before_us)
            work.flush()
        return
    task = delivery.task
    due_us = max(not_before_us or 0, task.not_before_us)
    updated = work.execute(
        """UPDATE tasks SET token = NULL, peer = NULL, deliveries = deliveries - 1, is_waiting = ?, due_us = ?
           WHERE instance_id = ? AND id = ? AND token = ?""",
        (due_us > work.now_us, due_us, task.instance_id, task.id, delivery.token),
    )
    if updated.rowcount:
        work.note_due(task.queue, due_us, is_free=True)


def ack(work: Work, delivery: Delivery) -> None:
    """Settle a delivery without a turn."""
    if isinstance(delivery, TurnDelivery):
        release(work, delivery, None)
    else:
        work.execute(
            "DELETE FROM tasks WHERE instance_id = ? AND id = ? AND token = ?",
            (delivery.task.instance_id, delivery.task.id, delivery.token),
        )


def cancel(work: Work, message: CancelTask) -> bool:
    """Remove a task that nobody holds, mark one that is held; whether it was removed."""
    key = (message.instance_id, message.task_id)
    removed = work.execute("DELETE FROM tasks WHERE instance_id = ? AND id = ? AND token IS NULL", key)
    if removed.rowcount:
        return True
    work.execute("UPDATE tasks SET is_cancel_requested = 1 WHERE instance_id = ? AND id = ?", key)
    return False


def free_peer(work: Work, peer: str) -> None:
    """A process has died: all its leases have run out."""
    work.execute("DELETE FROM peers WHERE id = ?", (peer,))
    tasks = work.execute("UPDATE tasks SET due_us = 0, peer = NULL WHERE is_waiting = 1 AND peer = ?", (peer,))
    turns = work.execute("SELECT id FROM instances WHERE peer = ?", (peer,)).fetchall()
    for (instance_id,) in turns:
        row = work.get(instance_id)
        row.until_us, row.peer, row.is_dirty = None, None, True
    work.flush()
    work.effects.has_ready |= bool(turns) or tasks.rowcount > 0
