"""The outbox of a split store: what a turn's batch implies is sent after it was written, and by whoever sees it unsent.

The one rule: a send may be made once more, by somebody who does not know that it was made; so each has a key, and what
it came to is written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from nexus_sdk.errors import InstanceExists
from nexus_sdk.store.item import TaskState, until_us
from nexus_sdk.store.port import LOCAL, CancelTask, Claim, InboxMessage, NewInstance, Send, Task, TaskDelivery
from nexus_sdk.store.refusals import exists, purged
from nexus_sdk.store.split.item import Entry, SplitItem
from nexus_sdk.store.split.looks import Held, Left, due_us_of, left_in, left_of
from nexus_sdk.store.split.ports import Slot
from nexus_sdk.store.split.steps import SplitSteps

NOTES_MAX = 10_000
"""Of so many instances it is remembered what was sent for them, until it is written down with their next write."""

TASKS_MAX = 90
"""So many tasks of a large turn are written together; each is a row, and the head is one more."""

OTHERS_MAX = 45
"""So many sends to another instance are written together; each is a row, and that it was made is another one."""

REMEMBERED_US = 86_400_000_000
"""So long it is known that a request was refused: whoever was about to make it once more is told the same."""


LOOKS_MAX = 5
"""So often, with pauses in between, who waits for others to make many sends sees them get no further, and goes on
himself."""


@dataclass(slots=True)
class Claiming:
    """What a committer wants to be leased of what he sends, and what he was given so far."""

    claim: Claim
    now_us: int
    tokens: Iterator[str]
    deliveries: list[TaskDelivery] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many more tasks he may have; local ones are not counted."""
        return self.claim.limit - sum(delivery.task.queue != LOCAL for delivery in self.deliveries)

    def lease(self, item: SplitItem, sent: Sequence[TaskState]) -> list[TaskDelivery]:
        """Lease some of these tasks in the write that sends them. Whether it was made is not known yet."""
        until = until_us(self.claim.lease, self.now_us)
        return item.claim(sent, replace(self.claim, limit=self.left), until, self.now_us, self.tokens)


