"""The sub-steps of a split store: single writes to the table, single calls to the queues, and healing.

The one rule: each sub-step is taken whole, and every one of them may be the last that its process takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar

from nexus_sdk.errors import InstanceExists
from nexus_sdk.store.bell import BellBoard
from nexus_sdk.store.item import instance_of, lost, until_us
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
from nexus_sdk.store.refusals import exists, finished, not_found, purged
from nexus_sdk.store.split.item import DIRECT_MAX, Entry, SplitItem
from nexus_sdk.store.split.ports import Change, Queues, Slot, Table
from nexus_sdk.store.split.rings import Ring

T = TypeVar("T")

Between = Callable[[str], Awaitable[None] | None]
"""Called with the name of a sub-step, as ``commit:write before`` and ``commit:write after``."""

Held = tuple[Ring, str | None]
"""A message of a task, and the token of who holds the task."""

NOTES_MAX = 10_000
"""Of so many instances it is remembered what was sent for them, until it is written down with their next write."""


class Behind(Exception):
    """The item has sends left to be made; they come first."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a write has left to be done: the entry, the messages of its tasks, and which incarnation of the item.

    `due_us`: when the instance's turn was due as of that write.
    """

    entry: Entry
    rings: Sequence[Held]
    seq: int
    due_us: int | None


class SplitSteps:
    """The steps that the verbs of a split store are made of."""

    def __init__(
        self,
        table: Table,
        queues: Queues,
        *,
        next_number: Callable[[], int],
        between: Between | None = None,
        outbox_grace_seconds: float = 5.0,
    ) -> None:
        self.between = between
        self._table = table
        self._queues = queues
        self._board = BellBoard()
        self._next = next_number
        self._grace_us = round(outbox_grace_seconds * 1_000_000)
        self._receipts: dict[str, Ring] = {}
        self._notes: dict[str, tuple[int, int]] = {}

    # --- sub-steps ------------------------------------------------------------------------------------------------

    async def _pause(self, name: str) -> None:
        if self.between is not None:
            waiting = self.between(name)
            if waiting is not None:
                await waiting

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[None]:
        """One write to the table or one call to a queue: taken whole, with a place to crash on either side."""
        await self._pause(f"{name} before")
        yield
        await self._pause(f"{name} after")

    async def _change(
        self,
        name: str,
        instance_id: str,
        change: Change[T],
        *,
        tasks: Sequence[str] = (),
        fresh: Sequence[str] = (),
        is_of_task: bool = False,
    ) -> T:
        """One conditional write; what this process has noted as sent is written down with it.

        `is_of_task`: not with this one, which concerns one task, and not the instance.
        """
        note = None if is_of_task else self._notes.get(instance_id)

        def noting(slot: Slot) -> T:
            if note is not None and slot.item is not None and slot.item.seq == note[0]:
                slot.item.sent(note[1])
            return change(slot)

        async with self._step(name):
            result = await self._table.change(instance_id, change if note is None else noting, tasks=tasks, fresh=fresh)
        if note is not None and self._notes.get(instance_id) == note:
            del self._notes[instance_id]
        return result

    async def _change_healed(
        self,
        name: str,
        instance_id: str,
        change: Change[T],
        *,
        tasks: Sequence[str] = (),
        fresh: Sequence[str] = (),
        delivered: Sequence[str] = (),
        is_of_task: bool = False,
    ) -> T:
        """A change that comes after the sends that older batches have left to be made.

        Args:
            delivered: tasks that were delivered, which proves that their messages were put.
            is_of_task: it concerns one task, so it need not wait for messages of others to be put.
        """

        def healed(slot: Slot) -> T:
            item = slot.item
            if item is not None:
                item.cross_out(delivered)
            if item is not None and (item.has_sends if is_of_task else item.is_behind):
                raise Behind
            return change(slot)

        while True:
            try:
                return await self._change(name, instance_id, healed, tasks=tasks, fresh=fresh, is_of_task=is_of_task)
            except Behind:
                await self._heal(instance_id)

    async def _ring(self, instance_id: str, due_us: int | None, now_us: int) -> None:
        """Put a bell on the queue: at once when the instance wants a turn, delayed when it will."""
        if due_us is None:
            return
        async with self._step("ring"):
            await self._queues.put([Ring(0, TURNS, instance_id, visible_us=due_us)], now_us=now_us)
        self._announce(due_us, now_us)

    def _announce(self, due_us: int, now_us: int) -> None:
        if due_us <= now_us:
            self._board.ring_all()
        else:
            self._board.expect(due_us)

    async def _put(self, name: str, rings: Sequence[Held], now_us: int) -> None:
        """Put the messages of tasks on their queues."""
        if not rings:
            return
        async with self._step(name):
            put = await self._queues.put([ring for ring, _ in rings], now_us=now_us)
        for ring, (_, token) in zip(put, rings, strict=True):
            if ring.is_taken and token is not None:
                self._receipts[token] = ring
            self._announce(ring.visible_us, now_us)

    # --- the outbox -----------------------------------------------------------------------------------------------

    async def _heal(self, instance_id: str) -> None:
        """Make the sends that older batches of this instance have left to be made."""
        while (left := await self._table.change(instance_id, _left)) is not None:
            await self._make(instance_id, left)
            await self._sent(instance_id, left)

    async def _follow(self, instance_id: str, left: Left) -> int | None:
        """Make the sends of one's own batch; returns when the instance's turn is due after that.

        That mere messages were put is written down with the next write.
        """
        await self._make(instance_id, left)
        if left.entry.sends:
            return await self._sent(instance_id, left)
        if len(self._notes) >= NOTES_MAX:
            self._notes.pop(next(iter(self._notes)), None)
        self._notes[instance_id] = (left.seq, left.entry.number)
        return left.due_us

    async def _sent(self, instance_id: str, left: Left) -> int | None:
        def sent(slot: Slot) -> int | None:
            if slot.item is not None and slot.item.seq == left.seq:
                slot.item.sent(left.entry.number, left.entry.replies)
            return _due_us(slot)

        return await self._change("outbox:sent", instance_id, sent)

    async def _make(self, instance_id: str, left: Left) -> None:
        """Make all sends of an entry; some were made before, perhaps, by somebody who crashed."""
        entry = left.entry
        await self._put("outbox:tasks", left.rings, entry.now_us)
        slices = groupby(enumerate(entry.sends), key=lambda pair: _kind(pair[1]))
        for (kind, target), sends in slices:
            for part in _slices(list(sends)):
                if kind is Task:
                    await self._send_tasks(target, part, left, instance_id)
                elif target:
                    await self._send_messages(target, part, left, instance_id)
                else:
                    for index, message in part:
                        await self._send(instance_id, left, index, message)

    async def _send_tasks(self, target: str, part: Sequence[tuple[int, Send]], left: Left, sender: str) -> None:
        """A slice of tasks for one instance, in one write; then their messages."""
        tasks = [(index, task) for index, task in part if isinstance(task, Task)]
        keys = {task.id: _key(sender, left, index) for index, task in tasks}

        def add(slot: Slot) -> list[Held]:
            item = slot.item
            if item is None:
                return []
            for _, task in tasks:
                if keys[task.id] not in item.seen:
                    item.seen.add(keys[task.id])
                    if item.add_task(task, self._next()):
                        item.put_at(task.id, left.entry.now_us)
            return item.rings_of([task.id for _, task in tasks])

        ids = [task.id for _, task in tasks]
        rings = await self._change("outbox:task", target, add, fresh=ids)
        await self._put("outbox:put", rings, left.entry.now_us)

    async def _send_messages(self, target: str, part: Sequence[tuple[int, Send]], left: Left, sender: str) -> None:
        """A slice of messages for one instance, of which nobody asks what becomes of them, in one write."""
        now_us = left.entry.now_us
        messages = [(_key(sender, left, index), one) for index, one in part if isinstance(one, InboxMessage)]

        def offer(slot: Slot) -> int | None:
            item = slot.item
            if item is None:
                return None
            before_us = item.wants_turn_at_us()
            for key, message in messages:
                item.offer(message, now_us, key)
            return None if item.wants_turn_at_us() == before_us else item.due_us()

        await self._ring(target, await self._change("outbox:message", target, offer), now_us)

    async def _send(self, sender: str, left: Left, index: int, message: Send) -> None:
        """One send of an outbox; may be made before, by somebody who crashed, and be made once more."""
        entry, key = left.entry, _key(sender, left, index)
        match message:
            case InboxMessage():
                if index not in entry.replies:
                    reply, due_us = await self._offer("outbox:message", message, entry.now_us, key)
                    await self._ring(message.instance_id, due_us, entry.now_us)
                    if reply is None:
                        return
                    await self._note_reply(sender, left, index, reply)
                await self._reply(entry.replies[index], entry.now_us, f"{key}/reply")
            case NewInstance():
                if index not in entry.replies:
                    is_mine = await self._create_child(message, entry.now_us)
                    await self._note_reply(sender, left, index, None if is_mine else message.if_refused)
                due_us = await self._table.change(message.record.id, _due_us)
                await self._ring(message.record.id, due_us, entry.now_us)
                await self._reply(entry.replies[index], entry.now_us, f"{key}/reply")
            case CancelTask():
                await self._send_cancel(message, entry.now_us)
            case Task():
                raise AssertionError("tasks are sent in slices")

    async def _send_cancel(self, cancel: CancelTask, now_us: int) -> None:
        def remove(slot: Slot) -> tuple[int | None, Left | None]:
            item = slot.item
            if item is None or not item.cancel_task(cancel.task_id):
                return None, None
            item.add_entry(item.post(cancel.if_removed, now_us), now_us)
            return item.due_us(), left_of(item)

        due_us, left = await self._change("outbox:cancel", cancel.instance_id, remove, tasks=[cancel.task_id])
        if left is not None:
            await self._heal(cancel.instance_id)
        await self._ring(cancel.instance_id, due_us, now_us)

    async def _offer(
        self, name: str, message: InboxMessage, now_us: int, key: str
    ) -> tuple[InboxMessage | None, int | None]:
        """Offer a message to its instance: the reply that says what came of it, and when its bell is to be heard."""

        def offer(slot: Slot) -> tuple[InboxMessage | None, int | None]:
            item = slot.item
            if item is None:
                return message.if_refused, None
            before_us = item.wants_turn_at_us()
            reply = item.offer(message, now_us, key)
            return reply, None if item.wants_turn_at_us() == before_us else item.due_us()

        return await self._change(name, message.instance_id, offer)

    async def _note_reply(self, sender: str, left: Left, index: int, reply: InboxMessage | None) -> None:
        """Write down what a send came to: made once more, it might come to something else."""

        def note(slot: Slot) -> None:
            if slot.item is not None and slot.item.seq == left.seq:
                for entry in slot.item.outbox:
                    if entry.number == left.entry.number:
                        entry.note(index, reply)

        await self._change("outbox:outcome", sender, note)
        left.entry.replies[index] = reply

    async def _create_child(self, new: NewInstance, now_us: int) -> bool:
        """Create the instance unless its request did before; False when another request has the id."""

        def make(slot: Slot) -> bool:
            try:
                if not slot.is_buried(new.record, now_us):
                    self._create(slot, new, now_us)
            except InstanceExists:
                return False
            return True

        return await self._change("outbox:instance", new.record.id, make)

    async def _reply(self, reply: InboxMessage | None, now_us: int, key: str) -> None:
        if reply is not None:
            _, due_us = await self._offer("outbox:reply", reply, now_us, key)
            await self._ring(reply.instance_id, due_us, now_us)

    # --- settling ---------------------------------------------------------------------------------------------------

    async def _check_others(self, *own: str, settles: Iterable[Delivery]) -> None:
        """Raise `ConflictError` when a delivery of other items than these was lost."""
        for delivery in settles:
            if instance_of(delivery) not in own:
                check = partial(check_settle, delivery=delivery)
                await self._table.change(instance_of(delivery), check, tasks=task_ids(delivery))

    async def _settle_others(self, *written: str, deliveries: Iterable[Delivery]) -> None:
        """Settle what belongs to other items than those written already, and acknowledge all, last of all."""
        for delivery in deliveries:
            if instance_of(delivery) not in written:

                def settle(slot: Slot, delivery: Delivery = delivery) -> int | None:
                    item = slot.item
                    if item is not None and not item.is_lost(delivery):
                        item.settle(delivery)
                    return item.due_us() if item is not None else None

                due_us = await self._change("settle:write", instance_of(delivery), settle, tasks=task_ids(delivery))
                await self._ring(instance_of(delivery), due_us, 0)
            await self._ack_message(delivery)

    async def _ack_message(self, delivery: Delivery) -> None:
        ring = self._receipts.pop(delivery.token, None)
        if ring is not None:
            async with self._step("ack:remove"):
                await self._queues.remove(ring)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def _take(self, queue: str, limit: int, lease: Lease, now_us: int) -> AsyncIterator[Delivery]:
        until = until_us(lease, now_us)
        while limit > 0:
            async with self._step("receive:take"):
                rings = await self._queues.take(queue, limit=limit, now_us=now_us, until_us=until, holder=lease.holder)
            if not rings:
                return
            for ring in rings:
                delivery = await self._lease(ring, lease, now_us)
                if delivery is not None:
                    limit -= 1
                    yield delivery

    async def _lease(self, ring: Ring, lease: Lease, now_us: int) -> Delivery | None:
        """Lease what a message refers to, if it is still to be done and nobody else's; else put the message away."""
        until, token = until_us(lease, now_us), next(self._tokens(lease))

        def take(slot: Slot) -> Delivery | int | None:
            return slot.item.lease(ring, token, until, now_us) if slot.item is not None else None

        tasks = [ring.task_id] if ring.task_id else []
        found = await self._change_healed(
            "receive:lease", ring.instance_id, take, tasks=tasks, is_of_task=bool(ring.task_id)
        )
        if found is None:
            await self._queues.remove(ring)
            return None
        if isinstance(found, int):
            await self._queues.hide(ring, until_us=found, now_us=now_us, is_taken=False)
            return None
        self._receipts[token] = ring
        return found

    # --- leaves ---------------------------------------------------------------------------------------------------

    def _create(self, slot: Slot, new: NewInstance, now_us: int) -> SplitItem:
        record, item = new.record, slot.item
        if item is not None:
            if item.record.request_id != record.request_id:
                raise exists(record.id)
            return item
        if slot.is_buried(record, now_us):
            raise purged(record.id)
        item = slot.put(record, self._next())
        item.runs.setdefault(new.batch.run_id, []).append(new.batch)
        if new.message is not None:
            item.accept(new.message, now_us=now_us)
        return item

    def _numbers(self) -> Iterator[int]:
        while True:
            yield self._next()

    def _tokens(self, lease: Lease) -> Iterator[str]:
        return (f"{lease.holder}/{number}" for number in self._numbers())

    async def _hide(self, delivery: Delivery, until: int, now_us: int, *, is_taken: bool = True) -> None:
        ring = self._receipts.get(delivery.token)
        if ring is not None:
            await self._queues.hide(ring, until_us=until, now_us=now_us, is_taken=is_taken)


