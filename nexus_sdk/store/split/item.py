"""An instance as one database item of a split store: its turn's sends lie beside the batch until they were made.

Everything here is one conditional write: it is taken whole, or not at all. What concerns the instance itself (its own
messages, its tasks, their cancellation) happens in that write; only what concerns others goes through the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nexus_sdk.store.item import Item, TaskState, instance_of
from nexus_sdk.store.port import (
    LOCAL,
    CancelTask,
    Claim,
    Commit,
    Delivery,
    InboxMessage,
    Send,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.store.split.rings import Ring

DIRECT_MAX = 90
"""So many tasks that a turn settles, and sends to its own instance, are part of its write: each is a row, and with the
head, the batch and what is left to be sent there are a hundred at most. What is more follows from the outbox in slices.
"""

NEAR_US = 900_000_000
"""A message for later than that is not counted upon: the queues of some clouds delay no longer. The sweep puts it."""

PATIENCE_DOUBLINGS = 6
"""A message that nobody has answered is put once more, and after twice the time again, so often: it may not be lost,
but wait in a long queue."""


@dataclass(slots=True)
class Entry:
    """What one batch has left to be done.

    Attributes:
        sends: to others, and what was too much for the turn's own write.
        tasks: own tasks that are written already, and whose messages are to be put on their queues.
        replies: to those sends of which it is known what they came to.
        made: so many of the sends were made, as far as it is written down: who goes on, begins there.
    """

    number: int
    sends: tuple[Send, ...]
    now_us: int
    tasks: tuple[str, ...] = ()
    replies: dict[int, InboxMessage | None] = field(default_factory=dict)
    made: int = 0

    @property
    def has_sends(self) -> bool:
        """Whether there is more to be sent than messages of own tasks."""
        return bool(self.sends)

    def note(self, index: int, reply: InboxMessage | None) -> None:
        """It is known now what a send came to."""
        self.replies[index] = reply


@dataclass(slots=True)
class SplitItem(Item):
    """An item with its outbox. `sent_through` moves only past sends that were made.

    `seen`: keys of sends that were accepted from other items' outboxes: they may be made again by whoever heals.
    `sent_attempts`: by task, the attempt that its queue message stands for; one of another attempt is stale.
    `rung`: by task, how often its message was put once more since somebody had the task, and when it was put last.
    """

    outbox: list[Entry] = field(default_factory=list)
    outbox_number: int = 0
    sent_through: int = 0
    seen: set[str] = field(default_factory=set)
    sent_attempts: dict[str, int] = field(default_factory=dict)
    rung: dict[str, tuple[int, int]] = field(default_factory=dict)

    # --- the turn ---------------------------------------------------------------------------------------------------

    def apply(
        self, commit: Commit, now_us: int, new_seq: Iterable[int], direct_max: int = DIRECT_MAX
    ) -> list[TaskState]:
        """The turn in one write; returns the tasks it sent and did not cancel again. After the checks.

        `direct_max`: so many sends to the instance itself are part of the write; the others are left to the outbox.
        """
        sequence = iter(new_seq)
        own = [delivery for delivery in commit.settles if instance_of(delivery) == self.record.id]
        for delivery in own:
            self.settle(delivery)
        self.append(commit)
        foreign: list[Send] = []
        sent: dict[str, TaskState] = {}
        direct = len(own)
        for message in commit.sends:
            if direct >= direct_max:
                foreign.append(message)
                continue
            match message:
                case Task() if message.instance_id == self.record.id:
                    direct += 1
                    if self.add_task(message, next(sequence)):
                        self.put_at(message.id, now_us)
                        sent[message.id] = self.tasks[message.id]
                case CancelTask() if message.instance_id == self.record.id:
                    direct += 1 + message.if_removed.is_remembered
                    if self.cancel_task(message.task_id):
                        sent.pop(message.task_id, None)
                        foreign += self.post(message.if_removed, now_us)
                case InboxMessage():
                    direct += message.instance_id == self.record.id
                    foreign += self.post(message, now_us)
                case _:
                    foreign.append(message)
        self.add_entry(foreign, now_us, tuple(sent))
        return list(sent.values())

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

    # --- tasks ------------------------------------------------------------------------------------------------------

    def add_task(self, task: Task, seq: int) -> bool:
        """A task that was sent; False when one with its id exists."""
        if not Item.add_task(self, task, seq):
            return False
        self.sent_attempts[task.id] = task.attempt
        return True

    def settle(self, delivery: Delivery) -> None:
        """The delivery is done with; that a task was delivered proves that its message was sent."""
        Item.settle(self, delivery)
        if isinstance(delivery, TaskDelivery):
            self.cross_out([delivery.task.id])

    def cancel_task(self, task_id: str) -> bool:
        """Remove a task that nobody holds, mark one that is held; whether it was removed."""
        is_removed = Item.cancel_task(self, task_id)
        if is_removed:
            self.cross_out([task_id])
        return is_removed

    def retry(self, delivery: TaskDelivery, task: Task) -> None:
        """The next attempt takes the place of the failed one, and has a message of its own."""
        Item.retry(self, delivery, task)
        self.sent_attempts[task.id] = task.attempt

    def ring_of(self, task_id: str, *, is_overdue: bool = False) -> Ring | None:
        """The message for the present attempt of a task; taken already when somebody holds it."""
        state = self.tasks.get(task_id)
        if state is None:
            return None
        return Ring(
            0,
            state.task.queue,
            self.record.id,
            task_id,
            self.sent_attempts.get(task_id, state.task.attempt),
            state.task.priority,
            state.due_us(),
            is_taken=state.hold.token is not None and not is_overdue,
        )

    def want(self, task_ids: Sequence[str]) -> None:
        """These tasks will be asked for: where tasks are read one by one, read them together."""

    def want_known(self, messages: Iterable[InboxMessage]) -> None:
        """It will be asked whether these messages came before: likewise."""

    def rings_of(self, task_ids: Sequence[str]) -> list[tuple[Ring, str | None]]:
        """The messages of these tasks, as far as they are there, and the tokens of those who hold them."""
        self.want(task_ids)
        found = ((self.ring_of(task_id), task_id) for task_id in task_ids)
        return [(ring, self.tasks[task_id].hold.token) for ring, task_id in found if ring is not None]

    # --- the outbox -----------------------------------------------------------------------------------------------

    def add_entry(self, sends: Iterable[Send], now_us: int, tasks: tuple[str, ...] = ()) -> None:
        """Sends that are to be made to others, and messages of own tasks that are to be put."""
        self.outbox_number += 1
        entry = Entry(self.outbox_number, tuple(sends), now_us, tasks)
        if entry.sends or entry.tasks:
            self.outbox.append(entry)
        elif not self.outbox:
            self.sent_through = self.outbox_number

    def sent(self, number: int, told: Iterable[int] = ()) -> None:
        """All sends of this entry were made; `told`: of those it was noted what they came to."""
        self.outbox = [entry for entry in self.outbox if entry.number != number]
        self.sent_through = max(self.sent_through, self.outbox[0].number - 1 if self.outbox else self.outbox_number)

    def cross_out(self, task_ids: Sequence[str]) -> None:
        """The messages of these tasks need not be put any more."""
        for entry in [entry for entry in self.outbox if any(task_id in entry.tasks for task_id in task_ids)]:
            entry.tasks = tuple(task_id for task_id in entry.tasks if task_id not in task_ids)
            if not entry.tasks and not entry.has_sends:
                self.sent(entry.number)

    @property
    def is_behind(self) -> bool:
        """Whether sends are left to be made."""
        return bool(self.outbox)

    @property
    def has_sends(self) -> bool:
        """Whether sends to others are left to be made."""
        return any(entry.has_sends for entry in self.outbox)

    # --- the sparse index -------------------------------------------------------------------------------------------

    def needs_look(self, before_us: int, grace_us: int) -> bool:
        """What the sparse index `wake_at` says: due timer, unanswered bell, unsent outbox, or a lease that ran out."""
        look_us = self.look_at_us(grace_us)
        return (look_us is not None and look_us <= before_us) or any(self.overdue(self.tasks, before_us, grace_us))

    def look_at_us(self, grace_us: int) -> int | None:
        """When somebody has to look at the instance itself, and not at one of its tasks."""
        times = [entry.now_us + grace_us for entry in self.outbox if entry.has_sends]  # tasks are looked at themselves
        due_us = self.due_us()
        if due_us is not None:
            times.append(max(due_us, self._rang_us(grace_us)))
        return min(times, default=None)

    def _rang_us(self, grace_us: int) -> int:
        """When the bell of a ready instance should have been answered: a timer's at once, a message's after a grace."""
        oldest_us = self.oldest_us()
        times = [oldest_us + grace_us] if oldest_us is not None else []
        return min([*times, self.record.wake_at_us] if self.record.wake_at_us is not None else times, default=1 << 62)

    def oldest_us(self) -> int | None:
        """When the oldest pending message was accepted."""
        return next((message.accepted_at_us for message in self.inbox.values()), None)

    def overdue(self, task_ids: Iterable[str], before_us: int, grace_us: int) -> Iterator[str]:
        """Those of these tasks whose message should have been answered by now, or whose lease ran out."""
        for task_id in task_ids:
            state = self.tasks.get(task_id)
            if state is not None and self.task_look_at_us(state, grace_us) <= before_us:
                yield task_id

    def task_look_at_us(self, state: TaskState, grace_us: int) -> int:
        """When somebody has to look at a task: at the end of its lease, or when its message is not answered."""
        rings, put_us = self.rung.get(state.task.id, (0, 0))
        if state.hold.token is not None and not rings:
            return state.due_us()
        is_put = state.due_us() - put_us <= NEAR_US
        patience_us = grace_us << min(rings, PATIENCE_DOUBLINGS)
        return max(state.due_us(), put_us) + (patience_us if is_put else 0)

    def put_at(self, task_id: str, now_us: int, *, is_certain: bool = False) -> None:
        """The message of a task is put now, for the first time or because somebody gave it back.

        `is_certain`: the outbox sees to it that it is put. So it is not lost, but waits behind many others.
        """
        self.rung[task_id] = (PATIENCE_DOUBLINGS if is_certain else 0, now_us)

    def ring_again(self, task_id: str, now_us: int) -> Ring | None:
        """The message of an overdue task, to be put once more."""
        self.rung[task_id] = (self.rung.get(task_id, (0, 0))[0] + 1, now_us)
        return self.ring_of(task_id, is_overdue=True)

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

    def lease(self, ring: Ring, token: str, until_us: int, now_us: int) -> TaskDelivery | TurnDelivery | int | None:
        """Lease what a message refers to, if it is still to be done and nobody else's.

        Otherwise the time at which it may be, or None when the message refers to nothing any more.
        """
        if not ring.task_id:
            due_us = self.due_us()
            return due_us if due_us is None or due_us > now_us else self.lease_turn(token, until_us)
        state = self.tasks.get(ring.task_id)
        if state is None or self.sent_attempts.get(ring.task_id) != ring.attempt:
            return None
        if state.due_us() > now_us:
            return state.due_us()
        self.put_at(ring.task_id, now_us)
        return state.lease(token, until_us)
