"""The store in memory, in its transactional profile: every verb is one step, taken whole under one lock.

For tests, tutorials and the first afternoon. Nothing survives the process. May be used from several threads and from
several event loops, one after another or at once; the bodies of the verbs never wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nexus_sdk.store.agenda import Agenda, Key
from nexus_sdk.store.item import Item, TaskState, instance_of, lost, still_held, until_us
from nexus_sdk.store.port import (
    LOCAL,
    TURNS,
    CancelTask,
    Claim,
    Commit,
    Committed,
    Delivery,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    Received,
    Send,
    Task,
    TaskDelivery,
)
from nexus_sdk.store.refusals import exists, finished, purged
from nexus_sdk.store.shelf import Shelf


class MemoryStore(Shelf[Item]):
    """Everything in dicts; see `nexus_sdk.store.port.Store` for the verbs and their laws."""

    def __init__(self) -> None:
        super().__init__()
        self._agendas: dict[str, Agenda] = {}

    # --- instances ------------------------------------------------------------------------------------------------

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """Create an instance, or return the one that the same request has made."""
        record = new.record
        with self._lock:
            item = self._items.get(record.id)
            if item is not None:
                if item.record.request_id == record.request_id:
                    return item.record
                raise exists(record.id)
            if self._is_buried(record, now_us):
                raise purged(record.id)
            self._put(new, now_us)
            return record

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """Erase a finished instance, leaving a tombstone."""
        with self._lock:
            item = self._bury(instance_id, now_us, tombstone_seconds)
            if item is None:
                return
            self._agenda(TURNS).remove((instance_id, ""))
            for state in item.tasks.values():
                self._agenda(state.task.queue).remove((instance_id, state.task.id))
        self._board.moved(instance_id)

    # --- the way forward ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """Append, send, consume, settle and claim in one step."""
        instance_id = commit.record.id
        with self._lock:
            item = self._item(instance_id)
            if not item.check_fence(commit):
                return Committed(tuple(still_held(commit, self._items)), item.is_ready(now_us))
            self._check_settles(commit.settles)
            has_new_status = commit.record.status.is_news_after(item.record.status)
            item.append(commit)
            self._settle(commit.settles)
            sent = [state for message in commit.sends for state in self._send(message, now_us)]
            deliveries = tuple(self._claim(commit.claim, sent, now_us)) if commit.claim else ()
            self._index_sent(sent)
            self._index(item)
            is_ready = item.is_ready(now_us)
        self._board.moved(instance_id, has_new_status=has_new_status)
        return Committed(deliveries, is_ready)

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """Accept messages, all or none."""
        with self._lock:
            for message in messages:
                item = self._item(message.instance_id)
                if item.record.status.is_finished and not item.knows(message):
                    raise finished(message.instance_id, item.record.status)
            self._check_settles(settles)
            for message in messages:
                item = self._items[message.instance_id]
                if item.accept(message, now_us=now_us):
                    self._index(item)
            self._settle(settles)

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """Lease what is ready."""
        with self._lock:
            deliveries: list[Delivery] = []
            for queue in dict.fromkeys(queues):
                keys = self._agenda(queue).take(now_us)
                while len(deliveries) < limit and (key := next(keys, None)) is not None:
                    deliveries.append(self._lease(key, lease, now_us))
            times = [at for queue in queues if (at := self._agenda(queue).next_due_us(now_us)) is not None]
            next_due_us = min(times, default=None)
            self._board.tell(queues, next_due_us)
        return Received(tuple(deliveries), next_due_us)

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """Prolong a lease."""
        with self._lock:
            item = self._items.get(instance_of(delivery))
            if item is None:
                return Extended(is_lost=True)
            extended = item.extend(delivery, until_us(lease, now_us), details)
            self._index_delivery(item, delivery)
        return extended

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """Replace a failed attempt by the next one."""
        with self._lock:
            self._check_settles((delivery,))
            item = self._items[task.instance_id]
            item.retry(delivery, task)
            self._agenda(delivery.task.queue).remove((task.instance_id, task.id))
            self._index_task(item, item.tasks[task.id])

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """Give a delivery back unused."""
        with self._lock:
            item = self._items.get(instance_of(delivery))
            if item is not None:
                item.release(delivery, not_before_us)
                self._index_delivery(item, delivery)

    async def ack(self, delivery: Delivery) -> None:
        """Settle a delivery without a turn."""
        with self._lock:
            item = self._items.get(instance_of(delivery))
            if item is not None and item.hold_of(delivery) is not None:
                self._settle((delivery,))

    # --- waiting --------------------------------------------------------------------------------------------------

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """Instances whose turn is due or one of whose leases has run out."""
        with self._lock:
            found = (item.record.id for item in self._items.values() if _needs_look(item, before_us))
            return [instance_id for instance_id, _ in zip(found, range(limit), strict=False)]

    # --- leaves; all under the lock -------------------------------------------------------------------------------

    def _put(self, new: NewInstance, now_us: int) -> None:
        item = Item.of(new, seq=self._next(), now_us=now_us)
        self._items[new.record.id] = item
        self._index(item)

    def _check_settles(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            item = self._items.get(instance_of(delivery))
            if item is None:
                raise lost(delivery)
            item.check_settle(delivery)

    def _settle(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            item = self._items[instance_of(delivery)]
            if isinstance(delivery, TaskDelivery) and (state := item.tasks.get(delivery.task.id)) is not None:
                self._agenda(state.task.queue).remove((item.record.id, state.task.id))  # a retry may have moved it
            item.settle(delivery)
            self._index_delivery(item, delivery)

    def _send(self, message: Send, now_us: int) -> Iterator[TaskState]:
        """Make one send; yields the task that it added. Its place in the index is given later, after the claim."""
        match message:
            case InboxMessage():
                reply = self._offer(message, now_us)
                if reply is not None:
                    self._offer(reply, now_us)
            case Task():
                item = self._items.get(message.instance_id)
                if item is not None and item.add_task(message, self._next()):
                    yield item.tasks[message.id]
            case NewInstance():
                self._send_instance(message, now_us)
            case CancelTask():
                self._cancel(message, now_us)

    def _offer(self, message: InboxMessage, now_us: int) -> InboxMessage | None:
        """Accept a message or refuse it; the reply that says which."""
        item = self._items.get(message.instance_id)
        if item is None:
            return message.if_refused
        if item.record.status.is_finished and not item.knows(message):
            return message.if_finished or message.if_refused
        if item.accept(message, now_us=now_us):
            self._index(item)
        return message.if_accepted

    def _send_instance(self, new: NewInstance, now_us: int) -> None:
        item = self._items.get(new.record.id)
        if self._is_buried(new.record, now_us):
            return
        if item is None:
            self._put(new, now_us)
        elif item.record.request_id != new.record.request_id and new.if_refused is not None:
            self._offer(new.if_refused, now_us)

    def _cancel(self, cancel: CancelTask, now_us: int) -> None:
        item = self._items.get(cancel.instance_id)
        state = item.tasks.get(cancel.task_id) if item is not None else None
        if item is not None and state is not None and item.cancel_task(cancel.task_id):
            self._agenda(state.task.queue).remove((cancel.instance_id, cancel.task_id))
            self._offer(cancel.if_removed, now_us)

    def _claim(self, claim: Claim, sent: Iterable[TaskState], now_us: int) -> Iterator[TaskDelivery]:
        left = claim.limit
        for state in sent:
            task = state.task
            if not self._is_present(state) or state.due_us() > now_us:
                continue
            if task.queue != LOCAL:
                if task.queue not in claim.queues or left <= 0:
                    continue
                left -= 1
            yield self._lease_task(task.instance_id, task.id, claim.lease, now_us)
        for queue in sorted(claim.queues - {TURNS}):
            keys = self._agenda(queue).take(now_us)
            while left > 0 and (key := next(keys, None)) is not None:
                left -= 1
                yield self._lease_task(*key, claim.lease, now_us)

    def _lease(self, key: Key, lease: Lease, now_us: int) -> Delivery:
        instance_id, task_id = key
        if task_id:
            return self._lease_task(instance_id, task_id, lease, now_us)
        item = self._items[instance_id]
        delivery = item.lease_turn(f"{lease.holder}/{self._next()}", until_us(lease, now_us))
        self._index(item)
        return delivery

    def _lease_task(self, instance_id: str, task_id: str, lease: Lease, now_us: int) -> TaskDelivery:
        item = self._items[instance_id]
        delivery = item.tasks[task_id].lease(f"{lease.holder}/{self._next()}", until_us(lease, now_us))
        self._index_task(item, item.tasks[task_id])
        return delivery

    # --- the index ------------------------------------------------------------------------------------------------

    def _agenda(self, queue: str) -> Agenda:
        return self._agendas.setdefault(queue, Agenda())

    def _index(self, item: Item) -> None:
        due_us = item.due_us()
        self._agenda(TURNS).put((item.record.id, ""), due_us, item.rank() if due_us is not None else (0, 0))
        if due_us is not None:
            self._ring(TURNS, due_us, is_new=item.turn.token is None)

    def _index_task(self, item: Item, state: TaskState) -> None:
        self._agenda(state.task.queue).put((item.record.id, state.task.id), state.due_us(), state.rank())
        self._ring(state.task.queue, state.due_us(), is_new=state.hold.token is None)

    def _index_sent(self, sent: Iterable[TaskState]) -> None:
        for state in sent:
            if self._is_present(state):
                self._index_task(self._items[state.task.instance_id], state)

    def _is_present(self, state: TaskState) -> bool:
        """Not removed again by a cancel in the same breath."""
        return self._items[state.task.instance_id].tasks.get(state.task.id) is state

    def _index_delivery(self, item: Item, delivery: Delivery) -> None:
        if not isinstance(delivery, TaskDelivery):
            self._index(item)
        elif (state := item.tasks.get(delivery.task.id)) is not None:
            self._index_task(item, state)

    def _ring(self, queue: str, due_us: int, *, is_new: bool) -> None:
        """In doubt ring: `expect` rings for whatever falls before what the receivers were told."""
        self._board.expect(due_us, queue)
        if is_new and due_us == 0:
            self._board.ring_all()


def _needs_look(item: Item, before_us: int) -> bool:
    return item.is_ready(before_us) or any(
        state.hold.token is not None and state.hold.is_free(before_us) for state in item.tasks.values()
    )
