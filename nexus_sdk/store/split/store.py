"""The protocol of split stores: a database with one conditional write per item, and a queue that lies elsewhere.

Every write and every queue call is a sub-step of its own, and a process may die between any two: `between` is called
before and after each, so that tests can do it. The rules (architecture, section 6): the database is the truth; the
batch is the outbox; the cause is acknowledged last; who sees an outbox behind sends it first; whoever is delivered a
task that may be old looks first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nexus_sdk.core.status import Status
from nexus_sdk.errors import InstanceNotFound
from nexus_sdk.store.bell import has_moved
from nexus_sdk.store.item import instance_of, until_us
from nexus_sdk.store.port import (
    TURNS,
    Capabilities,
    Commit,
    Committed,
    Delivery,
    Doorbell,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    Loaded,
    NewInstance,
    Query,
    Received,
    RecordPage,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.store.split.item import DIRECT_MAX
from nexus_sdk.store.split.leases import SplitLeases
from nexus_sdk.store.split.looks import (
    Held,
    Left,
    check_held,
    check_messages,
    check_settle,
    item_of,
    left_of,
    still_held,
    task_ids,
)
from nexus_sdk.store.split.outbox import OTHERS_MAX, TASKS_MAX, Claiming, SplitOutbox
from nexus_sdk.store.split.ports import Slot
from nexus_sdk.store.split.rings import Ring

SETTLED_MAX = 60
"""So many deliveries are settled by the write of a turn: workers bring no more (`Capabilities.settles_max`). They leave
room in it for some that the turn sends, to be claimed (`DIRECT_MAX`).
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What the write of a commit came to; `ring_us`: when its bell is to be heard, if one is to be put."""

    is_first: bool
    deliveries: tuple[TaskDelivery, ...]
    left: Left | None
    due_us: int | None
    ring_us: int | None
    has_new_status: bool = False


class SplitStore(SplitOutbox, SplitLeases):
    """See `nexus_sdk.store.port.Store` for the verbs and their laws; and `ports` for what a provider supplies.

    Args:
        between: called before and after every sub-step; what it raises ends the verb there, as a crash would.
        pause: who sees that somebody else is making many sends waits so for him; None: he makes them himself at once.
        outbox_grace_seconds: how long a committer has to make its sends before `due` takes him for dead.

    Attributes:
        direct_max: so many sends of a turn to its own instance are part of its write; fewer, and more is left to the
            outbox.
    """

    capabilities = Capabilities(settles_max=SETTLED_MAX)
    direct_max = DIRECT_MAX

    # --- instances ------------------------------------------------------------------------------------------------

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """Write the item when there is none, then ring."""

        def write(slot: Slot) -> tuple[InstanceRecord, int | None]:
            item = self._create(slot, new, now_us)
            return item.record, item.due_us()

        record, due_us = await self._change_healed("create:write", new.record.id, write)
        await self._ring(record.id, due_us, now_us)
        return record

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """Record, batches and pending messages of one moment."""
        return await self._table.load(instance_id, run_id=run_id, after=after)

    async def find(self, instance_id: str) -> InstanceRecord:
        """The record alone."""
        return await self._table.find(instance_id)

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """A page of the instances that match, newest first."""
        return await self._table.list(query, limit=limit, cursor=cursor)

    async def count(self, query: Query) -> int:
        """How many instances match."""
        return await self._table.count(query)

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """Make what sends are left, then erase the item, leaving a tombstone."""
        await self._change_healed("purge:write", instance_id, lambda slot: slot.bury(now_us, tombstone_seconds))
        async with self._step("purge:clear"):
            await self._table.clear(instance_id)
        self._board.moved(instance_id)

    # --- the way forward ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """One conditional write; then what it implies, slice by slice; the acknowledgements last."""
        instance_id, claim = commit.record.id, commit.claim
        await self._check_others(instance_id, settles=commit.settles)
        settled, later = commit.settles[:SETTLED_MAX], commit.settles[SETTLED_MAX:]
        own = [task for task in commit.sends if isinstance(task, Task) and task.instance_id == instance_id]
        written = await self._change_healed(
            "commit:write",
            instance_id,
            lambda slot: self._write(slot, commit, now_us),
            tasks=task_ids(*settled),
            delivered=task_ids(*settled),
            fresh=[task.id for task in own[: self.direct_max]],
        )
        self._board.moved(instance_id, has_new_status=written.has_new_status)
        deliveries, due_us = list(written.deliveries), written.due_us
        claiming = None
        if claim is not None and written.is_first:
            claiming = Claiming(claim, now_us, self._tokens(claim.lease), deliveries)
        if written.left is not None:
            due_us = await self._follow(instance_id, written.left, claiming)
        await self._ring(instance_id, written.ring_us, now_us)
        if claiming is not None:
            for queue in sorted(claiming.claim.queues - {TURNS}):
                for taken in (await self._take(queue, claiming.left, claiming.claim.lease, now_us))[0]:
                    if isinstance(taken, TaskDelivery):
                        deliveries.append(taken)
                    else:  # what is local comes with the bells where queues are dear
                        await self.release(taken, now_us=now_us)
        elif claim is not None:
            deliveries += await self._still_held_elsewhere(commit)
        await self._settle_others(instance_id, deliveries=settled)
        await self._settle_others(deliveries=later)
        return Committed(tuple(deliveries), is_ready=due_us is not None and due_us <= now_us)

    def _write(self, slot: Slot, commit: Commit, now_us: int) -> Written:
        """The write of a commit."""
        item, claim = item_of(slot, commit.record.id), commit.claim
        if not item.check_fence(commit):
            # Whoever made it may have died before it said so.
            return Written(False, still_held(slot, commit), None, item.due_us(), item.due_us(), has_new_status=True)
        for delivery in commit.settles:
            if instance_of(delivery) == item.record.id:
                check_settle(slot, delivery)
        before_us = item.wants_turn_at_us()
        has_new_status = commit.record.status.is_news_after(item.record.status)
        turn = replace(commit, settles=commit.settles[:SETTLED_MAX])
        sent = item.apply(turn, now_us, self._numbers(), self.direct_max)
        deliveries: list[TaskDelivery] = []
        if claim is not None and sum(len(entry.sends) for entry in item.outbox) <= TASKS_MAX:
            deliveries = Claiming(claim, now_us, self._tokens(claim.lease)).lease(item, sent)
        has_bell = not any(isinstance(delivery, TurnDelivery) for delivery in commit.settles)
        is_told = has_bell and item.wants_turn_at_us() == before_us
        due_us = item.due_us()
        return Written(True, tuple(deliveries), left_of(item), due_us, None if is_told else due_us, has_new_status)

    async def _still_held_elsewhere(self, commit: Commit) -> Sequence[TaskDelivery]:
        deliveries: Sequence[TaskDelivery] = ()
        others = dict.fromkeys(send.instance_id for send in commit.sends if isinstance(send, Task))
        for instance_id in others:
            if instance_id != commit.record.id:
                found = await self._table.change(instance_id, partial(still_held, commit=commit))
                deliveries = (*deliveries, *found)
        return deliveries

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """One conditional write for each instance, then its bell; the acknowledgements last."""
        by_instance: dict[str, list[InboxMessage]] = {}
        for message in messages:
            by_instance.setdefault(message.instance_id, []).append(message)
        if len(by_instance) > 1:
            for instance_id, own in by_instance.items():
                await self._table.change(instance_id, partial(check_messages, instance_id=instance_id, messages=own))
        await self._check_others(*list(by_instance)[:1], settles=settles)
        for instance_id, own in by_instance.items():
            settled = [delivery for delivery in settles if instance_of(delivery) == instance_id]
            for start in range(0, len(own), OTHERS_MAX):
                is_last = start + OTHERS_MAX >= len(own)
                accept = partial(
                    _accept, messages=own[start : start + OTHERS_MAX], settled=settled if is_last else (), now_us=now_us
                )
                ids = task_ids(*settled)
                due_us = await self._change_healed("send:accept", instance_id, accept, tasks=ids, delivered=ids)
                await self._ring(instance_id, due_us, now_us)
        await self._settle_others(*by_instance, deliveries=settles)

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """Take messages off the queues, and lease what they refer to in the database."""
        deliveries: list[Delivery] = []
        times: list[int] = []
        for queue in dict.fromkeys(queues):
            taken, is_more = await self._take(queue, limit - len(deliveries), lease, now_us)
            deliveries += taken
            times += [now_us] if is_more else []
        times += [at for queue in queues if (at := self._queues.next_visible_us(queue, now_us)) is not None]
        next_due_us = max(min(times), now_us) if times else None
        self._board.tell(queues, next_due_us)
        return Received(tuple(deliveries), next_due_us)

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """Prolong a lease in the database, then hide the message for longer."""
        until = until_us(lease, now_us)

        def prolong(slot: Slot) -> Extended:
            item = slot.item
            return item.extend(delivery, until, details) if item is not None else Extended(is_lost=True)

        ids = task_ids(delivery)
        extended = await self._change("extend:write", instance_of(delivery), prolong, tasks=ids, is_of_task=bool(ids))
        if not extended.is_lost:
            async with self._step("extend:hide"):
                await self._hide(delivery, until, now_us)
        return extended

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """Write the next attempt, send its message, acknowledge the old one."""

        def follow(slot: Slot) -> list[Held]:
            item = check_held(slot, delivery)
            item.retry(delivery, task)
            item.put_at(task.id, now_us)
            return item.rings_of([task.id])

        rings = await self._change("retry:write", task.instance_id, follow, tasks=[task.id], is_of_task=True)
        await self._put("retry:put", rings, now_us)
        await self._ack_messages(delivery)

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """Free the lease in the database, then show the message again."""

        def free(slot: Slot) -> tuple[int | None, list[Held]] | None:
            item = slot.item
            if item is None or item.hold_of(delivery) is None:
                return None
            item.release(delivery, not_before_us)
            if isinstance(delivery, TurnDelivery):
                return item.due_us(), []
            item.put_at(delivery.task.id, now_us)
            return None, item.rings_of([delivery.task.id])

        ids = task_ids(delivery)
        freed = await self._change("release:write", instance_of(delivery), free, tasks=ids, is_of_task=bool(ids))
        if freed is None:
            return
        due_us, rings = freed
        if delivery.token in self._receipts:
            async with self._step("release:show"):
                await self._hide(delivery, not_before_us or 0, now_us, is_taken=False)
                self._receipts.pop(delivery.token, None)
                self._announce(not_before_us or 0, now_us)
        else:
            await self._put("release:put", rings, now_us)
        await self._ring(instance_of(delivery), due_us, now_us)

    async def ack(self, delivery: Delivery) -> None:
        """Settle in the database, then on the queue."""

        def settle(slot: Slot) -> tuple[bool, int | None]:
            item = slot.item
            if item is None or item.hold_of(delivery) is None:
                return False, None
            item.settle(delivery)
            return True, item.due_us() if isinstance(delivery, TurnDelivery) else None

        is_mine, due_us = await self._change("ack:write", instance_of(delivery), settle, tasks=task_ids(delivery))
        if is_mine:
            await self._ring(instance_of(delivery), due_us, 0)
            await self._ack_messages(delivery)

    # --- waiting --------------------------------------------------------------------------------------------------

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """The sweep: instances whose outbox, timer, bell or lease needs a look; they are healed and rung for."""
        await self._heed_dead_letters(before_us)
        late = await self._table.late(before_us=before_us, grace_us=self._grace_us, limit=limit)
        for instance_id, overdue in late.items():
            if instance_id in self._making:
                continue
            for start in range(0, max(len(overdue), 1), DIRECT_MAX):
                await self._look(instance_id, overdue[start : start + DIRECT_MAX], before_us)
        return list(late)

    async def _look(self, instance_id: str, tasks: Sequence[str], now_us: int) -> None:
        """Heal an instance, ring for it, and put once more the messages of those of these tasks that are overdue."""

        def look(slot: Slot) -> tuple[int | None, list[Held]]:
            item = slot.item
            if item is None:
                return None, []
            item.want(tasks)
            overdue = list(item.overdue(tasks, now_us, self._grace_us))
            again = (item.ring_again(task_id, now_us) for task_id in overdue)
            return item.due_us(), [(ring, None) for ring in again if ring is not None]

        due_us, rings = await self._change_healed("due:write", instance_id, look, tasks=tasks)
        await self._ring(instance_id, due_us, now_us)
        await self._put("due:put", rings, now_us)

    async def _heed_dead_letters(self, now_us: int) -> None:
        """What the queue has given up: a bell heals its instance; a task that nobody holds has failed.

        Several may heed the same letter; it is put away last.
        """
        while True:
            async with self._step("dead:take"):
                letters = await self._queues.dead_letters(now_us=now_us)
            if not letters:
                return
            for letter in letters:
                due_us, rings = await self._change_healed(
                    "dead:write",
                    letter.instance_id,
                    partial(_give_up, letter=letter, now_us=now_us),
                    tasks=[letter.task_id] if letter.task_id else [],
                )
                await self._put("dead:put", rings, now_us)
                await self._ring(letter.instance_id, due_us, now_us)
                async with self._step("dead:remove"):
                    await self._queues.remove_dead_letter(letter)

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """Return when the instance has moved on."""
        bell = self._board.add_watch(instance_id, wants_every_move=status is None)
        try:
            while True:
                try:
                    record = await self._table.find(instance_id)
                except InstanceNotFound:
                    return
                if has_moved(record, run_id, after, status):
                    return
                await self._wait_for_a_move(bell)
        finally:
            self._board.drop_watch(instance_id, bell)

    async def _wait_for_a_move(self, bell: Doorbell) -> None:
        """Until the instance has moved in this process, or may have moved in another one."""
        await bell.wait()

    def doorbell(self) -> Doorbell:
        """A new bell."""
        return self._board.new_bell()

    # --- blobs ------------------------------------------------------------------------------------------------------

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """Keep large payloads."""
        await self._table.put_blobs(instance_id, blobs, now_us=now_us)

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Large payloads."""
        return await self._table.get_blobs(instance_id, digests)

    async def migrate(self) -> int:
        """Nothing to bring up to date."""
        return 1

    async def close(self) -> None:
        """Nothing to release."""


