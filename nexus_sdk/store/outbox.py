"""An instance as one database item of a split store: its turn's sends lie beside the batch until they were made.

Everything here is one conditional write: it is taken whole, or not at all. What concerns the instance itself (its own
messages, its tasks, their cancellation) happens in that write; only what concerns others goes through the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from nexus_sdk.store.item import Item, TaskState, instance_of
from nexus_sdk.store.port import (
    LOCAL,
    CancelTask,
    Claim,
    Commit,
    InboxMessage,
    Send,
    Task,
    TaskDelivery,
)


@dataclass(slots=True)
class Entry:
    """What one batch sends to others. `replies`: to those sends of which it is known what they came to."""

    number: int
    sends: tuple[Send, ...]
    now_us: int
    replies: dict[int, InboxMessage | None] = field(default_factory=dict)


@dataclass(slots=True)
class SplitItem(Item):
    """An item with its outbox. `sent_through` moves only past sends that were made.

    `seen`: keys of sends that were accepted from other items' outboxes: they may be made again by whoever heals.
    `sent_attempts`: by task, the attempt that its queue message stands for; one of another attempt is stale.
    """

    outbox: list[Entry] = field(default_factory=list)
    outbox_number: int = 0
    sent_through: int = 0
    seen: set[str] = field(default_factory=set)
    sent_attempts: dict[str, int] = field(default_factory=dict)

    # --- the turn ---------------------------------------------------------------------------------------------------

    def apply(self, commit: Commit, now_us: int, new_seq: Iterable[int]) -> list[TaskState]:
        """The turn in one write; returns the tasks it sent and did not cancel again. After the checks."""
        sequence = iter(new_seq)
        for delivery in commit.settles:
            if instance_of(delivery) == self.record.id:
                self.settle(delivery)
        self.append(commit)
        foreign: list[Send] = []
        sent: list[TaskState] = []
        for message in commit.sends:
            match message:
                case Task() if message.instance_id == self.record.id:
                    if self.add_task(message, next(sequence)):
                        self.sent_attempts[message.id] = message.attempt
                        sent.append(self.tasks[message.id])
                        foreign.append(message)
                case CancelTask() if message.instance_id == self.record.id:
                    if self.cancel_task(message.task_id):
                        foreign += self.post(message.if_removed, now_us)
                case InboxMessage():
                    foreign += self.post(message, now_us)
                case _:
                    foreign.append(message)
        self.add_entry(foreign, now_us)
        return [state for state in sent if self.tasks.get(state.task.id) is state]

    def post(self, message: InboxMessage, now_us: int) -> list[Send]:
        """Take a message that is for this instance itself; returns what is left to be sent to others."""
        if message.instance_id != self.record.id:
            return [message]
        reply = self.offer(message, now_us)
        if reply is None:
            return []
        return self.post(replace(reply, if_accepted=None, if_refused=None, if_finished=None), now_us)

    def offer(self, message: InboxMessage, now_us: int, key: str = "") -> InboxMessage | None:
        """Accept a message unless the instance has finished; the reply that says which.

        `key` tells a send that is made once more.
        """
        if (key and key in self.seen) or self.knows(message):
            return message.if_accepted
        if self.record.status.is_finished:
            return message.if_finished or message.if_refused
        self.accept(message, now_us=now_us)
        if key:
            self.seen.add(key)
        return message.if_accepted

    # --- the outbox -----------------------------------------------------------------------------------------------

    def add_entry(self, sends: Iterable[Send], now_us: int) -> None:
        """Sends that are to be made to others."""
        self.outbox_number += 1
        entry = Entry(self.outbox_number, tuple(sends), now_us)
        if entry.sends:
            self.outbox.append(entry)
        elif not self.outbox:
            self.sent_through = self.outbox_number

    def sent(self, number: int) -> None:
        """All sends of this entry were made."""
        self.outbox = [entry for entry in self.outbox if entry.number != number]
        self.sent_through = max(self.sent_through, self.outbox[0].number - 1 if self.outbox else self.outbox_number)

    @property
    def is_behind(self) -> bool:
        """Whether sends are left to be made."""
        return bool(self.outbox)

    def needs_look(self, before_us: int, grace_us: int) -> bool:
        """What the sparse index `wake_at` says: due timer, unanswered bell, unsent outbox, or a lease that ran out."""
        return (
            any(entry.now_us + grace_us <= before_us for entry in self.outbox)
            or (self.is_ready(before_us) and self._rang_us(grace_us) <= before_us)
            or any(self.is_overdue(state, before_us, grace_us) for state in self.tasks.values())
        )

    def _rang_us(self, grace_us: int) -> int:
        """When the bell of a ready instance should have been answered: a timer's at once, a message's after a grace."""
        oldest_us = next((message.accepted_at_us + grace_us for message in self.inbox.values()), 1 << 62)
        return min(oldest_us, self.record.wake_at_us if self.record.wake_at_us is not None else oldest_us)

    def is_overdue(self, state: TaskState, before_us: int, grace_us: int) -> bool:
        """Whether a task's queue message should have been answered by now, or its lease ran out."""
        if state.hold.token is not None:
            return state.hold.is_free(before_us)
        return state.due_us() + grace_us <= before_us

    # --- claims -----------------------------------------------------------------------------------------------------

    def claim(
        self, sent: Iterable[TaskState], claim: Claim, until_us: int, now_us: int, tokens: Iterable[str]
    ) -> list[TaskDelivery]:
        """Lease what was just sent, in the same write."""
        left, names, deliveries = claim.limit, iter(tokens), list[TaskDelivery]()
        for state in sent:
            is_local = state.task.queue == LOCAL
            if state.due_us() > now_us or not (is_local or (left > 0 and state.task.queue in claim.queues)):
                continue
            left -= not is_local
            deliveries.append(state.lease(next(names), until_us))
        return deliveries