# --- looks and checks: all inside one change --------------------------------------------------------------------------


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


def _due_us(slot: Slot) -> int | None:
    return slot.item.due_us() if slot.item is not None else None


def _left(slot: Slot) -> Left | None:
    return left_of(slot.item) if slot.item is not None else None


def left_of(item: SplitItem) -> Left | None:
    """The oldest of the entries with sends that are left to be made."""
    if not item.outbox:
        return None
    oldest = item.outbox[0]
    entry = Entry(oldest.number, oldest.sends, oldest.now_us, oldest.tasks, dict(oldest.replies))
    return Left(entry, item.rings_of(entry.tasks), item.seq, item.due_us())


def _key(sender: str, left: Left, index: int) -> str:
    """By this a send is known when it is made once more."""
    return f"{sender}/{left.seq}/{left.entry.number}/{index}"


def _kind(send: Send) -> tuple[type[Send], str]:
    """Sends of one kind can be made together, when it is said whom they are for."""
    match send:
        case Task():
            return Task, send.instance_id
        case InboxMessage(if_accepted=None, if_refused=None, if_finished=None):
            return InboxMessage, send.instance_id
        case _:
            return type(send), ""


def _slices(sends: list[tuple[int, Send]]) -> Iterator[list[tuple[int, Send]]]:
    for start in range(0, len(sends), DIRECT_MAX):
        yield sends[start : start + DIRECT_MAX]
