"""What an environment sees of its workers' dealings with the store: what they hold, and what they put off until when.

A worker leaves what it does not serve to others, and looks again and again whether they took it. On a clock that jumps
when everybody waits these rounds would never end; so the environment has to know them from what really falls due.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.codec import wire
from nexus_sdk.core.status import Status
from nexus_sdk.engine.courtesy import HOLD_BACK_US
from nexus_sdk.errors import HistoryCorruptedError, InstanceNotFound
from nexus_sdk.store.port import (
    LOCAL,
    CancelTask,
    Commit,
    Committed,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Lease,
    Query,
    Received,
    Store,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.testing.clock import FakeClock

Key = tuple[str, str]
"""Instance id and task id; an empty task id is the instance's turn."""

Served = Sequence[tuple[Registry, frozenset[str]]]
"""Of each worker that is alive: what it has, and the queues that it serves."""

MOVING = frozenset({Status.PENDING, Status.RUNNING})


class Postponed:
    """What the workers of an environment have put off."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left: dict[Key, tuple[int, Delivery]] = {}
        self._again: dict[Key, int] = {}

    def leave(self, delivery: Delivery, until_us: int) -> None:
        """A worker left a delivery to others, until then."""
        self._left[_key(delivery)] = (until_us, delivery)

    def try_again(self, task: Task) -> None:
        """The next attempt of an activity follows a failed one."""
        self._again[task.instance_id, task.id] = task.not_before_us

    def run_out(self, delivery: Delivery, when_us: int) -> None:
        """The lease of a worker that is dead runs out by itself."""
        self._again[_key(delivery)] = when_us

    def forget(self, key: Key) -> None:
        """It was taken, or is not wanted any more."""
        self._left.pop(key, None)
        self._again.pop(key, None)

    async def next_due_us(self, clock: FakeClock, served: Served) -> int | None:
        """The earliest time at which something happens that is more than a vain look; None if nothing does.

        Args:
            clock: it knows what its workers wait for.
            served: what the workers serve that are alive.
        """
        next_us, now_us = clock.next_due_us(), clock.now_us()
        vain = await self._vain(now_us, served) if self._left else frozenset()
        if next_us not in vain:
            return next_us
        # A worker knows only the earliest time at which the store has more: what comes after a vain look, it does not.
        times = [when_us for when_us in clock.due_times_us() if when_us not in vain]
        times += [when_us for when_us in self._again.values() if when_us > now_us]
        async for record in self._records():
            if record.wake_at_us is not None and record.wake_at_us > now_us and _serves(served, record):
                times.append(record.wake_at_us)
        return min(times, default=None)

    async def _vain(self, now_us: int, served: Served) -> frozenset[int]:
        """When workers will look at what none of them serves."""
        self._left = {key: left for key, left in self._left.items() if left[0] > now_us}
        times = {until_us for until_us, delivery in self._left.values() if not await self._is_served(delivery, served)}
        return frozenset(times | {when_us + HOLD_BACK_US for when_us in times})

    async def _is_served(self, delivery: Delivery, served: Served) -> bool:
        if isinstance(delivery, TurnDelivery):
            try:
                return _serves(served, await self._store.find(delivery.instance_id))
            except InstanceNotFound:
                return False
        try:
            name = wire.decode_request(delivery.task.body).name
        except HistoryCorruptedError:
            return False
        queue = delivery.task.queue
        return any(registry.activity(name) and queue in {LOCAL, *queues} for registry, queues in served)

    async def _records(self) -> AsyncIterator[InstanceRecord]:
        cursor: str | None = None
        while True:
            page = await self._store.list(Query(statuses=MOVING), limit=1_000, cursor=cursor)
            for record in page.records:
                yield record
            cursor = page.cursor
            if cursor is None:
                return


class OverseenStore:
    """A store as one worker sees it, overseen: every verb is the store's own.

    Attributes:
        held: the deliveries that the worker has, by their tokens.
    """

    def __init__(self, inner: Store, postponed: Postponed) -> None:
        self.held: dict[str, Delivery] = {}
        self._inner = inner
        self._postponed = postponed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """See `Store.receive`."""
        received = await self._inner.receive(queues, limit=limit, lease=lease, now_us=now_us)
        self._take(received.deliveries)
        return received

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
        committed = await self._inner.commit(commit, now_us=now_us)
        self._settle(commit.settles)
        for send in commit.sends:
            if isinstance(send, CancelTask):
                self._postponed.forget((send.instance_id, send.task_id))
        self._take(committed.deliveries)
        return committed

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """See `Store.send`."""
        await self._inner.send(messages, now_us=now_us, settles=settles)
        self._settle(settles)

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """See `Store.retry`."""
        await self._inner.retry(delivery, task, now_us=now_us)
        self._settle((delivery,))
        self._postponed.try_again(task)

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """See `Store.release`."""
        await self._inner.release(delivery, now_us=now_us, not_before_us=not_before_us)
        self._settle((delivery,))
        if not_before_us is not None:
            self._postponed.leave(delivery, not_before_us)

    async def ack(self, delivery: Delivery) -> None:
        """See `Store.ack`."""
        await self._inner.ack(delivery)
        self._settle((delivery,))

    async def notice_death(self, *, now_us: int) -> None:
        """End the leases of this worker, which is dead: somebody saw it die."""
        for delivery in self.held.values():
            await self._inner.extend(delivery, lease=Lease("nobody", 0.0), now_us=now_us)
        self.held.clear()

    def await_leases(self, when_us: int) -> None:
        """Nobody saw this worker die: its leases run out by then."""
        for delivery in self.held.values():
            self._postponed.run_out(delivery, when_us)
        self.held.clear()

    def _take(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self.held[delivery.token] = delivery
            self._postponed.forget(_key(delivery))

    def _settle(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self.held.pop(delivery.token, None)


def overseen(store: Store, postponed: Postponed) -> tuple[Store, OverseenStore]:
    """The same store, overseen: for a worker, and for who oversees it."""
    seen = OverseenStore(store, postponed)
    return cast("Store", seen), seen


def _key(delivery: Delivery) -> Key:
    if isinstance(delivery, TurnDelivery):
        return delivery.instance_id, ""
    return delivery.task.instance_id, delivery.task.id


def _serves(served: Served, record: InstanceRecord) -> bool:
    return any(registry.workflow(record.workflow, record.version) is not None for registry, _ in served)
