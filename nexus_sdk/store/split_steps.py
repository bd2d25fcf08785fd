"""The sub-steps of a split store: single writes to the database, single calls to the queue, and healing.

The one rule: each sub-step is taken whole, and every one of them may be the last that its process takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

from nexus_sdk.errors import InstanceExists
from nexus_sdk.store.item import instance_of, lost, until_us
from nexus_sdk.store.outbox import Entry, SplitItem
from nexus_sdk.store.port import (
    TURNS,
    CancelTask,
    Delivery,
    InboxMessage,
    Lease,
    NewInstance,
    Send,
    Task,
    TaskDelivery,
)
from nexus_sdk.store.refusals import exists, finished, purged
from nexus_sdk.store.rings import Ring, RingQueue
from nexus_sdk.store.shelf import Shelf

Between = Callable[[str], Awaitable[None] | None]
"""Called with the name of a sub-step, as ``commit:write before`` and ``commit:write after``."""


class SplitSteps(Shelf[SplitItem]):
    """The state of a split store, and the steps that its verbs are made of."""

    def __init__(self, *, between: Between | None = None, outbox_grace_seconds: float = 5.0) -> None:
        super().__init__()
        self.between = between
        self.queue = RingQueue()
        self._grace_us = round(outbox_grace_seconds * 1_000_000)
        self._receipts: dict[str, tuple[str, int]] = {}

    # --- sub-steps ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _write(self, name: str) -> AsyncIterator[None]:
        """One write to the database or one call to the queue: taken whole, with a place to crash on either side."""
        await self._pause(f"{name} before")
        with self._lock:
            yield
        await self._pause(f"{name} after")

    async def _pause(self, name: str) -> None:
        if self.between is not None:
            waiting = self.between(name)
            if waiting is not None:
                await waiting

    async def _ring(self, instance_id: str, now_us: int) -> None:
        """Put a bell on the queue: at once when the instance wants a turn, delayed when it will."""
        with self._lock:
            item = self._items.get(instance_id)
            due_us = item.due_us() if item is not None else None
        if due_us is None:
            return
        async with self._write("ring"):
            self.queue.put(Ring(0, TURNS, instance_id, visible_us=due_us))
        self._announce(due_us, now_us)

    def _announce(self, due_us: int, now_us: int) -> None:
        if due_us <= now_us:
            self._board.ring_all()
        else:
            self._board.expect(due_us)

    async def _heal(self, instance_id: str) -> None:
        """Make the sends that older batches of this instance have left to be made."""
        while (item := self._items.get(instance_id)) is not None and item.is_behind:
            entry = item.outbox[0]
            for index, message in enumerate(entry.sends):
                await self._send(item, entry, index, message)
            async with self._write("outbox:sent"):
                item.sent(entry.number)

    async def _send(self, item: SplitItem, entry: Entry, index: int, message: Send) -> None:
        """One send of an outbox; may be made before, by somebody who crashed, and be made once more."""
        key = f"{item.record.id}/{item.seq}/{entry.number}/{index}"
        match message:
            case Task():
                async with self._write("outbox:task"):
                    self._add_foreign_task(item, message, key)
                    self._put_task(message.instance_id, message.id)
            case InboxMessage():
                await self._send_message(item, entry, index, message, key)
            case NewInstance():
                await self._send_instance(item, entry, index, message, key)
            case CancelTask():
                async with self._write("outbox:cancel"):
                    other = self._items.get(message.instance_id)
                    if other is not None and other.cancel_task(message.task_id):
                        other.add_entry(other.post(message.if_removed, entry.now_us), entry.now_us)
                await self._heal(message.instance_id)
                await self._ring(message.instance_id, entry.now_us)

    async def _send_message(self, item: SplitItem, entry: Entry, index: int, message: InboxMessage, key: str) -> None:
        if index not in entry.replies:
            async with self._write("outbox:message"):
                other = self._items.get(message.instance_id)
                reply = other.offer(message, entry.now_us, key) if other is not None else message.if_refused
            await self._ring(message.instance_id, entry.now_us)
            if reply is None:
                return
            async with self._write("outbox:outcome"):
                entry.replies[index] = reply
        await self._reply(entry.replies[index], entry.now_us, f"{key}/reply")

    async def _send_instance(self, item: SplitItem, entry: Entry, index: int, new: NewInstance, key: str) -> None:
        if index not in entry.replies:
            async with self._write("outbox:instance"):
                reply = None if self._is_mine(new, entry.now_us) else new.if_refused
            async with self._write("outbox:outcome"):
                entry.replies[index] = reply
        await self._ring(new.record.id, entry.now_us)
        await self._reply(entry.replies[index], entry.now_us, f"{key}/reply")

    async def _reply(self, reply: InboxMessage | None, now_us: int, key: str) -> None:
        if reply is None:
            return
        async with self._write("outbox:reply"):
            other = self._items.get(reply.instance_id)
            if other is not None:
                other.offer(reply, now_us, key)
        await self._ring(reply.instance_id, now_us)

    async def _settle_others(self, *written: str, deliveries: Iterable[Delivery]) -> None:
        """Settle what belongs to other items than those written already, and acknowledge all, last of all."""
        for delivery in deliveries:
            if instance_of(delivery) not in written:
                async with self._write("settle:write"):
                    item = self._items.get(instance_of(delivery))
                    if item is not None and not item.is_lost(delivery):
                        item.settle(delivery)
                await self._ring(instance_of(delivery), 0)
            await self._ack_message(delivery)

    async def _ack_message(self, delivery: Delivery) -> None:
        receipt = self._receipts.pop(delivery.token, None)
        if receipt is not None:
            async with self._write("ack:remove"):
                self.queue.remove(*receipt)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def _take(self, queue: str, limit: int, lease: Lease, now_us: int) -> AsyncIterator[Delivery]:
        while limit > 0:
            async with self._write("receive:take"):
                ring = self.queue.take(
                    queue, now_us=now_us, until_us=until_us(lease, now_us), holder=lease.holder
                )
            if ring is None:
                return
            await self._heal(ring.instance_id)
            async with self._write("receive:lease"):
                delivery = self._lease(ring, lease, now_us)
            if delivery is not None:
                limit -= 1
                yield delivery

    def _lease(self, ring: Ring, lease: Lease, now_us: int) -> Delivery | None:
        """Lease what a message refers to, if it is still to be done and nobody else's; else put the message away."""
        item = self._items.get(ring.instance_id)
        state = item.tasks.get(ring.task_id) if item is not None else None
        is_stale = bool(ring.task_id) and (
            item is None or state is None or item.sent_attempts.get(ring.task_id) != ring.attempt
        )
        due_us = state.due_us() if state is not None else item.due_us() if item is not None else None
        if item is None or is_stale or due_us is None:
            self.queue.remove(ring.queue, ring.number)
            return None
        if due_us > now_us:
            self.queue.hide(ring.queue, ring.number, due_us, is_taken=False)
            return None
        until, token = until_us(lease, now_us), next(self._tokens(lease))
        self._receipts[token] = (ring.queue, ring.number)
        return state.lease(token, until) if state is not None else item.lease_turn(token, until)

    # --- the sweep ------------------------------------------------------------------------------------------------

    async def _heed_dead_letters(self, now_us: int) -> None:
        """What the queue has given up: a bell heals its instance; a task that nobody holds has failed.

        Several may heed the same letter; it is put away last.
        """
        while True:
            async with self._write("dead:take"):
                letter = self.queue.dead[0] if self.queue.dead else None
            if letter is None:
                return
            await self._heal(letter.instance_id)
            if letter.task_id:
                async with self._write("dead:write"):
                    self._give_up_task(letter, now_us)
                async with self._write("dead:put"):
                    self._put_overdue(letter.instance_id, now_us)
            await self._ring(letter.instance_id, now_us)
            async with self._write("dead:remove"):
                self.queue.dead = [other for other in self.queue.dead if other is not letter]

    def _to_be_looked_at(self, before_us: int) -> Iterator[str]:
        """The sparse index: it may lag where a real one does, so whoever is told of an instance looks for himself."""
        return (item.record.id for item in self._items.values() if item.needs_look(before_us, self._grace_us))

    # --- leaves; all under the lock -------------------------------------------------------------------------------

    def _create(self, new: NewInstance, now_us: int) -> SplitItem:
        record = new.record
        item = self._items.get(record.id)
        if item is not None:
            if item.record.request_id != record.request_id:
                raise exists(record.id)
            return item
        if self._is_buried(record, now_us):
            raise purged(record.id)
        self._items[record.id] = item = SplitItem(record, next(self._numbers()))
        item.runs[new.batch.run_id] = [new.batch]
        if new.message is not None:
            item.accept(new.message, now_us=now_us)
        return item

    def _is_mine(self, new: NewInstance, now_us: int) -> bool:
        """Create the instance unless its request did before; False when another request has the id."""
        try:
            if not self._is_buried(new.record, now_us):
                self._create(new, now_us)
        except InstanceExists:
            return False
        return True

    def _numbers(self) -> Iterator[int]:
        while True:
            yield self._next()

    def _tokens(self, lease: Lease) -> Iterator[str]:
        return (f"{lease.holder}/{number}" for number in self._numbers())

    def _check_messages(self, messages: Iterable[InboxMessage]) -> None:
        for message in messages:
            item = self._item(message.instance_id)
            if item.record.status.is_finished and not item.knows(message):
                raise finished(message.instance_id, item.record.status)

    def _check_settles(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            item = self._items.get(instance_of(delivery))
            if item is None:
                raise lost(delivery)
            item.check_settle(delivery)

    def _check_held(self, delivery: TaskDelivery) -> None:
        item = self._items.get(delivery.task.instance_id)
        if item is None or item.hold_of(delivery) is None:
            raise lost(delivery)

    def _add_foreign_task(self, item: SplitItem, task: Task, key: str) -> None:
        other = self._items.get(task.instance_id)
        if other is None or other is item or key in other.seen:
            return
        other.seen.add(key)
        if other.add_task(task, next(self._numbers())):
            other.sent_attempts[task.id] = task.attempt

    def _put_task(self, instance_id: str, task_id: str, *, is_overdue: bool = False) -> None:
        """A message for the present attempt of a task; taken already when somebody holds it."""
        item = self._items.get(instance_id)
        state = item.tasks.get(task_id) if item is not None else None
        if item is None or state is None:
            return
        token = state.hold.token if not is_overdue else None
        ring = Ring(
            0,
            state.task.queue,
            instance_id,
            task_id,
            item.sent_attempts.get(task_id, state.task.attempt),
            state.task.priority,
            state.due_us(),
            is_taken=token is not None,
        )
        number = self.queue.put(ring)
        if token is not None:
            self._receipts[token] = (ring.queue, number)
        self._announce(state.due_us(), state.due_us() if token is None else 0)

    def _put_overdue(self, instance_id: str, before_us: int) -> None:
        item = self._items.get(instance_id)
        for task_id, state in list(item.tasks.items()) if item is not None else ():
            if item is not None and item.is_overdue(state, before_us, self._grace_us):
                self._put_task(instance_id, task_id, is_overdue=True)

    def _give_up_task(self, letter: Ring, now_us: int) -> None:
        """Unless the letter is of another attempt, or somebody has the task."""
        item = self._items.get(letter.instance_id)
        state = item.tasks.get(letter.task_id) if item is not None else None
        if item is None or state is None or item.sent_attempts.get(letter.task_id) != letter.attempt:
            return
        if state.due_us() <= now_us:
            state.dead_letter = f"its message was delivered {letter.receives} times and nobody answered for it"

    def _hide(self, delivery: Delivery, until: int, *, is_taken: bool = True) -> None:
        receipt = self._receipts.get(delivery.token)
        if receipt is not None:
            self.queue.hide(*receipt, until, is_taken=is_taken)
