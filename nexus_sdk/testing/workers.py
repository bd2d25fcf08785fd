"""The workers of an environment: real ones, on a store that is overseen."""

from __future__ import annotations

from dataclasses import dataclass

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.core.payload import Codec
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.store.port import Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.faults import Faults, FaultyStore
from nexus_sdk.testing.postponed import OverseenStore, Postponed, Served, overseen

STEADY = WorkerOptions(lease_seconds=10 * 366 * 86_400.0)
"""How workers work unless a test says otherwise: leases practically never run out."""

LEASED = WorkerOptions(lease_seconds=5.0)
"""How those work that die anywhere: even in the middle of taking something, when nobody knows what they hold."""


@dataclass(frozen=True, slots=True)
class _Employed:
    worker: Worker
    registry: Registry
    options: WorkerOptions
    store: OverseenStore
    is_seen_dying: bool


class Workers:
    """Starts workers, kills them, and knows what those that are alive serve.

    Args:
        store: what they work on.
        codec: how values are encoded.
        environment: their clock, threads and chance.
    """

    def __init__(self, store: Store, codec: Codec, environment: Environment) -> None:
        self._store = store
        self._codec = codec
        self._environment = environment
        self._postponed = Postponed(store)
        self._alive: dict[str, _Employed] = {}

    async def start(
        self, registry: Registry, options: WorkerOptions, *, is_seen_dying: bool, faults: Faults | None = None
    ) -> Worker:
        """Start another worker.

        Args:
            registry: what it serves.
            options: how it works.
            is_seen_dying: whether what it held is free as soon as it is killed; otherwise its leases run out.
            faults: what goes wrong between it and the store.
        """
        store, seen = overseen(self._store, self._postponed)
        faulty = FaultyStore(store, faults) if faults is not None else store
        worker = Worker(faulty, registry, self._codec, self._environment, options)
        self._alive[worker.id] = _Employed(worker, registry, options, seen, is_seen_dying)
        await worker.start()
        return worker

    async def kill(self, worker: Worker) -> None:
        """Kill a worker, as `kill -9` would."""
        employed = self._alive.pop(worker.id, None)
        await worker.abandon()
        if employed is None:
            return
        now_us = self._environment.clock.now_us()
        if employed.is_seen_dying:
            await employed.store.notice_death(now_us=now_us)
        else:
            employed.store.await_leases(now_us + round(employed.options.lease_seconds * 1_000_000))

    async def abandon(self) -> None:
        """End them all, and leave the store as it is."""
        for employed in list(self._alive.values()):
            await employed.worker.abandon()
        self._alive.clear()

    def wake(self) -> None:
        """What they serve has changed."""
        for employed in self._alive.values():
            employed.worker.wake()

    @property
    def served(self) -> Served:
        """What those that are alive serve."""
        return [
            (employed.registry, employed.registry.task_queues if queues is None else queues)
            for employed in self._alive.values()
            for queues in (employed.options.task_queues,)
        ]

    async def next_due_us(self, clock: FakeClock) -> int | None:
        """When something happens next that is more than a vain look; None if nothing does."""
        return await self._postponed.next_due_us(clock, self.served)
