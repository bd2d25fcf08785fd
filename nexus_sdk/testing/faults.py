"""Faults between a worker and its store: the worker dies, or the store fails, at any chosen point.

A *point* is one side of one store call (or of one sub-step, for stores that are made of several writes and say so).
`FaultyStore` passes every call on and asks `Faults` at each point; a fault plan answers by returning, by raising what
a store raises, or by never returning, as in a process that has died. The one rule: a fault strikes between writes;
each write is done whole, or not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, Protocol, TypeVar

from nexus_sdk.core.status import Status
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.port import (
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
    Store,
    Task,
    TaskDelivery,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """Where a fault may strike: a verb (or ``commit:write``, a sub-step), and whether it is done by then."""

    what: str
    is_done: bool

    def __str__(self) -> str:
        return f"{'after' if self.is_done else 'before'} {self.what}"


@cache
def point(what: str, is_done: bool) -> Point:
    """The point, made once: millions are passed in a simulation."""
    return Point(what, is_done)


@cache
def point_of_sub_step(name: str) -> Point:
    """The point that a split store calls ``commit:write before``."""
    what, _, moment = name.rpartition(" ")
    return point(what, moment == "after")


class Faults(Protocol):
    """What happens at the points, one after another."""

    def at(self, point: Point) -> Awaitable[None] | None:
        """Nothing lets it go on; what is awaited lets it go on, raises `StoreUnavailable`, or calls `die`."""

    @property
    def has_crashed(self) -> bool:
        """Whether the process behind the store handle is dead."""

    def revive(self) -> None:
        """A new process takes the handle over."""


class Strike(Enum):
    """What a fault is."""

    CRASH = auto()
    """The process dies there: nothing of it runs on."""
    UNAVAILABLE = auto()
    """`StoreUnavailable`. After a call that was done, this is the lost reply: done, but nobody knows."""


class NoFault:
    """Only counts, and remembers what passed: the undisturbed run that the others are compared with."""

    has_crashed = False

    def __init__(self) -> None:
        self.passed: list[Point] = []

    async def at(self, point: Point) -> None:
        """See `Faults.at`."""
        self.passed.append(point)

    def revive(self) -> None:
        """See `Faults.revive`."""


class FaultAt:
    """One fault, at the n-th point (from 1). What comes before and after is left alone.

    Attributes:
        struck: the point, once it was reached; None when the run has fewer points.
    """

    def __init__(self, number: int, strike: Strike) -> None:
        self.struck: Point | None = None
        self.has_crashed = False
        self._left = number
        self._strike = strike

    async def at(self, point: Point) -> None:
        """See `Faults.at`."""
        if self.has_crashed:
            await die()
        self._left -= 1
        if self._left != 0:
            return
        self.struck = point
        if self._strike is Strike.UNAVAILABLE:
            raise StoreUnavailable(f"a fault was asked for {point}.")
        self.has_crashed = True
        await die()

    def revive(self) -> None:
        """See `Faults.revive`."""
        self.has_crashed = False


class Dead(BaseException):
    """Raised where a dead process would go on calling its store while it is being cleared away."""


async def die() -> None:
    """Never return: the process is dead. Its tasks are ended by whoever clears it away (`Worker.abandon`)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise Dead
    await asyncio.get_running_loop().create_future()


_calling: ContextVar[Faults | None] = ContextVar("nexus_faulty_call", default=None)


def at_sub_step(name: str) -> Awaitable[None] | None:
    """For the `between` of a split store: its sub-steps are points too, when a `FaultyStore` makes the call."""
    faults = _calling.get()
    return faults.at(point_of_sub_step(name)) if faults is not None else None


class FaultyStore:
    """A store as one process sees it, with faults. Clients of other processes use the store that it wraps.

    Reading verbs that nothing hangs on (`find`, `list`, `count`, `watch`) and `migrate`, `close` have no points of
    their own, but a dead process cannot call them either.
    """

    def __init__(self, inner: Store, faults: Faults) -> None:
        self.inner = inner
        self.capabilities = inner.capabilities
        self._faults = faults

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """See `Store.create`."""
        return await self._pass("create", self.inner.create(new, now_us=now_us))

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Store.load`."""
        return await self._pass("load", self.inner.load(instance_id, run_id=run_id, after=after))

    async def find(self, instance_id: str) -> InstanceRecord:
        """See `Store.find`."""
        return await self._alive(self.inner.find(instance_id))

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
        return await self._pass("commit", self.inner.commit(commit, now_us=now_us))

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """See `Store.send`."""
        await self._pass("send", self.inner.send(messages, now_us=now_us, settles=settles))

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """See `Store.receive`."""
        return await self._pass("receive", self.inner.receive(queues, limit=limit, lease=lease, now_us=now_us))

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """See `Store.extend`."""
        return await self._pass("extend", self.inner.extend(delivery, lease=lease, now_us=now_us, details=details))

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """See `Store.retry`."""
        await self._pass("retry", self.inner.retry(delivery, task, now_us=now_us))

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """See `Store.release`."""
        await self._pass("release", self.inner.release(delivery, now_us=now_us, not_before_us=not_before_us))

    async def ack(self, delivery: Delivery) -> None:
        """See `Store.ack`."""
        await self._pass("ack", self.inner.ack(delivery))

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """See `Store.watch`."""
        await self._alive(self.inner.watch(instance_id, run_id=run_id, after=after, status=status))

    def doorbell(self) -> Doorbell:
        """See `Store.doorbell`."""
        return self.inner.doorbell()

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """See `Store.due`."""
        return await self._pass("due", self.inner.due(before_us=before_us, limit=limit))

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Store.list`."""
        return await self._alive(self.inner.list(query, limit=limit, cursor=cursor))

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return await self._alive(self.inner.count(query))

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """See `Store.purge`."""
        await self._pass("purge", self.inner.purge(instance_id, now_us=now_us, tombstone_seconds=tombstone_seconds))

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """See `Store.put_blobs`."""
        await self._pass("put_blobs", self.inner.put_blobs(instance_id, blobs, now_us=now_us))

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store.get_blobs`."""
        return await self._pass("get_blobs", self.inner.get_blobs(instance_id, digests))

    async def migrate(self) -> int:
        """See `Store.migrate`."""
        return await self._alive(self.inner.migrate())

    async def close(self) -> None:
        """See `Store.close`. The wrapped store stays open: others use it."""

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _pass(self, verb: str, call: Coroutine[Any, Any, T]) -> T:
        try:
            if (waiting := self._faults.at(point(verb, False))) is not None:
                await waiting
            token = _calling.set(self._faults)
            try:
                reply = await call
            finally:
                _calling.reset(token)
        finally:
            call.close()  # where it was not begun
        if (waiting := self._faults.at(point(verb, True))) is not None:
            await waiting
        return reply

    async def _alive(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            if self._faults.has_crashed:
                await die()
            return await call
        finally:
            call.close()
