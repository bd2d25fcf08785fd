"""One instance in memory, with everything that belongs to it: the executable meaning of the port's laws.

Both in-memory stores are made of these. No clock, no lock, no waiting: each method is one step that is taken whole.
The one rule: what may fail is checked (`check_…`) before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from nexus_sdk.errors import ConflictError
from nexus_sdk.store.agenda import Rank
from nexus_sdk.store.port import (
    Commit,
    Delivery,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    Loaded,
    NewInstance,
    StoredBatch,
    Task,
    TaskDelivery,
    TurnDelivery,
)


def is_held_by(token: str | None, holder: str) -> bool:
    """Whether a lease with this token is this holder's: a token is the holder's name, a slash, and what is unique."""
    return token is not None and token.rpartition("/")[0] == holder


def until_us(lease: Lease, now_us: int) -> int:
    """When a lease that is taken or prolonged now runs out."""
    return now_us + round(lease.seconds * 1_000_000)


@dataclass(slots=True)
class Hold:
    """Who holds an instance's turn or a task. Without a token: nobody, and it is not given out before `until_us`."""

    token: str | None = None
    until_us: int | None = None

    def take(self, token: str, until_us: int) -> None:
        """A new holder."""
        self.token, self.until_us = token, until_us

    def free(self, until_us: int | None = None) -> None:
        """Nobody's, and not given out before `until_us`."""
        self.token, self.until_us = None, until_us

    def is_free(self, now_us: int) -> bool:
        """Whether it may be given out."""
        return self.until_us is None or self.until_us <= now_us


@dataclass(slots=True)
class TaskState:
    """A task and what became of its deliveries. `task.attempt` is the attempt that is being made, or made next."""

    task: Task
    seq: int
    hold: Hold = field(default_factory=Hold)
    deliveries: int = 0
    is_cancel_requested: bool = False
    dead_letter: str = ""

    def due_us(self) -> int:
        """From when on it may be delivered."""
        return max(self.task.not_before_us, self.hold.until_us or 0)

    def rank(self) -> Rank:
        """Higher priority first, then the older one."""
        return (-self.task.priority, self.seq)

    def lease(self, token: str, until_us: int) -> TaskDelivery:
        """Deliver it. A delivery after a lost lease makes the next attempt."""
        if self.hold.token is not None:
            self.task = replace(self.task, attempt=self.task.attempt + 1)
        self.deliveries += 1
        self.hold.take(token, until_us)
        return self._delivery(token)

    def held_by(self, holder: str) -> TaskDelivery | None:
        """The delivery that this holder has, if he has one."""
        token = self.hold.token
        if token is None or not is_held_by(token, holder):
            return None
        return self._delivery(token)

    def _delivery(self, token: str) -> TaskDelivery:
        return TaskDelivery(self.task, token, self.deliveries, self.is_cancel_requested, self.dead_letter)


