"""What a turn's events imply: tasks, cancellations, children, events to others, and the word to the parent.

A pure function of the events and of what was pending before: so whoever has the history knows what was to be sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.projection import Projection
from nexus_sdk.core.request import ActivityRequest, task_id
from nexus_sdk.engine.birth import Start, inbox_message, new_instance
from nexus_sdk.errors import InstanceExists, InstanceFinished, InstanceNotFound
from nexus_sdk.store.port import LOCAL, CancelTask, InboxMessage, InstanceRecord, Send, Task


def sends_of(record: InstanceRecord, events: Sequence[e.Event], after: Projection, *, now_us: int) -> Iterator[Send]:
    """The sends of a turn, in order. What was asked for and given up, or answered, in the same turn sends nothing.

    Args:
        record: the instance (before or after the turn: only its identity is read).
        after: the projection after the turn's events.
    """
    fresh = {event.path for event in events if isinstance(event, e.ActivityScheduled | e.ChildScheduled)}
    for event in events:
        match event:
            case e.ActivityScheduled(path=path) if path in after.activities and path not in after.cancelling:
                yield _task(record, event, now_us)
            case e.ActivityCancelRequested(path=path) if path not in fresh and path in after.activities:
                yield _cancel_task(record, path)
            case e.ChildScheduled(path=path) if path in after.children:
                yield _child(record, event, now_us=now_us)
            case e.ChildCancelRequested(path=path) if path not in fresh and path in after.stopping:
                yield _cancel_child(record, after.stopping[path])
            case e.EventSent(path=path) if path in after.sends:
                yield _event(record, event)
            case _ if event.is_terminal:
                yield from _word(record, event)


def sends_of_termination(record: InstanceRecord, end: e.WorkflowTerminated, pending: Projection) -> Iterator[Send]:
    """For a run that is ended without its code having a say: cancel whatever it has pending, tell the parent."""
    for path in pending.activities:
        yield _cancel_task(record, path)
    for child in pending.children.values():
        if not child.detached:
            yield _cancel_child(record, child)
    yield from _word(record, end)


def ends_of_given_up(record: InstanceRecord, pending: Projection) -> Iterator[InboxMessage]:
    """For a run that begins with another one's history: activities that were being cancelled there are not begun here,
    and have ended.
    """
    for path in pending.activities:
        if path in pending.cancelling:
            yield _cancelled(record, path)


def _word(record: InstanceRecord, end: e.Event) -> Iterator[InboxMessage]:
    """How the end of a child is told to its parent."""
    parent = record.parent
    if parent is None:
        return
    outcome: e.Event
    match end:
        case e.WorkflowCompleted(result=result):
            outcome = e.ChildCompleted(parent.path, result)
        case e.WorkflowFailed(failure=failure):
            outcome = e.ChildFailed(parent.path, failure)
        case e.WorkflowCancelled(reason=reason):
            outcome = e.ChildFailed(parent.path, Failure("WorkflowCancelled", reason, code="NX312"))
        case e.WorkflowTerminated(reason=reason):
            outcome = e.ChildFailed(parent.path, Failure("WorkflowTerminated", reason, code="NX313"))
        case _:
            return
    yield inbox_message(f"{parent.run_id}:{parent.path}:end", parent.instance_id, outcome, run_id=parent.run_id)


def _task(record: InstanceRecord, event: e.ActivityScheduled, now_us: int) -> Task:
    request = ActivityRequest(
        record.id,
        record.run_id,
        event.path,
        record.workflow,
        record.version,
        event.name,
        event.arguments,
        event.options,
        now_us,
    )
    queue = LOCAL if event.options.local else event.options.task_queue
    id = task_id(record.run_id, event.path)
    return Task(id, queue, record.id, record.run_id, wire.encode_request(request), now_us, priority=record.priority)


def _cancel_task(record: InstanceRecord, path: str) -> CancelTask:
    return CancelTask(task_id(record.run_id, path), record.id, _cancelled(record, path))


def _cancelled(record: InstanceRecord, path: str) -> InboxMessage:
    id = task_id(record.run_id, path)
    return inbox_message(f"{id}:end", record.id, e.ActivityCancelled(path), run_id=record.run_id)


def _child(record: InstanceRecord, event: e.ChildScheduled, *, now_us: int) -> Send:
    parent = e.ParentRef(record.id, record.run_id, event.path)
    start = Start(
        event.instance_id,
        event.workflow,
        event.version,
        event.arguments,
        request_id=f"{record.run_id}:{event.path}",
        timeout_us=event.timeout_us,
        parent=parent,
        is_detached=event.detached,
        root=record.root,
    )
    # The run id need not be random: a request for a child is unique, and so is what is made of it.
    run_id = f"{record.run_id}.{event.path}"
    new = new_instance(start, run_id=run_id, turn_id=run_id, now_us=now_us)
    taken = Failure(
        "InstanceExists",
        f"another instance has the id {event.instance_id!r}. Where an earlier {record.id!r} left it, which was purged: "
        f"purge it, too. Otherwise give the child an id that is free: .options(id=…).",
        lineage=("nexus_sdk.errors:InstanceExists",),
        code=InstanceExists.code,
        retryable=False,
    )
    refused = inbox_message(
        f"{record.run_id}:{event.path}:refused", record.id, e.ChildFailed(event.path, taken), run_id=record.run_id
    )
    return replace(new, if_refused=refused)


def _cancel_child(record: InstanceRecord, child: e.ChildScheduled) -> InboxMessage:
    parent = e.ParentRef(record.id, record.run_id, child.path)
    request = e.CancelRequested(f"its parent {record.id} no longer waits for it", parent)
    return inbox_message(f"{record.run_id}:{child.path}:cancel", child.instance_id, request)


def _event(record: InstanceRecord, event: e.EventSent) -> InboxMessage:
    id = f"{record.run_id}:{event.path}"
    missing = Failure("InstanceNotFound", f"there is no instance {event.target!r}", code=InstanceNotFound.code)
    finished = Failure(
        "InstanceFinished", f"{event.target!r} has finished and takes no more events", code=InstanceFinished.code
    )

    def reply(outcome: e.Event) -> InboxMessage:
        return inbox_message(f"{id}:sent", record.id, outcome, run_id=record.run_id)

    return inbox_message(
        id,
        event.target,
        e.EventReceived(event.name, event.payload, id),
        is_remembered=True,
        if_accepted=reply(e.EventDelivered(event.path)),
        if_refused=reply(e.EventRefused(event.path, missing)),
        if_finished=reply(e.EventRefused(event.path, finished)),
    )
