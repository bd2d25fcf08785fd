"""Planted bugs: each is a small change of the engine or of a store that breaks a promise. The simulation must notice.

A mutant that survives is a weakness of the simulation. The one rule: each changes one thing that somebody could get
wrong in good faith.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from nexus_sdk.core import turn
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.ledger import Ledger
from nexus_sdk.core.saga import Saga
from nexus_sdk.engine import activities, decide, outbox, turns
from nexus_sdk.engine.activities import Activities
from nexus_sdk.engine.turns import Turns
from nexus_sdk.store.item import Item, TaskState
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.outbox import SplitItem
from nexus_sdk.store.port import CancelTask, Commit, InboxMessage, Send
from nexus_sdk.store.shelf import Shelf
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split_steps import SplitSteps

Patch = tuple[Any, str, Any]
Mutant = Callable[[], Iterable[Patch]]

MUTANTS: dict[str, Mutant] = {}


def mutant(make: Mutant) -> Mutant:
    """Register one, under the name of its function."""
    MUTANTS[make.__name__.replace("_", " ")] = make
    return make


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With this bug in the code."""
    patches = [patch.object(owner, attribute, new) for owner, attribute, new in MUTANTS[name]()]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in reversed(patches):
            one.stop()


# --- the store: the fence, leases, deliveries -------------------------------------------------------------------------


@mutant
def no_fence() -> Iterable[Patch]:
    """A commit is taken wherever the instance is by now."""
    yield Item, "check_fence", lambda self, commit: not self._has_made(commit)


@mutant
def fence_that_looks_at_the_number_alone() -> Iterable[Patch]:
    """Batches of another run are as good, when they are as many."""

    def check_fence(self: Item, commit: Commit) -> bool:
        if self.record.last_batch == commit.expected:
            return True
        return real(self, commit)

    real = Item.check_fence
    yield Item, "check_fence", check_fence


@mutant
def any_holder_may_settle() -> Iterable[Patch]:
    """A lease that was lost is not noticed at the commit."""
    yield Item, "check_settle", lambda self, delivery: None


@mutant
def lost_leases_do_not_count() -> Iterable[Patch]:
    """A delivery after a lost lease is taken for the first one."""

    def lease(self: TaskState, token: str, until_us: int) -> Any:
        delivery = real(self, token, until_us)
        self.deliveries = 1
        return replace(delivery, deliveries=1)

    real = TaskState.lease
    yield TaskState, "lease", lease


@mutant
def early_ack() -> Iterable[Patch]:
    """An activity's delivery is acknowledged before it runs."""

    async def run(self: Activities, delivery: Any) -> None:
        await self._ask(delivery.task, lambda: self._store.ack(delivery))
        await real(self, delivery)

    real = Activities.run
    yield Activities, "run", run


# --- the store: messages ----------------------------------------------------------------------------------------------


@mutant
def no_memory_of_event_ids() -> Iterable[Patch]:
    """An event id counts as long as its message lies in the inbox."""
    yield Item, "knows", lambda self, message: message.id in self.pending_ids


@mutant
def messages_stay_after_they_were_used() -> Iterable[Patch]:
    """The last one of those that a turn consumes is left in the inbox."""
    real = Item._consume
    yield Item, "_consume", lambda self, numbers: real(self, list(numbers)[:-1] if len(list(numbers)) > 1 else numbers)


@mutant
def youngest_message_first() -> Iterable[Patch]:
    """Messages are numbered backwards."""
    yield turn, "sorted", lambda messages, key: sorted(messages, key=key, reverse=True)


@mutant
def finished_instances_take_messages() -> Iterable[Patch]:
    """A message to an instance that has finished is accepted, and never looked at."""

    def offer(self: MemoryStore, message: InboxMessage, now_us: int) -> InboxMessage | None:
        item = self._items.get(message.instance_id)
        return message.if_refused if item is None else message.if_accepted

    yield MemoryStore, "_offer", offer


# --- the split store: the outbox --------------------------------------------------------------------------------------


@mutant
def sent_through_moved_early() -> Iterable[Patch]:
    """The outbox is crossed out before what is in it is sent."""

    async def heal(self: SplitSteps, instance_id: str) -> None:
        while (item := self._items.get(instance_id)) is not None and item.is_behind:
            entry = item.outbox[0]
            item.sent(entry.number)
            for index, message in enumerate(entry.sends):
                await self._send(item, entry, index, message)

    yield SplitSteps, "_heal", heal


@mutant
def sweep_blind_for_the_outbox() -> Iterable[Patch]:
    """What a committer who died has left to be sent is sent when the instance moves again, if ever."""

    def needs_look(self: SplitItem, before_us: int, grace_us: int) -> bool:
        kept, self.outbox = self.outbox, []
        try:
            return real(self, before_us, grace_us)
        finally:
            self.outbox = kept

    real = SplitItem.needs_look
    yield SplitItem, "needs_look", needs_look


@mutant
def off_by_one_send() -> Iterable[Patch]:
    """The last send of a large turn is forgotten."""
    real = SplitItem.add_entry

    def add_entry(self: SplitItem, sends: Iterable[Send], now_us: int) -> None:
        listed = list(sends)
        real(self, listed[:-1] if len(listed) > 2 else listed, now_us)

    yield SplitItem, "add_entry", add_entry


