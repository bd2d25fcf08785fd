"""What must hold when everything is at rest: nobody works, nothing is due, no fault is to come (section 9: Q).

Each check is a pure function of what the witness has seen, what the ledger was told, and what clients were promised.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.request import task_id
from nexus_sdk.core.status import Status
from nexus_sdk.store.item import Item, TaskState
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.item import SplitItem
from nexus_sdk.testing.laws import Run
from nexus_sdk.testing.simulation.passing import GRACE_US
from nexus_sdk.testing.simulation.record import Ledger
from nexus_sdk.testing.simulation.witness import Seen, Witness
from nexus_sdk.testing.stuck import open_waits

_OWN_ENDS = (e.WorkflowCompleted, e.WorkflowFailed, e.WorkflowCancelled, e.ContinuedAsNew)
"""How code ends a run: then its clean-up is over."""

AT_MOST_ONCE = frozenset({"once"})


def breaches_at_rest(
    witness: Witness,
    ledger: Ledger,
    promised: Mapping[str, Sequence[str]],
    *,
    now_us: int,
    may_block: bool,
    told_of: Collection[str],
) -> list[str]:
    """Everything that does not hold, in words.

    Args:
        witness: what has reached the store.
        ledger: what activities did.
        promised: of each instance, the ids of the events that its clients were told are accepted.
        now_us: the time.
        may_block: code was deployed that cannot go on with what other code did.
        told_of: the instances that the log has a warning of.
    """
    alive = [seen for seen in witness.instances if not seen.is_purged and not seen.damaged]
    by_id = {seen.item.record.id: seen for seen in witness.instances if not seen.is_purged}
    said: list[str] = []
    for seen in alive:
        said += _unfinished_business(seen, by_id, now_us)
        said += _children(seen, by_id)
        if seen.item.record.status is Status.BLOCKED and not may_block:
            blocks = [event for _, event in seen.present.events() if isinstance(event, e.WorkflowBlocked)]
            why = blocks[-1].failure.message if blocks else "nobody knows why"
            said.append(f"law 7, {seen.item.record.id} is blocked: {why}")
    for seen in witness.instances:
        if not seen.damaged:
            said += _inputs(seen)
            said += _carried(seen)
            said += _sagas(seen)
            said += _cleanups(seen)
        elif not seen.is_purged:
            said += _damaged(seen, told_of, now_us)
    said += _promises(witness, promised)
    said += _effects(witness, ledger)
    if isinstance(witness.store, SplitMemoryStore):
        said += [f"law 9, {seen.item.record.id}: sends are left to be made" for seen in alive if _is_behind(seen)]
    return said


# --- laws 7, 8, 9: nothing is stuck -----------------------------------------------------------------------------------


def _unfinished_business(seen: Seen, by_id: Mapping[str, Seen], now_us: int) -> Iterator[str]:
    item = seen.item
    record = item.record
    where = record.id
    for id, state in item.tasks.items():
        # A task of a finished instance may lie there, cancelled, until somebody looks: but by now somebody has.
        yield f"law 9, {where}: task {id} was not done ({'held' if state.hold.token else 'ready'})"
    if item.turn.token is not None and not item.turn.is_free(now_us):
        yield f"law 9, {where}: its turn is still held"
    if record.status.is_held:
        orders = [message.id for message in item.inbox.values() if message.id.startswith(("resume:", "terminate:"))]
        if orders:
            yield f"law 9, {where} is {record.status}, and this was not delivered: {orders}"
    if record.status.is_finished or record.status.is_held:
        return
    if item.inbox:
        names = [message.id for message in item.inbox.values()]
        yield f"law 9, {where}: messages were not delivered: {names}"
    if record.wake_at_us is not None and record.wake_at_us <= now_us:
        yield f"law 8, {where}: a timer is overdue by {(now_us - record.wake_at_us) / 1e6:g} s"
    waits = open_waits(event for _, event in seen.present.events())
    if not waits:
        yield f"law 7, {where} is {record.status} and waits for nothing"
    elif not any(_is_justified(wait, by_id) for wait in waits):
        yield f"law 7, {where} is {record.status} and waits in vain for {[type(wait).__name__ for wait in waits]}"


def _is_justified(wait: e.Output, by_id: Mapping[str, Seen]) -> bool:
    match wait:
        case e.EventAwaited():
            return True  # that has not come: its inbox is empty
        case e.ChildScheduled(instance_id=id):
            child = by_id.get(id)
            return child is not None and not child.item.record.status.is_finished
        case e.TimerStarted():
            return False  # all timers have fired by now
        case _:
            return False


def _is_behind(seen: Seen) -> bool:
    return bool(cast("Any", seen.item).is_behind)


def _damaged(seen: Seen, told_of: Collection[str], now_us: int) -> Iterator[str]:
    """What was damaged is put aside visibly, or has nothing to be done for which it would have to be read.

    A task that nobody can read is left lying: a later release may know better. The log says so.
    """
    looked_at = [id for id, state in seen.item.tasks.items() if _look_at_us(seen.item, state) <= now_us]
    if looked_at and seen.item.record.id not in told_of:
        yield f"law 13, {seen.item.record.id}: its tasks lie there, and nobody was told why"
    record = seen.item.record
    is_waiting = not seen.item.inbox and (record.wake_at_us is None or record.wake_at_us > now_us)
    is_waiting |= not seen.item.turn.is_free(now_us)  # who held it had a wrong clock, and is gone
    if not (record.status.is_finished or record.status.is_held or is_waiting):
        yield f"law 13, {record.id} was damaged ({sorted(seen.damaged)}) and is {record.status}, with work to do"
    is_to_end = any(message.id.startswith("terminate:") for message in seen.item.inbox.values())
    if record.status.is_held and is_to_end and not is_waiting:
        yield f"law 13, {record.id} was damaged ({sorted(seen.damaged)}), was to be terminated, and is {record.status}"


def _look_at_us(item: Item, state: TaskState) -> int:
    """When somebody looks at a task, its message lost or not."""
    return item.task_look_at_us(state, GRACE_US) if isinstance(item, SplitItem) else state.due_us()


# --- law 11: families -------------------------------------------------------------------------------------------------


def _children(seen: Seen, by_id: Mapping[str, Seen]) -> Iterator[str]:
    record = seen.item.record
    parent_ref = record.parent
    parent = by_id.get(parent_ref.instance_id) if parent_ref is not None else None
    if parent_ref is None or parent is None or parent.damaged:
        return
    theirs = parent.item.record
    run = next((run for run in parent.ordered if run.run_id == parent_ref.run_id), None)
    if run is None:
        return  # the parent was purged, and another has its id
    has_ended = theirs.run_id != parent_ref.run_id or theirs.status.is_finished
    if has_ended and not record.is_detached and not (record.status.is_finished or record.status.is_held):
        yield f"law 11, {record.id}: its parent {theirs.id} has ended, and it is {record.status}"
    asks = {event.path for _, event in run.events() if isinstance(event, e.ChildCancelRequested)}
    if record.is_detached and parent_ref.path not in asks:
        for _, event in seen.present.events():
            if isinstance(event, e.CancelRequested) and event.parent == parent_ref:
                yield f"law 11, {record.id}: it is detached, and the end of its parent {theirs.id} has cancelled it"
    told = [
        event
        for _, event in run.events()
        if isinstance(event, e.ChildCompleted | e.ChildFailed | e.ChildCancelRequested)
        and event.path == parent_ref.path
    ]
    word = f"{parent_ref.run_id}:{parent_ref.path}:end"
    ends = [run.end for run in seen.ordered if run.end is not None and not isinstance(run.end, e.ContinuedAsNew)]
    if (told_times := parent.acceptances[word]) > len(ends):
        yield f"law 11, {record.id}: it has ended {len(ends)} times, and told its parent {told_times} times"
    # Nobody may be waiting for a detached child any more: then its word is taken, and changes nothing.
    has_word = record.is_detached and word in parent.numbers
    if record.status.is_finished and not (has_ended or theirs.status.is_held or told or has_word):
        yield f"law 11, {record.id}: it has ended, and its parent {theirs.id} was not told"


# --- law 6: inputs ----------------------------------------------------------------------------------------------------


def _inputs(seen: Seen) -> Iterator[str]:
    """What was accepted is in a history, in the order of acceptance, or lies in the inbox, or came too late."""
    where = seen.item.record.id
    causes = Counter(
        cause
        for run in seen.ordered
        if run.created is None or run.created.origin != "rewind"  # that one copies its causes
        for batch in run.batches
        for cause in batch.header.causes
    )
    pending = {message.id for message in seen.item.inbox.values()}
    received: list[str] = []
    for run in seen.ordered:
        for _, event in run.events():
            if isinstance(event, e.EventReceived) and event.event_id and event.event_id not in received:
                received.append(event.event_id)
    numbers = [seen.numbers.get(f"event:{id}", seen.numbers.get(id)) for id in received]
    known = [number for number in numbers if number is not None]
    if known != sorted(known):
        yield f"law 6, {where}: events were taken in the order {received}, which is not that of their acceptance"
    for run in seen.ordered:
        for batch in run.batches if run.created is None or run.created.origin != "rewind" else ():
            is_taken = any(isinstance(event, e.CancelRequested) or event.is_terminal for event in batch.events)
            if not is_taken and any(_is_cancel(seen, cause) for cause in batch.header.causes):
                yield f"law 6, {where}: batch {batch.header.number} has consumed a cancel, and says nothing of it"
    said = {cause for run in seen.ordered for batch in run.batches for cause in batch.header.causes}
    for id, number in seen.numbers.items():
        if _is_cancel(seen, id) and id not in said and id not in pending:
            yield f"law 6, {where}: message {number} ({id}) was accepted, and no batch says so"
        if id.startswith("event:") and causes[id] > 1:
            yield f"law 6, {where}: message {id} was consumed {causes[id]} times"
        is_over = seen.item.record.status.is_finished or seen.is_purged
        if id.startswith("event:") and not causes[id] and id not in pending and not is_over:
            if id.removeprefix("event:") not in received:
                yield f"law 6, {where}: message {number} ({id}) was accepted, and is nowhere"


def _is_cancel(seen: Seen, id: str) -> bool:
    """Whether a message with this id asks the instance to cancel itself: from a client, or from its parent."""
    parent = seen.item.record.parent
    return id.startswith("cancel:") or (parent is not None and id == f"{parent.run_id}:{parent.path}:cancel")


def _carried(seen: Seen) -> Iterator[str]:
    """Across continue-as-new: what a run has not read, the next one has."""
    runs = seen.ordered
    for earlier, later in pairwise(runs):
        if not isinstance(earlier.end, e.ContinuedAsNew) or later.created is None:
            continue
        unread = [event.event_id for event in _unread(earlier)]
        carried = [event.event_id for event in later.created.carried if isinstance(event, e.EventReceived)]
        if unread != carried:
            yield f"law 6, {seen.item.record.id}: the events {unread} were unread, {carried} were carried over"


def _unread(run: Run) -> list[e.EventReceived]:
    """The events that no wait of this run has taken."""
    buffered: list[e.EventReceived] = []
    waits: dict[str, str] = {}
    for _, event in run.events():
        match event:
            case e.WorkflowCreated(carried=carried):
                buffered += [one for one in carried if isinstance(one, e.EventReceived)]
            case e.EventAwaited(path=path, name=name):
                taken = next((one for one in buffered if one.name == name), None)
                if taken is not None:
                    buffered.remove(taken)
                else:
                    waits[path] = name
            case e.EventReceived(name=name):
                taker = next((path for path, wanted in waits.items() if wanted == name), None)
                if taker is not None:
                    del waits[taker]
                else:
                    buffered.append(event)
            case e.EventWaitCancelled(path=path) | e.TimerFired(path=path):
                waits.pop(path, None)
    return buffered


def _promises(witness: Witness, promised: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What a client was told is accepted, was."""
    for instance_id, event_ids in promised.items():
        theirs = [seen for seen in witness.instances if seen.item.record.id == instance_id]
        accepted = {id for seen in theirs for id in seen.numbers}
        accepted |= {
            cause for seen in theirs for run in seen.ordered for batch in run.batches for cause in batch.header.causes
        }
        for event_id in event_ids:
            if f"event:{event_id}" not in accepted:
                yield f"law 6, {instance_id}: a client was told that event {event_id} is accepted, and it was not"


