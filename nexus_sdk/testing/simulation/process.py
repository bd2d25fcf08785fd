"""A process of a simulated world as the store sees it: what goes wrong between the two, and inside of it.

Every fault between a process and its store is asked for here (`Process.strikes`), counted by what it is and where.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Protocol

from nexus_sdk.core.status import Status
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.port import (
    Commit,
    Committed,
    Delivery,
    Doorbell,
    InstanceRecord,
    Lease,
    Query,
    Received,
    RecordPage,
    Store,
)
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.faults import FaultyStore, Point, die
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.rates import QUEUE_STEPS, SELDOM_REACHED, Rates

FAULTS_MAX = 80
"""So many crashes and failures come in one run; then the rest of it is undisturbed by them."""

OFTEN = frozenset({"receive", "receive:take", "due", "list"})
"""What every idle worker asks again and again: faults strike there as seldom as it means something."""

OFTEN_SHARE = 0.02

SELDOM_TIMES = 3.0
"""So much likelier are faults at places that are seldom reached."""

TIMES = {**dict.fromkeys(SELDOM_REACHED, SELDOM_TIMES), **dict.fromkeys(OFTEN, OFTEN_SHARE)}
"""By place; elsewhere they are as likely as the rates say."""

OUTAGES_SECONDS = (0.5, 4.0, 12.0)
"""How long the store is away from the moment that a run aims at."""

PAUSES_SECONDS = (1.0, 4.0, 12.0, 45.0)
"""How long a process stands still: for less and for more than its lease."""


class Others(Protocol):
    """Who comes between the load and the commit of somebody's turn. See `storms`."""

    async def move(self, instance_id: str, build: str) -> None:
        """Another worker of this build moves the instance on, if it can."""

    async def send(self, instance_id: str) -> None:
        """Others send something to the instance."""


class Outside:
    """What all processes of a world share: the time, the weather, and where faults are noted.

    Attributes:
        is_calm: nothing goes wrong any more.
        away: what is away for all: nothing (``""``), the ``store``, or of a split one its ``table`` or its ``queue``.
        others: who comes between.
    """

    others: Others

    def __init__(self, true: FakeClock, rates: Rates, aim: str, note: Callable[[str, str, str], None]) -> None:
        self.true = true
        self.aimed_fault, _, self.aimed_place = aim.rpartition(" ")
        self.rates = rates
        self.is_calm = False
        self.away = ""
        self.faults_left = FAULTS_MAX
        self.storms: dict[str, int] = {}
        """Of each instance that is in a storm: at how many more commits a rival comes first."""
        self.note = note

    def begin_outage(self, seconds: float) -> None:
        """The store is away for all, from now on."""
        self.away = "store"
        self.true.call_at(self.true.now_us() + round(seconds * 1_000_000), self.end_outage, is_background=True)

    def end_outage(self) -> None:
        """All of it is back."""
        self.away = ""

    def is_away(self, what: str) -> bool:
        """Whether this verb, or sub-step, cannot be made now."""
        match self.away:
            case "queue":
                return what in QUEUE_STEPS
            case "table":
                return ":" in what and what not in QUEUE_STEPS
            case away:
                return away != ""