@dataclass(slots=True)
class Item:
    """An instance: record, batches of all its runs, inbox, remembered message ids, tasks, and who has its turn."""

    record: InstanceRecord
    seq: int = 0
    runs: dict[str, list[StoredBatch]] = field(default_factory=dict)
    inbox: dict[int, InboxMessage] = field(default_factory=dict)
    pending_ids: set[str] = field(default_factory=set)
    remembered_ids: set[str] = field(default_factory=set)
    last_number: int = 0
    last_accepted_us: int = 0
    turn: Hold = field(default_factory=Hold)
    tasks: dict[str, TaskState] = field(default_factory=dict)

    @classmethod
    def of(cls, new: NewInstance, *, seq: int, now_us: int) -> Item:
        """A new instance with its first batch and message."""
        item = cls(new.record, seq)
        item.runs[new.batch.run_id] = [new.batch]
        if new.message is not None:
            item.accept(new.message, now_us=now_us)
        return item

    # --- reading --------------------------------------------------------------------------------------------------

    def loaded(self, run_id: str | None, after: int) -> Loaded:
        """What `load` returns."""
        batches = self.runs.get(run_id or self.record.run_id, [])
        return Loaded(self.record, tuple(b for b in batches if b.number > after), self.messages())

    def messages(self) -> tuple[InboxMessage, ...]:
        """The pending messages in the order of acceptance."""
        return tuple(self.inbox.values())

    def knows(self, message: InboxMessage) -> bool:
        """Whether this message was accepted before, as far as remembered."""
        return message.id in self.pending_ids or message.id in self.remembered_ids

    def wants_turn_at_us(self) -> int | None:
        """From when on the instance wants a turn; 0 when a message waits for it; None when it wants none."""
        if self.record.status.is_finished:
            return None
        if self.last_number_pending() > (self.record.held_through or 0):
            return 0
        return self.record.wake_at_us

    def last_number_pending(self) -> int:
        """The number of the youngest pending message, 0 with none."""
        return next(reversed(self.inbox), 0)

    def due_us(self) -> int | None:
        """From when on its turn may be delivered."""
        wanted = self.wants_turn_at_us()
        return None if wanted is None else max(wanted, self.turn.until_us or 0)

    def rank(self) -> Rank:
        """The one that waits longest first."""
        if self.wants_turn_at_us() == 0:
            return (next(iter(self.inbox.values())).accepted_at_us, self.seq)
        return (self.record.wake_at_us or 0, self.seq)

    def is_ready(self, now_us: int) -> bool:
        """Whether `receive` would deliver its turn."""
        due_us = self.due_us()
        return due_us is not None and due_us <= now_us

    # --- messages -------------------------------------------------------------------------------------------------

    def accept(self, message: InboxMessage, *, now_us: int) -> bool:
        """Put a message into the inbox; False when it was there before. Whether it *may* is the caller's question."""
        if self.knows(message):
            return False
        self.last_number += 1
        self.last_accepted_us = max(now_us, self.last_accepted_us)
        plain = replace(
            message,
            number=self.last_number,
            accepted_at_us=self.last_accepted_us,
            if_accepted=None,
            if_refused=None,
            if_finished=None,
        )
        self.inbox[plain.number] = plain
        self.pending_ids.add(plain.id)
        if plain.is_remembered:
            self.remembered_ids.add(plain.id)
        return True

    def _consume(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            message = self.inbox.pop(number, None)
            if message is not None:
                self.pending_ids.discard(message.id)

    # --- the turn -------------------------------------------------------------------------------------------------

    def check_fence(self, commit: Commit) -> bool:
        """Whether the instance is where the turn was replayed from; False when this very commit was made before.

        Raises:
            ConflictError: neither.
        """
        found = (self.record.run_id, self.record.last_batch)
        if found == (commit.expected_run_id, commit.expected):
            return True
        if self._has_made(commit):
            return False
        raise ConflictError(
            f"{self.record.id}: the turn was replayed from batch {commit.expected} of run "
            f"{commit.expected_run_id!r}, the instance is at batch {found[1]} of run {found[0]!r}.",
            hint="Load the instance again; nothing was written.",
        )

    def _has_made(self, commit: Commit) -> bool:
        return any(
            (found.number, found.turn_id) == (first.number, first.turn_id)
            for first in commit.batches[:1]
            for found in self.runs.get(first.run_id, ())
        )

    def append(self, commit: Commit) -> None:
        """The turn's batches, record and consumed messages."""
        for batch in commit.batches:
            self.runs.setdefault(batch.run_id, []).append(batch)
        self.record = commit.record
        self._consume(commit.consumed)
        if self.turn.token is None or self.record.status.is_finished:
            self.turn.free()

    # --- deliveries -----------------------------------------------------------------------------------------------

    def is_lost(self, delivery: Delivery) -> bool:
        """Whether another holder has taken the delivery, or it was settled."""
        if isinstance(delivery, TurnDelivery):
            return self.turn.token not in (None, delivery.token)
        state = self.tasks.get(delivery.task.id)
        return state is None or state.hold.token not in (None, delivery.token)

    def check_settle(self, delivery: Delivery) -> None:
        """Raise `ConflictError` when another holder has taken the delivery."""
        if self.is_lost(delivery):
            raise lost(delivery)

    def settle(self, delivery: Delivery) -> None:
        """The delivery is done with. After `check_settle`, or for a hold that is still its own."""
        if isinstance(delivery, TurnDelivery):
            self.turn.free()
        else:
            self.tasks.pop(delivery.task.id, None)

    def hold_of(self, delivery: Delivery) -> Hold | None:
        """The hold that this delivery's token still has, if it has."""
        if isinstance(delivery, TurnDelivery):
            return self.turn if self.turn.token == delivery.token else None
        state = self.tasks.get(delivery.task.id)
        return state.hold if state is not None and state.hold.token == delivery.token else None

    def lease_turn(self, token: str, until: int) -> TurnDelivery:
        """Deliver the turn with all pending messages."""
        self.turn.take(token, until)
        return TurnDelivery(self.record.id, token, self.messages(), self.record.run_id, self.record.last_batch)

    def add_task(self, task: Task, seq: int) -> bool:
        """A task that was sent; False when one with its id exists."""
        if task.id in self.tasks:
            return False
        self.tasks[task.id] = TaskState(task, seq)
        return True

    def cancel_task(self, task_id: str) -> bool:
        """Remove a task that nobody holds, mark one that is held; whether it was removed."""
        state = self.tasks.get(task_id)
        if state is None:
            return False
        if state.hold.token is None:
            del self.tasks[task_id]
            return True
        state.is_cancel_requested = True
        return False

    def extend(self, delivery: Delivery, until: int, details: bytes | None) -> Extended:
        """Prolong a lease that nobody else has taken."""
        hold = self.hold_of(delivery)
        if hold is None:
            return Extended(is_lost=True)
        hold.until_us = until
        if isinstance(delivery, TurnDelivery):
            return Extended()
        state = self.tasks[delivery.task.id]
        if details is not None:
            state.task = replace(state.task, details=details)
        return Extended(is_cancel_requested=state.is_cancel_requested)

    def retry(self, delivery: TaskDelivery, task: Task) -> None:
        """The next attempt takes the place of the failed one."""
        if self.hold_of(delivery) is None:
            raise lost(delivery)
        state = self.tasks[delivery.task.id]
        state.task, state.deliveries, state.dead_letter = task, 0, ""
        state.hold.free()

    def release(self, delivery: Delivery, not_before_us: int | None) -> None:
        """Give a delivery back as if it had never been made."""
        hold = self.hold_of(delivery)
        if hold is None:
            return
        hold.free(not_before_us)
        if isinstance(delivery, TaskDelivery):
            self.tasks[delivery.task.id].deliveries -= 1


def still_held(commit: Commit, items: Mapping[str, Item]) -> Iterator[TaskDelivery]:
    """For a commit that is repeated: the tasks that it sent and that its claim's holder has, in order."""
    if commit.claim is None:
        return
    sent = dict.fromkeys((send.instance_id, send.id) for send in commit.sends if isinstance(send, Task))
    for instance_id, task_id in sent:
        item = items.get(instance_id)
        state = item.tasks.get(task_id) if item is not None else None
        delivery = state.held_by(commit.claim.lease.holder) if state is not None else None
        if delivery is not None:
            yield delivery


def lost(delivery: Delivery, *others: Delivery) -> ConflictError:
    """The error for a delivery (or one of several) whose lease another has taken, or that was settled already."""
    what = (
        f"the turn of {delivery.instance_id}"
        if isinstance(delivery, TurnDelivery)
        else f"task {delivery.task.id} of {delivery.task.instance_id}"
    )
    if others:
        what += f", or one of the {len(others)} others that go with it"
    return ConflictError(
        f"{what}: the lease was lost; another holder has it now, or it was settled.",
        hint="Drop the delivery; nothing was written.",
    )


def instance_of(delivery: Delivery) -> str:
    """Whose delivery it is."""
    return delivery.instance_id if isinstance(delivery, TurnDelivery) else delivery.task.instance_id
