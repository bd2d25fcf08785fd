"""What the changes of a split store look at, and what they refuse: each within one write.

The one rule: a look changes nothing, and raises before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nexus_sdk.store.item import lost
from nexus_sdk.store.port import Commit, Delivery, InboxMessage, Task, TaskDelivery
from nexus_sdk.store.refusals import finished, not_found
from nexus_sdk.store.split.item import Entry, SplitItem
from nexus_sdk.store.split.ports import Slot
from nexus_sdk.store.split.rings import Ring

Held = tuple[Ring, str | None]
"""A message of a task, and the token of who holds the task."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a write has left to be done: the entry, the messages of its tasks, and which incarnation of the item.

    `due_us`: when the instance's turn was due as of that write.
    """

    entry: Entry
    rings: Sequence[Held]
    seq: int
    due_us: int | None


def item_of(slot: Slot, instance_id: str) -> SplitItem:
    """The item.

    Raises:
        InstanceNotFound: there is none.
    """
    if slot.item is None:
        raise not_found(instance_id)
    return slot.item


def check_messages(slot: Slot, instance_id: str, messages: Iterable[InboxMessage]) -> None:
    """Raise when one of these messages would be refused."""
    item = item_of(slot, instance_id)
    for message in messages:
        if item.record.status.is_finished and not item.knows(message):
            raise finished(instance_id, item.record.status)


def check_settle(slot: Slot, delivery: Delivery) -> None:
    """Raise `ConflictError` when another holder has taken the delivery."""
    if slot.item is None:
        raise lost(delivery)
    slot.item.check_settle(delivery)


def check_held(slot: Slot, delivery: TaskDelivery) -> SplitItem:
    """The item of a delivery that is still its holder's; raises `ConflictError` when it is not."""
    item = slot.item
    if item is None or item.hold_of(delivery) is None:
        raise lost(delivery)
    return item


def task_ids(*deliveries: Delivery) -> list[str]:
    """The tasks among these deliveries."""
    return [delivery.task.id for delivery in deliveries if isinstance(delivery, TaskDelivery)]


def due_us_of(slot: Slot) -> int | None:
    """When the instance's turn is due."""
    return slot.item.due_us() if slot.item is not None else None


def left_in(slot: Slot) -> Left | None:
    """See `left_of`; None where there is no item."""
    return left_of(slot.item) if slot.item is not None else None


def left_of(item: SplitItem) -> Left | None:
    """The oldest of the entries with sends that are left to be made."""
    if not item.outbox:
        return None
    oldest = item.outbox[0]
    entry = Entry(oldest.number, oldest.sends, oldest.now_us, oldest.tasks, dict(oldest.replies), oldest.made)
    return Left(entry, item.rings_of(entry.tasks), item.seq, item.due_us())


def still_held(slot: Slot, commit: Commit) -> tuple[TaskDelivery, ...]:
    """For a commit that is repeated: the tasks that it sent and that its claim's holder has, in order."""
    item = slot.item
    if commit.claim is None or item is None:
        return ()
    tasks = (send for send in commit.sends if isinstance(send, Task) and send.instance_id == item.record.id)
    ids = list(dict.fromkeys(task.id for task in tasks))
    item.want(ids)
    states = (item.tasks.get(task_id) for task_id in ids)
    held = (state.held_by(commit.claim.lease.holder) for state in states if state is not None)
    return tuple(delivery for delivery in held if delivery is not None)