def _accept(slot: Slot, messages: Sequence[InboxMessage], settled: Sequence[Delivery], now_us: int) -> int | None:
    """Accept messages and settle deliveries; when the bell is to be heard, if one is to be put."""
    instance_id = messages[0].instance_id
    check_messages(slot, instance_id, messages)
    item = item_of(slot, instance_id)
    for delivery in settled:
        check_settle(slot, delivery)
    before_us = item.wants_turn_at_us()
    item.want_known(messages)
    for message in messages:
        item.offer(message, now_us)
    for delivery in settled:
        item.settle(delivery)
    has_bell = not any(isinstance(delivery, TurnDelivery) for delivery in settled)
    return None if has_bell and item.wants_turn_at_us() == before_us else item.due_us()


def _give_up(slot: Slot, letter: Ring, now_us: int) -> tuple[int | None, list[Held]]:
    """Write down that a task has failed, unless the letter is of another attempt, or somebody has the task."""
    item = slot.item
    if item is None:
        return None, []
    state = item.tasks.get(letter.task_id) if letter.task_id else None
    if state is None or item.sent_attempts.get(letter.task_id) != letter.attempt or state.due_us() > now_us:
        return item.due_us(), []
    state.dead_letter = f"its message was delivered {letter.receives} times and nobody answered for it"
    ring = item.ring_again(letter.task_id, now_us)
    return item.due_us(), [(ring, None)] if ring is not None else []
