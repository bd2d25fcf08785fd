"""Bugs of stores. See `mutants`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nexus_sdk.core import turn
from nexus_sdk.engine.activities import Activities
from nexus_sdk.store.item import Item, TaskState
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Commit, InboxMessage, Send
from nexus_sdk.store.shelf import Shelf
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split import store as split_store
from nexus_sdk.store.split.item import SplitItem
from nexus_sdk.store.split.looks import Left
from nexus_sdk.store.split.outbox import SplitOutbox
from tests.simulation.planting import Patch, edited, mutant

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
    """Messages are taken backwards."""
    yield turn, "_in_order", lambda message: (-message.accepted_at_us, -message.number)


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

    async def make(self: SplitOutbox, instance_id: str, left: Left) -> None:
        await self._sent(instance_id, left)
        await real(self, instance_id, left)

    real = SplitOutbox._make
    yield SplitOutbox, "_make", make


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

    def add_entry(self: SplitItem, sends: Iterable[Send], now_us: int, tasks: tuple[str, ...] = ()) -> None:
        listed = list(sends)
        real(self, listed[:-1] if len(listed) > 2 else listed, now_us, tasks)

    yield SplitItem, "add_entry", add_entry


@mutant
def purge_before_the_outbox() -> Iterable[Patch]:
    """An instance is erased although what it has to say was not sent yet: a child's outcome, too."""

    async def purge(self: SplitMemoryStore, instance_id: str, *, now_us: int, tombstone_seconds: float = 9.0) -> None:
        await self._table.change(instance_id, lambda slot: slot.bury(now_us, tombstone_seconds))

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


# --- the store: more that is got wrong in good faith ------------------------------------------------------------------


@mutant
def off_by_one_fence() -> Iterable[Patch]:
    """A commit that is one batch late is taken."""
    here = "found == (commit.expected_run_id, commit.expected)"
    yield edited(Item, "check_fence", here, "found[0] == commit.expected_run_id and found[1] - commit.expected < 2")


@mutant
def no_dedup() -> Iterable[Patch]:
    """Whatever is sent is accepted, however often it was before."""
    yield Item, "knows", lambda self, message: False


@mutant
def inbox_numbers_used_again() -> Iterable[Patch]:
    """Messages are numbered from the youngest that still lies there."""
    yield edited(Item, "accept", "self.last_number += 1", "self.last_number = self.last_number_pending() + 1")


@mutant
def messages_dated_by_the_senders_clock() -> Iterable[Patch]:
    """A message may be earlier than the one accepted before it."""
    yield edited(Item, "accept", "max(now_us, self.last_accepted_us)", "now_us")


@mutant
def request_ids_are_ignored() -> Iterable[Patch]:
    """Who wants an id that is taken is given what is there."""
    asked = "item.record.request_id != record.request_id"
    yield edited(SplitOutbox, "_create", asked, "False")
    asked = "item.record.request_id != new.record.request_id"
    yield edited(MemoryStore, "_send_instance", asked, "False")


@mutant
def anybody_may_try_again() -> Iterable[Patch]:
    """A holder who has lost his lease replaces the attempt of the next one by his own next one."""
    yield edited(Item, "retry", "self.hold_of(delivery) is None", "delivery.task.id not in self.tasks")
    yield edited(MemoryStore, "retry", "self._check_settles((delivery,))", "self._item(task.instance_id)")
    held = "item.hold_of(delivery) is None"
    yield edited(split_store, "check_held", held, "delivery.task.id not in item.tasks")


@mutant
def heartbeat_details_are_not_kept() -> Iterable[Patch]:
    """A heartbeat prolongs the lease, and no more."""
    yield edited(Item, "extend", "if details is not None", "if False")


@mutant
def delays_are_ignored() -> Iterable[Patch]:
    """The next attempt is handed out at once."""
    yield edited(TaskState, "due_us", "self.task.not_before_us", "0")


@mutant
def nobody_looks_for_expired_leases() -> Iterable[Patch]:
    """What a worker held when it died is delivered again if the queue delivers it again, if ever."""
    yield edited(SplitItem, "task_look_at_us", "return state.due_us()", "return 1 << 62")


@mutant
def nobody_looks_for_lost_bells() -> Iterable[Patch]:
    """An instance whose bell was lost sleeps until something else comes."""
    yield edited(SplitItem, "look_at_us", "if due_us is not None:", "if False:")


@mutant
def tombstones_last_until_the_next_purge() -> Iterable[Patch]:
    """Whoever is purged takes the others' tombstones along."""
    yield edited(Shelf, "_bury", "if until > now_us", "if until < 0")


@mutant
def repeated_sends_are_new_sends() -> Iterable[Patch]:
    """What a healer sends once more is accepted once more: the word of a child, say.

    To forget the ids of events between instances is not a bug of its own: a transactional store sends once, and a split
    one knows by their keys what it has taken.
    """
    yield edited(SplitItem, "offer", "(key and key in self.seen) or", "")


@mutant
def refusals_are_not_told() -> Iterable[Patch]:
    """Who sends to an instance that has finished hears nothing."""
    told = "return message.if_finished or message.if_refused"
    yield edited(SplitItem, "offer", told, "return None")
    yield edited(MemoryStore, "_offer", told, "return None")


@mutant
def lost_outbox() -> Iterable[Patch]:
    """What a committer who died has left to be sent is forgotten by the next one."""
    yield edited(SplitOutbox, "_heal", "await self._make(instance_id, left)", "pass")


@mutant
def sent_through_moved_by_the_wrong_hand() -> Iterable[Patch]:
    """Who has made his sends crosses out those that others are still making."""
    yield edited(SplitItem, "sent", "if entry.number != number", "if entry.number > self.outbox_number")


@mutant
def own_success_is_not_recognised() -> Iterable[Patch]:
    """A commit whose reply was lost meets itself, and takes itself for another."""
    yield Item, "_has_made", lambda self, commit: False


@mutant
def given_back_is_counted() -> Iterable[Patch]:
    """A delivery that was given back unused counts as an attempt."""
    yield edited(Item, "release", "self.tasks[delivery.task.id].deliveries -= 1", "pass")
