"""A process of a simulated world as the store sees it: what goes wrong between the two, and inside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random

from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.port import Commit, Committed, Delivery, Doorbell, Lease, Received, Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.faults import FaultyStore, Point, die
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.plan import Rates

FAULTS_MAX = 80
"""So many crashes and failures come in one run; then the rest of it is undisturbed by them."""

OFTEN = frozenset({"receive", "receive:take", "due"})
"""What every idle worker asks again and again: faults strike there as seldom as it means something."""

OFTEN_SHARE = 0.02


class Outside:
    """What all processes of a world share: the time, the weather, and where faults are noted.

    Attributes:
        is_calm: nothing goes wrong any more.
        is_away: the store is away for all.
    """

    def __init__(self, true: FakeClock, rates: Rates, aim: str, note: Callable[[str, str, str], None]) -> None:
        self.true = true
        self.aim = aim
        self.rates = rates
        self.is_calm = False
        self.is_away = False
        self.faults_left = FAULTS_MAX
        self.note = note


class Process:
    """One process: its clock, its faults, and whether it is alive. See `Faults`.

    Args:
        name: in the trace; its chance grows from it.
        outside: what it shares with the others.
        clock: what it takes for the time.
        on_crash: called when it dies of a fault; without it, it never does.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        outside: Outside,
        clock: SkewedClock,
        on_crash: Callable[[Process], None] | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.has_crashed = False
        self._outside = outside
        self._chance = Random(f"{seed}/{name}/faults")
        self._latency = Random(f"{seed}/{name}/latency")
        self._on_crash = on_crash
        self._waiting: list[asyncio.Future[None]] = []

    async def at(self, point: Point) -> None:
        """See `Faults.at`."""
        await self._late()
        while self.clock.is_stopped and not self.has_crashed:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        if self.has_crashed:
            await die()
        outside = self._outside
        if outside.is_away:
            outside.note("outage", point.what, self.name)
            raise StoreUnavailable("the store is away.")
        if self._strikes("fail_after" if point.is_done else "fail_before", point):
            raise StoreUnavailable(f"a fault was drawn {point}.")
        if self._on_crash is not None and (self._strikes("crash", point) or self._is_aimed_at(point)):
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

    def go_on(self) -> None:
        """End a pause."""
        waiting, self._waiting = self._waiting, []
        self.clock.go_on()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def draws(self, rate: float) -> bool:
        """Whether something happens that is so likely, as long as it is not calm."""
        return not self._outside.is_calm and rate > 0 and self._chance.random() < rate

    def note(self, fault: str, where: str) -> None:
        """A fault has struck."""
        self._outside.note(fault, where, self.name)

    @property
    def rates(self) -> Rates:
        """How likely what is."""
        return self._outside.rates

    def _strikes(self, fault: str, point: Point) -> bool:
        rate: float = getattr(self.rates, fault) * (OFTEN_SHARE if point.what in OFTEN else 1.0)
        if self._outside.faults_left <= 0 or not self.draws(rate):
            return False
        self._outside.faults_left -= 1
        moment = {"crash": "crash after" if point.is_done else "crash before"}.get(fault, fault)
        self.note(moment, point.what)
        return True

    def _is_aimed_at(self, point: Point) -> bool:
        return point.is_done and point.what == self._outside.aim and self._strikes("aimed", point)

    async def _late(self) -> None:
        rates = self.rates
        if self._outside.is_calm or not rates.latency or self._latency.random() >= rates.latency:
            return
        true = self._outside.true
        done = asyncio.get_running_loop().create_future()
        when_us = true.now_us() + round(self._latency.random() ** 3 * rates.latency_seconds * 1_000_000)
        call = true.call_at(when_us, lambda: None if done.done() else done.set_result(None), is_background=True)
        try:
            await done
        finally:
            call.cancel()


class ProcessStore(FaultyStore):
    """The store of a process: bells that do not ring, and leases that others may take at once."""

    def __init__(self, inner: Store, process: Process) -> None:
        super().__init__(inner, process)
        self._process = process

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
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
            if self._process.draws(self._process.rates.lost_lease):
                self._process.note("lost_lease", verb)
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
            if self._is_own or not self._process.draws(self._process.rates.lost_bell):
                self._is_own = False
                return
            self._process.note("lost_bell", "doorbell")

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        self._is_own = True
        self._bell.ring()

    def close(self) -> None:
        """See `Doorbell.close`."""
        self._bell.close()
