"""The workers of a simulated world: hired, killed, drained, replaced; and the rival who comes before them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from nexus_sdk.authoring.info import activity_info
from nexus_sdk.client.client import Client
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import InstanceFinished, InstanceNotFound
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.definitions import FINAL, registry_of, stage
from nexus_sdk.testing.simulation.passing import SWEEP_SECONDS
from nexus_sdk.testing.simulation.plan import Act
from nexus_sdk.testing.simulation.process import Process
from nexus_sdk.testing.simulation.queues import PushingQueue, Target
from nexus_sdk.testing.simulation.record import Effect
from nexus_sdk.testing.simulation.scene import Scene
from nexus_sdk.testing.simulation.stores import queue_of

FOREVER_SECONDS = 1e6
"""An activity that takes longer never returns."""


@dataclass(slots=True)
class Employee:
    """A worker and the process it lives in."""

    number: int
    build: str
    process: Process
    worker: Worker | None = None
    death: asyncio.Event = field(default_factory=asyncio.Event)


class Staff:
    """See the module."""

    def __init__(self, scene: Scene) -> None:
        self.present: list[Employee] = []
        self._scene = scene
        self._hired = 0
        queue = queue_of(scene.store)
        if isinstance(queue, PushingQueue):
            queue.targets = self._targets

    async def hire(self, number: int, build: str) -> None:
        """Another worker begins."""
        scene = self._scene
        self._hired += 1
        skew = 0.0 if scene.outside.is_calm else scene.chance.uniform(-1, 1) * scene.plan.rates.skew
        clock = SkewedClock(scene.true, round(skew * 1_000_000))
        process = Process(f"w{self._hired}", scene.plan.seed, scene.outside, clock, self._on_crash, build)
        employee = Employee(number, build, process)
        self.present.append(employee)
        scene.say(process.name, f"begins with build {build}")
        await scene.spawn(self._serve(employee))

    async def let_go(self, employee: Employee, *, gently: bool) -> None:
        """End a worker, in one way or the other."""
        if gently and not employee.process.has_crashed:
            await self.retire(employee)
        else:
            await self.abandon(employee)

    async def retire(self, employee: Employee) -> None:
        """Let it drain."""
        self._scene.say(employee.process.name, "drains")
        if employee.worker is not None:
            # One that is killed meanwhile never comes to the end of its stop.
            stopping = self._scene.spawn(employee.worker.stop())
            dead = self._scene.spawn(employee.death.wait())
            await asyncio.wait({stopping, dead}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                stopping.result()
            for task in (stopping, dead):
                task.cancel()
        self._forget(employee)

    async def abandon(self, employee: Employee) -> None:
        """Clear a dead one away."""
        employee.process.has_crashed = True
        employee.process.go_on()
        employee.death.set()
        if employee.worker is not None:
            self._forget(employee)
            await employee.worker.abandon()

    async def strike(self, act: Act) -> None:
        """A fault that comes at a time to one of them."""
        scene = self._scene
        if scene.outside.is_calm or not self.present:
            return
        employee = self.present[act.number % len(self.present)]
        process = employee.process
        scene.note_fault(act.what, "at a time", process.name)
        match act.what:
            case "jump":
                process.clock.offset_us += round(act.value * 1_000_000)
            case "pause":
                process.pause(act.value)
            case "deploy" if employee.worker is not None and not process.has_crashed:
                if act.value < 5:
                    process.crash()
                else:
                    await self.retire(employee)
                    if not scene.outside.is_calm:
                        await self.hire(employee.number, act.name)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _serve(self, employee: Employee) -> None:
        scene, process = self._scene, employee.process
        stage.set(ProcessStage(scene, process))  # every task of this worker inherits it
        options = WorkerOptions(
            concurrency=scene.chance.choice((1, 3, 100)),
            lease_seconds=scene.plan.lease_seconds,
            sweep_seconds=SWEEP_SECONDS,
            warm_max=scene.plan.warm_max,
        )
        environment = scene.environment(process.name, process.clock)
        registry = registry_of(employee.build)
        employee.worker = Worker(scene.store_of(process), registry, scene.codec, environment, options)
        scene.witness.note_worker(employee.worker.id)
        await employee.worker.start()

    def _on_crash(self, process: Process) -> None:
        employee = next(one for one in self.present if one.process is process)
        if not self._scene.failed.done():
            self._scene.spawn(self._replace(employee, self._scene.chance.uniform(0, 8)))

    async def _replace(self, employee: Employee, seconds: float) -> None:
        await self.abandon(employee)
        await self._scene.time.sleep(seconds)
        if not self._scene.outside.is_calm:
            await self.hire(employee.number, employee.build)

    def _forget(self, employee: Employee) -> None:
        if employee in self.present:
            self.present.remove(employee)
            self._scene.say(employee.process.name, "is gone")

    def _targets(self) -> list[Target]:
        """Whom a queue may push to: a paused one, too."""
        alive = (one.worker for one in self.present if not one.process.has_crashed)
        return [(worker.id, worker.wake) for worker in alive if worker is not None]


class Rivals:
    """Who comes between the load and the commit of somebody's turn. See `Others`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._workers: dict[str, Worker] = {}
        self._sent = 0
        self._client = Client(
            scene.shared, registry_of(FINAL), scene.codec, scene.environment("crowd", SkewedClock(scene.true))
        )

    async def send(self, instance_id: str) -> None:
        """See `Others.send`."""
        await self._scene.spawn(self._send(instance_id))

    async def move(self, instance_id: str, build: str) -> None:
        """See `Others.move`. There must be something to be done, so something is sent first."""
        await self._scene.spawn(self._send(instance_id))
        await self._scene.spawn(self._move(instance_id, build))

    async def _send(self, instance_id: str) -> None:
        self._sent += 1
        event_id = f"storm{self._sent}"
        try:
            await self._client.get(instance_id).send_event("storm", self._sent, event_id=event_id)
        except (InstanceNotFound, InstanceFinished):
            return
        self._scene.promised[instance_id].append(event_id)

    async def _move(self, instance_id: str, build: str) -> None:
        worker = self._workers.get(build)
        if worker is None:
            scene = self._scene
            environment = scene.environment(f"rival {build}", SkewedClock(scene.true))
            options = WorkerOptions(lease_seconds=scene.plan.lease_seconds, warm_max=0)
            worker = Worker(scene.shared, registry_of(build), scene.codec, environment, options)
            self._workers[build] = worker
            scene.witness.note_worker(worker.id)
            await worker.stop()  # one that drains takes no activities: it only takes turns
        await worker.look(instance_id)


class ProcessStage:
    """See `Stage`: the world as the activities of one process see it."""

    def __init__(self, scene: Scene, process: Process) -> None:
        self._scene = scene
        self._process = process

    def begin(self, what: str, number: int) -> int:
        """See `Stage.begin`."""
        scene, info = self._scene, activity_info()
        effect = Effect(info.idempotency_key, what, number, info.attempt, info.instance_id)
        count = scene.ledger.add(effect)
        scene.time.note_effect()
        scene.say(self._process.name, f"effect {what} {number} of {info.instance_id}, attempt {info.attempt}")
        return count

    async def sleep(self, seconds: float) -> None:
        """See `Stage.sleep`."""
        if seconds >= FOREVER_SECONDS:
            await asyncio.get_running_loop().create_future()
        await self._scene.time.sleep(seconds)