# --- laws 4 and 10: effects -------------------------------------------------------------------------------------------


def _effects(witness: Witness, ledger: Ledger) -> Iterator[str]:
    for effect in ledger.effects:
        if effect.key not in witness.scheduled:
            yield f"law 4, {effect.instance_id}: {effect.what} {effect.number} took effect and was not scheduled"
    names = {effect.key: effect for effect in ledger.effects}
    for key, count in ledger.counts.items():
        effect = names[key]
        what = f"{effect.instance_id}: {effect.what} {effect.number}"
        if count > witness.leased[key]:
            yield f"law 4, {what} took effect {count} times, and was given out {witness.leased[key]} times"
        if effect.what in AT_MOST_ONCE and count > 1:
            yield f"law 4, {what} may run at most once and took effect {count} times"
    for seen in witness.instances:
        for run in seen.ordered:
            for _, event in run.events():
                if isinstance(event, e.ActivityCompleted) and not ledger.counts[task_id(run.run_id, event.path)]:
                    if run.created is None or run.created.origin != "rewind":
                        yield f"law 4, {seen.item.record.id}: {event.path} is completed, and nothing took effect"


# --- law 14: sagas ----------------------------------------------------------------------------------------------------


def _sagas(seen: Seen) -> Iterator[str]:
    """Undos are asked for the newest first, each once, and nothing is undone that was not done."""
    where = seen.item.record.id
    codec = MsgpackCodec().bound_to(where)
    for run in seen.ordered:
        booked: set[str] = set()
        done: dict[int, list[int]] = defaultdict(list)
        undone: dict[int, list[int]] = defaultdict(list)
        for _, event in run.events():
            match event:
                case e.ActivityScheduled(name="book", path=path):
                    booked.add(path)
                case e.ActivityScheduled(name="undo", arguments=Payload(data=data)) if data is not None:
                    saga, number = cast("Any", codec.decode(event.arguments))["booking"]
                    undone[saga].append(number)
                case e.ActivityCompleted(path=path, result=Payload(data=data)) if path in booked and data is not None:
                    saga, number = cast("Any", codec.decode(event.result))
                    done[saga].append(number)
        for saga, numbers in undone.items():
            wanted = [number for number in reversed(done[saga]) if number in numbers]
            if numbers != wanted:
                yield f"law 14, {where}: saga {saga} did {done[saga]} and undid {numbers}"
            elif isinstance(run.end, _OWN_ENDS) and len(numbers) < len(done[saga]):
                yield f"law 14, {where}: saga {saga} did {done[saga]} and undid {numbers} only"