class SplitOutbox(SplitSteps):
    """The sends of a split store."""

    # --- the outbox -----------------------------------------------------------------------------------------------

    async def _heal(self, instance_id: str) -> None:
        """Make the sends that older batches of this instance have left to be made."""
        await self._until_nobody_gets_on(instance_id)
        while (left := await self._table.change(instance_id, left_in)) is not None:
            await self._make(instance_id, left)
            await self._sent(instance_id, left)

    async def _until_nobody_gets_on(self, instance_id: str) -> None:
        """Of many sends that were begun, somebody makes the others just now, most likely: as long as his cursor moves
        on, he is waited for. Two who make them at the same time put each message twice, and a hundred a hundred times.
        """
        made, looks = await self._table.change(instance_id, _made_in), 0
        while self._pause is not None and made is not None and looks < LOOKS_MAX:
            await self._pause(looks)
            before, made = made, await self._table.change(instance_id, _made_in)
            looks = looks + 1 if made == before else 0

    async def _follow(self, instance_id: str, left: Left, claiming: Claiming | None) -> int | None:
        """Make the sends of one's own batch; returns when the instance's turn is due after that.

        That mere messages were put is written down with the next write. Whoever has much to send rings for himself,
        for the time when he should be done: if he dies, whoever hears it goes on where he was. And he claims nothing
        of it: his leases would run while he sends.
        """
        if len(left.entry.sends) <= TASKS_MAX:
            await self._make(instance_id, left, claiming)
        else:
            await self._ring(instance_id, left.entry.now_us + self._grace_us, left.entry.now_us)
            self._making.add(instance_id)
            try:
                await self._make(instance_id, left)
            finally:
                self._making.discard(instance_id)
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
            return due_us_of(slot)

        return await self._change("outbox:sent", instance_id, sent)

    async def _make(self, instance_id: str, left: Left, claiming: Claiming | None = None) -> None:
        """Make the sends of an entry from its cursor on; some were made before, perhaps, by somebody who crashed."""
        entry = left.entry
        await self._put("outbox:tasks", left.rings, entry.now_us)
        rest = list(enumerate(entry.sends))[entry.made :]
        for (kind, target), sends in groupby(rest, key=lambda pair: _kind(pair[1])):
            is_own_task = kind is Task and target == instance_id
            for part in _slices(list(sends), TASKS_MAX if is_own_task else OTHERS_MAX):
                if is_own_task:
                    await self._send_own_tasks(part, left, claiming)
                    continue
                if kind is Task:
                    await self._send_tasks(target, part, left, instance_id)
                elif target:
                    await self._send_messages(target, part, left, instance_id)
                else:
                    for index, message in part:
                        await self._send(instance_id, left, index, message)
                if part[-1][0] + 1 < len(entry.sends):
                    await self._made(instance_id, left, part[-1][0] + 1)

    async def _made(self, instance_id: str, left: Left, count: int) -> None:
        """Write down how far one has come: whoever goes on need not begin anew."""

        def made(slot: Slot) -> None:
            entry = _entry_in(slot, left)
            if entry is not None:
                entry.made = max(entry.made, count)

        await self._change("outbox:made", instance_id, made)

    async def _send_own_tasks(self, part: Sequence[tuple[int, Send]], left: Left, claiming: Claiming | None) -> None:
        """A slice of tasks of the sender itself: the cursor moves on with the same write, so each is written once.

        The entry names them until the next slice: that was not written before their messages were put.
        """
        tasks = [task for _, task in part if isinstance(task, Task)]
        first, count = part[0][0], part[-1][0] + 1

        def add(slot: Slot) -> tuple[list[TaskDelivery], list[Held]]:
            item, entry = slot.item, _entry_in(slot, left)
            if item is None or entry is None or entry.made > count:
                return [], []  # somebody else was faster
            if entry.made == count:
                return [], item.rings_of(ids)  # he was, but may have died before he has put them
            sent = []
            for task in tasks[max(0, entry.made - first) :]:
                if item.add_task(task, self._next()):
                    item.put_at(task.id, left.entry.now_us, is_certain=True)
                    sent.append(item.tasks[task.id])
            leased = claiming.lease(item, sent) if claiming is not None else []
            for delivery in leased:
                item.put_at(delivery.task.id, left.entry.now_us)
            entry.made, entry.tasks = count, tuple(ids)
            return leased, item.rings_of(ids)

        ids = [task.id for task in tasks]
        leased, rings = await self._change("outbox:task", tasks[0].instance_id, add, fresh=ids)
        if claiming is not None:
            claiming.deliveries += leased
        await self._put("outbox:put", rings, left.entry.now_us)

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
                due_us = await self._table.change(message.record.id, due_us_of)
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
            entry = _entry_in(slot, left)
            if entry is not None:
                entry.note(index, reply)

        await self._change("outbox:outcome", sender, note)
        left.entry.replies[index] = reply

    async def _create_child(self, new: NewInstance, now_us: int) -> bool:
        """Create the instance unless its request did before; False when another request has the id."""

        def make(slot: Slot) -> bool:
            if slot.is_refused(new.record, now_us):
                return False  # the id may be free by now; but the creator was told
            try:
                if not slot.is_buried(new.record, now_us):
                    self._create(slot, new, now_us)
            except InstanceExists:
                slot.refuse(new.record, now_us + REMEMBERED_US)
                return False
            return True

        return await self._change("outbox:instance", new.record.id, make)

    async def _reply(self, reply: InboxMessage | None, now_us: int, key: str) -> None:
        if reply is not None:
            _, due_us = await self._offer("outbox:reply", reply, now_us, key)
            await self._ring(reply.instance_id, due_us, now_us)

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


def _slices(sends: list[tuple[int, Send]], count: int) -> Iterator[list[tuple[int, Send]]]:
    for start in range(0, len(sends), count):
        yield sends[start : start + count]


def _made_in(slot: Slot) -> tuple[int, int] | None:
    """Which entry is the oldest, and how many of its sends were made; None when none of them is known to be."""
    oldest = slot.item.outbox[0] if slot.item is not None and slot.item.outbox else None
    return (oldest.number, oldest.made) if oldest is not None and oldest.made else None


def _entry_in(slot: Slot, left: Left) -> Entry | None:
    """The entry, as long as it stands in this incarnation of the item."""
    item = slot.item
    if item is None or item.seq != left.seq:
        return None
    return next((entry for entry in item.outbox if entry.number == left.entry.number), None)
