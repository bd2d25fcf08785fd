"""The store in memory, in its split profile: what a cloud database and a queue can do, and no more.

One conditional write per instance item; the queue only rings or refers. Every write and every queue call is a sub-step
of its own, and a process may die between any two: `between` is called before and after each, so that tests can do it.
The rules (architecture, section 6): the database is the truth; the batch is the outbox; the cause is acknowledged
last; who sees an outbox behind sends it first; whoever is delivered a task that may be old looks first.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus_sdk.store.item import instance_of, still_held, until_us
from nexus_sdk.store.port import (
    TURNS,
    Commit,
    Committed,
    Delivery,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    Received,
    Task,
    TaskDelivery,
)
from nexus_sdk.store.split_steps import SplitSteps


class SplitMemoryStore(SplitSteps):
    """See `nexus_sdk.store.port.Store` for the verbs and their laws.

    Args:
        between: called before and after every sub-step; what it raises ends the verb there, as a crash would.
        outbox_grace_seconds: how long a committer has to make its sends before `due` takes him for dead.
    """

    # --- instances ------------------------------------------------------------------------------------------------

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """Write the item when there is none, then ring."""
        async with self._write("create:write"):
            item = self._create(new, now_us)
            record = item.record
        await self._heal(record.id)
        await self._ring(record.id, now_us)
        return record

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """Make what sends are left, then erase the item, leaving a tombstone."""
        await self._heal(instance_id)
        async with self._write("purge:write"):
            if self._bury(instance_id, now_us, tombstone_seconds) is None:
                return
        self._board.moved(instance_id)

    # --- the way forward ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """One conditional write; then what it implies, slice by slice; the acknowledgements last."""
        instance_id, claim = commit.record.id, commit.claim
        await self._heal(instance_id)
        deliveries: list[TaskDelivery] = []
        async with self._write("commit:write"):
            item = self._item(instance_id)
            is_first = item.check_fence(commit)
            if is_first:
                self._check_settles(commit.settles)
                sent = item.apply(commit, now_us, self._numbers())
                if claim is not None:
                    until, tokens = until_us(claim.lease, now_us), self._tokens(claim.lease)
                    deliveries += item.claim(sent, claim, until, now_us, tokens)
        self._board.moved(instance_id)
        await self._heal(instance_id)
        await self._ring(instance_id, now_us)
        if not is_first:
            with self._lock:
                deliveries += still_held(commit, self._items)
        elif claim is not None:
            left = claim.limit - sum(delivery.task.queue in claim.queues for delivery in deliveries)
            for queue in sorted(claim.queues - {TURNS}):
                async for delivery in self._take(queue, left, claim.lease, now_us):
                    if isinstance(delivery, TaskDelivery):
                        deliveries.append(delivery)
                        left -= 1
        await self._settle_others(instance_id, deliveries=commit.settles)
        with self._lock:
            found = self._items.get(instance_id)
            return Committed(tuple(deliveries), is_ready=found is not None and found.is_ready(now_us))

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """One conditional write for each instance, then its bell; the acknowledgements last."""
        instance_ids = list(dict.fromkeys(message.instance_id for message in messages))
        for instance_id in instance_ids:
            await self._heal(instance_id)
        with self._lock:
            self._check_messages(messages)
            self._check_settles(settles)
        for instance_id in instance_ids:
            async with self._write("send:accept"):
                self._check_messages(message for message in messages if message.instance_id == instance_id)
                item = self._items[instance_id]
                own = [delivery for delivery in settles if instance_of(delivery) == instance_id]
                self._check_settles(own)
                for message in messages:
                    if message.instance_id == instance_id:
                        item.offer(message, now_us)
                for delivery in own:
                    item.settle(delivery)
            await self._ring(instance_id, now_us)
        await self._settle_others(*instance_ids, deliveries=settles)

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """Take messages off the queues, and lease what they refer to in the database."""
        deliveries: list[Delivery] = []
        for queue in dict.fromkeys(queues):
            async for delivery in self._take(queue, limit - len(deliveries), lease, now_us):
                deliveries.append(delivery)
        with self._lock:
            times = [at for queue in queues if (at := self.queue.next_visible_us(queue)) is not None]
            next_due_us = max(min(times), now_us) if times else None
            self._board.tell(queues, next_due_us)
        return Received(tuple(deliveries), next_due_us)

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """Prolong a lease in the database, then hide the message for longer."""
        until = until_us(lease, now_us)
        async with self._write("extend:write"):
            item = self._items.get(instance_of(delivery))
            extended = item.extend(delivery, until, details) if item is not None else Extended(is_lost=True)
        if not extended.is_lost:
            async with self._write("extend:hide"):
                self._hide(delivery, until)
        return extended

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """Write the next attempt, send its message, acknowledge the old one."""
        async with self._write("retry:write"):
            self._check_held(delivery)
            item = self._items[task.instance_id]
            item.retry(delivery, task)
            item.sent_attempts[task.id] = task.attempt
        async with self._write("retry:put"):
            self._put_task(task.instance_id, task.id)
        await self._ack_message(delivery)

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """Free the lease in the database, then show the message again."""
        async with self._write("release:write"):
            item = self._items.get(instance_of(delivery))
            if item is None or item.hold_of(delivery) is None:
                return
            item.release(delivery, not_before_us)
        async with self._write("release:show"):
            self._hide(delivery, not_before_us or 0, is_taken=False)
            self._receipts.pop(delivery.token, None)
            self._announce(not_before_us or 0, now_us)
        await self._ring(instance_of(delivery), now_us)

    async def ack(self, delivery: Delivery) -> None:
        """Settle in the database, then on the queue."""
        async with self._write("ack:write"):
            item = self._items.get(instance_of(delivery))
            if item is None or item.hold_of(delivery) is None:
                return
            item.settle(delivery)
        await self._ring(instance_of(delivery), 0)
        await self._ack_message(delivery)

    # --- waiting --------------------------------------------------------------------------------------------------

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """The sweep: instances whose outbox, timer, bell or lease needs a look; they are healed and rung for."""
        await self._heed_dead_letters(before_us)
        with self._lock:
            instance_ids = [id for id, _ in zip(self._to_be_looked_at(before_us), range(limit), strict=False)]
        for instance_id in instance_ids:
            await self._heal(instance_id)
            await self._ring(instance_id, before_us)
            async with self._write("due:put"):
                self._put_overdue(instance_id, before_us)
        return instance_ids