def _cleanups(seen: Seen) -> Iterator[str]:
    """A cancel is delivered once: a second one does not interrupt the clean-up that the first one has begun.

    One that comes while something is undone is put off: it is the first that what follows hears of it.
    """
    codec = MsgpackCodec().bound_to(seen.item.record.id)
    for run in seen.ordered:
        is_cancelled, begun, undoing = False, set[str](), set[str]()
        for _, event in run.events():
            match event:
                case e.CancelRequested() if not undoing:
                    is_cancelled = True
                case e.ActivityScheduled(name="undo", path=path):
                    undoing.add(path)
                case e.ActivityCompleted(path=path) | e.ActivityFailed(path=path) if path in undoing:
                    undoing.discard(path)
                case e.ActivityScheduled(name="mop", path=path, arguments=Payload(data=data)) if data is not None:
                    if is_cancelled and cast("Any", codec.decode(event.arguments))["node"]["is_outermost"]:
                        begun.add(path)
                case e.ActivityCancelRequested(path=path) if path in begun:
                    yield f"law 14, {seen.item.record.id}: the clean-up {path} after a cancel was cancelled, too"


# --- results ----------------------------------------------------------------------------------------------------------


def wrong_results(witness: Witness, found: Iterable[tuple[str, Any, Any]]) -> Iterator[str]:
    """Results that are not what the program comes to. Where a queue gave an activity up, that may be anything.

    Args:
        found: of each completed instance: its id, its result, and the one that its program has.
    """
    if witness.has_dead_letters:
        return
    for id, result, wanted in found:
        if result != wanted:
            yield f"{id} returned {result}, its program comes to {wanted}"