class Process:
    """One process: its clock, its faults, and whether it is alive. See `Faults`.

    Args:
        name: in the trace; its chance grows from it.
        outside: what it shares with the others.
        clock: what it takes for the time.
        on_crash: called when it dies of a fault; without it, it never does.
        build: of the code it runs, for a worker; a client has none.

    Attributes:
        rates: how likely what is.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        outside: Outside,
        clock: SkewedClock,
        on_crash: Callable[[Process], None] | None = None,
        build: str = "",
    ) -> None:
        self.name = name
        self.clock = clock
        self.build = build
        self.has_crashed = False
        self.rates = outside.rates
        crash = "crash" if build else "client crash"
        self._crashes = (f"{crash} before", f"{crash} after")
        self._crash_rate = self.rates.crash if build else self.rates.client_crash
        self._outside = outside
        self._chance = Random(f"{seed}/{name}/faults")
        self._latency = Random(f"{seed}/{name}/latency")
        self._on_crash = on_crash
        self._waiting: list[asyncio.Future[None]] = []

    def at(self, point: Point) -> Awaitable[None] | None:
        """See `Faults.at`."""
        outside = self._outside
        if outside.is_calm and not (outside.away or self.clock.is_stopped or self.has_crashed):
            return None
        return self._disturb(point)

    async def _disturb(self, point: Point) -> None:
        outside, rates, what = self._outside, self.rates, point.what
        if rates.latency and not outside.is_calm and self._latency.random() < rates.latency:
            await self._late(what)
        is_aimed = what == outside.aimed_place
        if is_aimed and self.build and self._is_aimed_at("pause"):
            self.pause(self._chance.choice(PAUSES_SECONDS))
        while self.clock.is_stopped and not self.has_crashed:
            self.note("pause", what)
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        if self.has_crashed:
            await die()
        if is_aimed and self._is_aimed_at("outage"):
            outside.begin_outage(self._chance.choice(OUTAGES_SECONDS))
        if outside.away and outside.is_away(what):
            self.note("outage", what)
            raise StoreUnavailable("the store is away.")
        failure, rate = ("fail after", rates.fail_after) if point.is_done else ("fail before", rates.fail_before)
        if self._strikes_once(failure, what, rate):
            raise StoreUnavailable(f"a fault was drawn {point}.")
        if self._on_crash is not None and self._strikes_once(self._crashes[point.is_done], what, self._crash_rate):
            self.crash()
            await die()

    def crash(self) -> None:
        """Die now."""
        self.has_crashed = True
        if self._on_crash is not None:
            self._on_crash(self)
        self.go_on()

    def revive(self) -> None:
        """See `Faults.revive`."""

    def pause(self, seconds: float) -> None:
        """Stand still for a while, with everything in it."""
        true = self._outside.true
        self.clock.is_stopped = True
        true.call_at(true.now_us() + round(seconds * 1_000_000), self.go_on, is_background=True)

    def go_on(self) -> None:
        """End a pause."""
        waiting, self._waiting = self._waiting, []
        self.clock.go_on()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def strikes(self, fault: str, where: str, rate: float) -> bool:
        """Whether a fault that is so likely strikes now, as long as it is not calm. It is noted then."""
        if self._outside.is_calm or rate <= 0 or self._chance.random() >= rate:
            return False
        self.note(fault, where)
        return True

    async def come_between(self, instance_id: str) -> None:
        """Before a commit: others may send to the instance, or move it on, once or again and again."""
        outside, rates = self._outside, self.rates
        if not self.build:
            return
        if self.strikes("crowd", "commit", rates.crowd):
            await outside.others.send(instance_id)
        storm = outside.storms.get(instance_id, 0)
        if self.strikes("rival", "commit", 1.0 if storm else rates.rival):
            outside.storms[instance_id] = storm - 1 if storm else self._chance.choice((0, 0, 1, 3, 7))
            await outside.others.move(instance_id, self.build)

    def note(self, fault: str, where: str) -> None:
        """A fault has struck."""
        self._outside.note(fault, where, self.name)

    def _strikes_once(self, fault: str, where: str, rate: float) -> bool:
        """The same for those of which a run has only so many; what the run aims at is likelier."""
        outside = self._outside
        if outside.faults_left <= 0:
            return False
        if where == outside.aimed_place and self._is_aimed_at(fault):
            self.note(fault, where)
            return True
        struck = self.strikes(fault, where, rate * TIMES.get(where, 1.0))
        outside.faults_left -= struck
        return struck

    def _is_aimed_at(self, fault: str) -> bool:
        """Whether this fault strikes now, at the place that the run aims at."""
        outside = self._outside
        if outside.aimed_fault != fault or outside.is_calm or outside.faults_left <= 0:
            return False
        struck = self._chance.random() < self.rates.aimed
        outside.faults_left -= struck
        return struck

    async def _late(self, what: str) -> None:
        self._outside.note("latency", what, "")
        true = self._outside.true
        done = asyncio.get_running_loop().create_future()
        when_us = true.now_us() + round(self._latency.random() ** 3 * self.rates.latency_seconds * 1_000_000)
        call = true.call_at(when_us, lambda: None if done.done() else done.set_result(None), is_background=True)
        try:
            await done
        finally:
            call.cancel()


class ProcessStore(FaultyStore):
    """The store of a process: with points at what only reads, too; leases that others may take at once; bells that do
    not ring; and others who come first."""

    def __init__(self, inner: Store, process: Process) -> None:
        super().__init__(inner, process)
        self._process = process

    async def find(self, instance_id: str) -> InstanceRecord:
        """See `Store.find`."""
        return await self._pass("find", self.inner.find(instance_id))

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Store.list`."""
        return await self._pass("list", self.inner.list(query, limit=limit, cursor=cursor))

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return await self._pass("count", self.inner.count(query))

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """See `Store.watch`."""
        await self._pass("watch", self.inner.watch(instance_id, run_id=run_id, after=after, status=status))

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
        await self._process.come_between(commit.record.id)
        committed = await super().commit(commit, now_us=now_us)
        await self._lose_leases("commit", committed.deliveries, now_us)
        return committed

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """See `Store.receive`."""
        received = await super().receive(queues, limit=limit, lease=lease, now_us=now_us)
        await self._lose_leases("receive", received.deliveries, now_us)
        return received

    def doorbell(self) -> Doorbell:
        """See `Store.doorbell`."""
        return DumbBell(self.inner.doorbell(), self._process)

    async def _lose_leases(self, verb: str, deliveries: Iterable[Delivery], now_us: int) -> None:
        for delivery in deliveries:
            if self._process.strikes("lost lease", verb, self._process.rates.lost_lease):
                await self.inner.extend(delivery, lease=Lease("nobody", 0.0), now_us=now_us)


class DumbBell:
    """A doorbell of the store that sometimes does not ring; the process itself can always ring it."""

    def __init__(self, bell: Doorbell, process: Process) -> None:
        self._bell = bell
        self._process = process
        self._is_own = False

    async def wait(self) -> None:
        """See `Doorbell.wait`."""
        while True:
            await self._bell.wait()
            if self._is_own or not self._process.strikes("lost bell", "doorbell", self._process.rates.lost_bell):
                self._is_own = False
                return

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        self._is_own = True
        self._bell.ring()

    def close(self) -> None:
        """See `Doorbell.close`."""
        self._bell.close()