@mutant
def purge_before_the_outbox() -> Iterable[Patch]:
    """An instance is erased although what it has to say was not sent yet: a child's outcome, too."""

    async def purge(self: SplitMemoryStore, instance_id: str, *, now_us: int, tombstone_seconds: float = 9.0) -> None:
        async with self._write("purge:write"):
            self._bury(instance_id, now_us, tombstone_seconds)

    yield SplitMemoryStore, "purge", purge


@mutant
def no_tombstones() -> Iterable[Patch]:
    """A late start brings back a child that was purged."""
    yield Shelf, "_is_buried", lambda self, record, now_us: False


@mutant
def cancelled_tasks_are_only_removed() -> Iterable[Patch]:
    """A task that is removed by a cancel says nothing."""

    def cancel_task(self: SplitItem, task_id: str) -> bool:
        real(self, task_id)
        return False

    real = Item.cancel_task
    yield Item, "cancel_task", cancel_task


# --- the engine -------------------------------------------------------------------------------------------------------


@mutant
def warm_instances_are_always_up_to_date() -> Iterable[Patch]:
    """A warm instance takes mail that was collected when the instance was elsewhere."""
    yield Turns, "_will_do", lambda self, instance, mail: True


@mutant
def naive_timer_compare() -> Iterable[Patch]:
    """Timers fire in the second in which they are due."""

    def due_before(self: Execution, limit_us: int) -> Any:
        return real(self, limit_us + 1_000_000)

    real = Execution.due_before
    yield Execution, "due_before", due_before


@mutant
def timers_sleep_with_their_worker() -> Iterable[Patch]:
    """A turn that leaves nothing but timers does not say when it wants to be woken."""
    real = Turns._indexed
    yield Turns, "_indexed", lambda self, *given: replace(real(self, *given), wake_at_us=None)


@mutant
def events_dropped_at_continue_as_new() -> Iterable[Patch]:
    """What was not read is not carried over."""
    yield Execution, "unread", lambda self: ()


@mutant
def messages_for_an_earlier_run_are_taken() -> Iterable[Patch]:
    """An outcome that was meant for the run before reaches this one."""
    yield turn, "_is_meant", lambda execution, message: execution.accepts(message.event)


@mutant
def double_compensation() -> Iterable[Patch]:
    """A saga that ends well keeps the undos that it hands over."""

    def completed(self: Saga, name: str, compensate: Any, value: Any) -> None:
        real(self, name, compensate, value)
        if len(self._undos) > 1:
            real(self, name, compensate, value)

    real = Saga.completed
    yield Saga, "completed", completed


@mutant
def compensation_oldest_first() -> Iterable[Patch]:
    """Undos run in the order in which things were done."""

    def completed(self: Saga, name: str, compensate: Any, value: Any) -> None:
        real(self, name, compensate, value)
        self._undos.insert(0, self._undos.pop())

    real = Saga.completed
    yield Saga, "completed", completed


@mutant
def children_are_left_alone() -> Iterable[Patch]:
    """The end of a parent does not reach its children."""
    real = outbox.sends_of

    def sends_of(*given: Any, **named: Any) -> Iterator[Send]:
        for send in real(*given, **named):
            if not (isinstance(send, InboxMessage) and send.id.endswith(":cancel")):
                yield send

    yield turns, "sends_of", sends_of


@mutant
def termination_leaves_activities_running() -> Iterable[Patch]:
    """The tasks of an instance that was terminated are not cancelled."""
    real = outbox.sends_of_termination

    def sends_of(*given: Any, **named: Any) -> Iterator[Send]:
        return (send for send in real(*given, **named) if not isinstance(send, CancelTask))

    yield turns, "sends_of_termination", sends_of


@mutant
def no_limit_for_those_who_kill() -> Iterable[Patch]:
    """An activity that lost its worker is tried again, however often that may be."""

    def unlimited(data: bytes) -> Any:
        request = real(data)
        options = request.options
        rules = tuple(replace(rule, max_attempts=99) for rule in options.retry.rules)
        return replace(request, options=replace(options, retry=replace(options.retry, rules=rules)))

    real = activities.wire.decode_request
    yield activities.wire, "decode_request", unlimited


@mutant
def patches_are_not_remembered() -> Iterable[Patch]:
    """What was passed before a change takes the changed path all the same."""
    yield Ledger, "patched", lambda self, change_id: True


@mutant
def suspension_forgets_messages() -> Iterable[Patch]:
    """What comes while an instance is held is taken for consumed."""

    def held(*given: Any, **named: Any) -> Any:
        decision = real(*given, **named)
        if decision.verdict is decide.Verdict.HOLD:
            return decide.Decision(decide.Verdict.ADVANCE, used=tuple(given[1]))
        return decision

    real = decide.decide
    yield turns, "decide", held


@mutant
def turns_are_stamped_with_the_workers_clock() -> Iterable[Patch]:
    """A turn may be earlier than the one before it."""
    real = Turns._batch

    def batch(self: Turns, instance: Any, decision: Any, now_us: int) -> Any:
        return real(self, instance, replace(decision, stamp_us=self._now_us()), now_us)

    yield Turns, "_batch", batch
