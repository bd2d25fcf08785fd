"""A run of a simulated world: the real engine on a simulated store, in one thread, from one plan.

The one rule: everything that happens follows from the plan. Time is moved here, when nobody has anything to do: to what
falls due next; and once nobody has got anything done for a while, past the sweeps to what is truly due.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, ParamSpec, TypeVar, cast

from nexus_sdk.authoring.info import activity_info
from nexus_sdk.client.client import Client
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.status import Status
from nexus_sdk.engine.courtesy import LATEST_SECONDS
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import (
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    StoreError,
    StoreUnavailable,
    WorkflowEnded,
    WrongStatus,
)
from nexus_sdk.store.port import Store
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.environment import SeededRandomness
from nexus_sdk.testing.laws import LawBroken
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.definitions import FINAL, registry_of, stage
from nexus_sdk.testing.simulation.loop import SimulatedLoop
from nexus_sdk.testing.simulation.plan import Act, Plan
from nexus_sdk.testing.simulation.process import Outside, Process, ProcessStore
from nexus_sdk.testing.simulation.programs import Unsure, expected
from nexus_sdk.testing.simulation.record import Coverage, Effect, Ledger, Trace
from nexus_sdk.testing.simulation.rest import breaches_at_rest, breaches_of_replay, wrong_results
from nexus_sdk.testing.simulation.stores import UnrulyQueue, open_simulated
from nexus_sdk.testing.simulation.witness import Witness, WitnessedStore

P = ParamSpec("P")
T = TypeVar("T")

SWEEP_SECONDS = 2.0
IDLE_MAX = 60_000
"""So often time moves in one run, before it is told that it never comes to rest."""

VAIN_MAX = 3_000
"""So often time moves, and nothing comes of it, before it moves on to what the world itself has planned: until other
code is deployed, say, what nobody serves is looked at in vain."""

TRIES_MAX = 200
"""So often a client tries again while the store is unavailable."""

PREFIXES_MAX = 4

COURTESY_US = round(2 * LATEST_SECONDS * 1_000_000)


class NeverAtRest(AssertionError):
    """Time was moved again and again, and there was always more to do."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        broken: what does not hold, in words; empty when all is well.
    """

    plan: Plan
    broken: str
    trace: Trace
    coverage: Coverage
    said: list[str] = field(default_factory=list)
    """What the engine logged as errors."""


@dataclass(slots=True)
class Employee:
    """A worker and the process it lives in."""

    number: int
    build: str
    process: Process
    worker: Worker | None = None


class World:
    """See the module. A world is run once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.true = FakeClock()
        self.trace = Trace()
        self.coverage = Coverage()
        self.ledger = Ledger()
        self.outside = Outside(self.true, plan.rates, plan.aim, self._note_fault)
        self.store = open_simulated(plan, self.true.now_us, self._note_fault_of_queue, self._look)
        self.witness = Witness(self.store, self.coverage, self._note_change)
        self.codec = MsgpackCodec()
        self.loop = SimulatedLoop()
        self.loop.on_idle = self._pass_time
        self._shared = cast("Store", WitnessedStore(cast("Store", self.store), self.witness, self._fail))
        self._employees: list[Employee] = []
        self._hired = 0
        self._chance = Random(f"{plan.seed}/world")
        self._tidiness = Random(f"{plan.seed}/tidiness")
        self._tidied = 0
        self._broken: list[str] = []
        self._failed: asyncio.Future[None] = self.loop.create_future()
        self._rest: asyncio.Future[None] | None = None
        self._own_us: list[int] = []
        self._moved_us = 0
        self._idle_count = 0
        self._idle_at_change = 0
        self._promised: dict[str, list[str]] = defaultdict(list)
        self._started: dict[str, int] = {}
        self._said: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._context = contextvars.copy_context()
        skew_us = round(2_000_000 * plan.rates.skew)
        self._patience_us = round((plan.lease_seconds + 5 + 10 + 4 * SWEEP_SECONDS) * 1_000_000) + skew_us

    def run(self) -> Outcome:
        """Run it to its end."""
        self.coverage.profiles[self.plan.profile] += 1
        with _no_collections():
            asyncio.set_event_loop(self.loop)
            try:
                self.loop.run_until_complete(self._until_failed())
            except NeverAtRest as error:
                self._broken.append(str(error))
            finally:
                self._clear_away()
        return Outcome(self.plan, "\n".join(self._broken), self.trace, self.coverage, self._said)

    # --- the course of a run ----------------------------------------------------------------------------------------

    async def _until_failed(self) -> None:
        course = asyncio.ensure_future(self._course())
        await asyncio.wait([course, self._failed], return_when=asyncio.FIRST_COMPLETED)
        if not course.done():
            course.cancel()
        elif course.exception() is not None:
            error = course.exception()
            assert error is not None
            if not isinstance(error, LawBroken):
                raise error
            self._broken.append(str(error))
        for employee in self._employees:
            employee.process.has_crashed = True
        for task in self._tasks:
            task.cancel()
        for employee in list(self._employees):
            await self._abandon(employee)

    async def _course(self) -> None:
        plan = self.plan
        self._moved_us = self.true.now_us()
        for build in plan.builds:
            await self._hire(self._hired, build)
        acting = [self._spawn(self._act(index, act)) for index, act in enumerate(plan.acts)]
        await asyncio.gather(*acting)
        await self._sleep_until(self._begun_us + round(plan.calm_seconds * 1_000_000))
        await self._calm_down()
        await self._come_to_rest("everything is over")
        if Random(f"{plan.seed}/rewinding").random() < 0.5:
            await self._tell_all("rewinder", "rewind", lambda status: status is Status.FAILED)
            await self._come_to_rest("what had failed was rewound")
        if plan.is_cancelled_at_rest:
            await self._tell_all("canceller", "cancel", lambda status: not status.is_finished)
            await self._come_to_rest("everything was cancelled")
        for employee in list(self._employees):
            if self._chance.random() < 0.5:
                await self._retire(employee)
        self._check_results(await self._results())
        registry = registry_of(FINAL)
        self._broken += breaches_of_replay(self.witness, registry, self._chance, lengths_max=PREFIXES_MAX)

    async def _calm_down(self) -> None:
        """From now on nothing goes wrong; the newest code is deployed everywhere, and all clocks are right."""
        self._say("world", "calm")
        self.outside.is_calm, self.outside.is_away = True, False
        if isinstance(self.store, SplitMemoryStore):
            cast("UnrulyQueue", self.store.queue).is_calm = True
        for employee in list(self._employees):
            employee.process.go_on()
        for employee in list(self._employees):
            await self._let_go(employee, gently=self._chance.random() < 0.5)
        for number in range(2):
            await self._hire(number, FINAL)
        await self._tell_all("resumer", "resume", lambda status: status.is_held)

    async def _come_to_rest(self, when: str) -> None:
        self._moved_us = self.true.now_us()
        self._rest = self.loop.create_future()
        await self._rest
        self._rest = None
        self._say("world", f"at rest: {when}")
        self.witness.look()
        self._broken += [
            f"{said} ({when})"
            for said in breaches_at_rest(
                self.witness,
                self.ledger,
                self._promised,
                now_us=self.true.now_us(),
                may_block=self.plan.has_broken_build,
            )
        ]
        if self._broken:
            raise LawBroken

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def _begun_us(self) -> int:
        return FakeClock().now_us()

    def _pass_time(self) -> None:
        """Nobody has anything to do: let time pass."""
        self._idle_count += 1
        if self._idle_count > IDLE_MAX:
            raise NeverAtRest(f"law 7: time was moved {IDLE_MAX:,} times, and there is always more to do")
        soonest_us, now_us = self.true.next_call_us(), self.true.now_us()
        if soonest_us is not None and soonest_us - self._moved_us <= self._patience_us:
            self.true.jump_to(soonest_us)
            return
        is_vain = self._idle_count - self._idle_at_change > VAIN_MAX and self._own_us
        due_us = min(self._own_us if is_vain else self._times_due(now_us), default=None)
        if due_us is not None:
            self._moved_us = due_us
            self.true.jump_to(due_us)
        elif self._rest is not None and not self._rest.done():
            self._rest.set_result(None)
        elif soonest_us is not None:
            self.true.jump_to(soonest_us)
        else:
            raise NeverAtRest("law 7: nobody does anything, and nobody waits for time")

    def _times_due(self, now_us: int) -> Iterator[int]:
        """When something truly falls due."""
        yield from self._own_us
        for item in cast("Any", self.store)._items.values():
            record = item.record
            if not record.status.is_finished and not record.status.is_held:
                if record.wake_at_us is not None and record.wake_at_us > now_us:
                    yield record.wake_at_us
            # What no worker serves comes round again and again; when it is calm, every workflow is served.
            is_lasting = item.turn.token is not None or self.outside.is_calm
            least_us = now_us if is_lasting else now_us + COURTESY_US
            if item.turn.until_us is not None and item.turn.until_us > least_us:
                yield item.turn.until_us
            for state in item.tasks.values():
                if state.due_us() > now_us:
                    yield state.due_us()
            # What a clock that was wrong has dated ahead is looked at by the sweep only then.
            dated = [entry.now_us for entry in getattr(item, "outbox", ())]
            dated += [message.accepted_at_us for message in item.inbox.values() if not record.status.is_held]
            yield from (when_us for when_us in dated if when_us > now_us)

    async def _sleep_until(self, when_us: int) -> None:
        """Something that the world itself waits for: always truly due."""
        if when_us <= self.true.now_us():
            return
        done = self.loop.create_future()
        self._own_us.append(when_us)
        call = self.true.call_at(when_us, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            self._own_us.remove(when_us)
            call.cancel()
        self._moved_us = self.true.now_us()

    async def _sleep(self, seconds: float) -> None:
        await self._sleep_until(self.true.now_us() + round(seconds * 1_000_000))

    # --- workers ------------------------------------------------------------------------------------------------------

    async def _hire(self, number: int, build: str) -> None:
        self._hired += 1
        skew = 0.0 if self.outside.is_calm else self._chance.uniform(-1, 1) * self.plan.rates.skew
        clock = SkewedClock(self.true, round(skew * 1_000_000))
        process = Process(f"w{self._hired}", self.plan.seed, self.outside, clock, self._on_crash)
        employee = Employee(number, build, process)
        self._employees.append(employee)
        self._say(process.name, f"begins with build {build}")
        await self._spawn(self._serve(employee))

    async def _serve(self, employee: Employee) -> None:
        process = employee.process
        stage.set(ProcessStage(self, process))  # every task of this worker inherits it
        options = WorkerOptions(
            concurrency=self._chance.choice((1, 3, 100)),
            lease_seconds=self.plan.lease_seconds,
            sweep_seconds=SWEEP_SECONDS,
            warm_max=self.plan.warm_max,
        )
        store = cast("Store", ProcessStore(self._shared, process))
        environment = self._environment(process)
        employee.worker = Worker(store, registry_of(employee.build), self.codec, environment, options)
        await employee.worker.start()

    def _environment(self, process: Process) -> Environment:
        randomness = SeededRandomness(f"{self.plan.seed}/{process.name}/randomness")

        def say(level: str, event: str, fields: dict[str, Any]) -> None:
            if level == "error":
                self._said.append(f"{process.name}: {event}")

        return Environment(process.clock, cast("Executor", None), randomness, NoWatchdog(), say)

    def _on_crash(self, process: Process) -> None:
        employee = next(one for one in self._employees if one.process is process)
        if not self._failed.done():
            self._spawn(self._replace(employee, employee.build, self._chance.uniform(0, 8)))

    async def _replace(self, employee: Employee, build: str, seconds: float) -> None:
        await self._abandon(employee)
        await self._sleep(seconds)
        if not self.outside.is_calm:
            await self._hire(employee.number, build)

    async def _let_go(self, employee: Employee, *, gently: bool) -> None:
        """End a worker, in one way or the other."""
        if gently and not employee.process.has_crashed:
            await self._retire(employee)
        else:
            await self._abandon(employee)

    async def _retire(self, employee: Employee) -> None:
        self._say(employee.process.name, "drains")
        if employee.worker is not None:
            await employee.worker.stop()
        self._forget(employee)

    async def _abandon(self, employee: Employee) -> None:
        employee.process.has_crashed = True
        employee.process.go_on()
        if employee.worker is not None:
            self._forget(employee)
            await employee.worker.abandon()

    def _forget(self, employee: Employee) -> None:
        if employee in self._employees:
            self._employees.remove(employee)
            self._say(employee.process.name, "is gone")

    # --- what happens at a time ---------------------------------------------------------------------------------------

    async def _act(self, index: int, act: Act) -> None:
        await self._sleep_until(self._begun_us + round(act.at_seconds * 1_000_000))
        self._say("outside", f"{act.what} {act.number} {act.name} {act.value:g}")
        self.coverage.acts[act.what] += 1
        match act.what:
            case "pause" | "jump" | "deploy":
                await self._strike(act)
            case "outage":
                self.outside.is_away = not self.outside.is_calm
                await self._sleep(act.value)
                self.outside.is_away = False
            case _:
                await self._ask(index, act)

    async def _strike(self, act: Act) -> None:
        """A fault that comes at a time."""
        if self.outside.is_calm or not self._employees:
            return
        employee = self._employees[act.number % len(self._employees)]
        process = employee.process
        self._note_fault(act.what, "at a time", process.name)
        match act.what:
            case "jump":
                process.clock.offset_us += round(act.value * 1_000_000)
            case "pause":
                process.clock.is_stopped = True
                await self._sleep(act.value)
                process.go_on()
            case "deploy" if employee.worker is not None and not process.has_crashed:
                if act.value < 5:
                    process.crash()
                else:
                    await self._retire(employee)
                    if not self.outside.is_calm:
                        await self._hire(employee.number, act.name)

    async def _ask(self, index: int, act: Act) -> None:
        """Something that a client does."""
        program = self.plan.programs[act.number] if act.number < len(self.plan.programs) else None
        if program is None:
            return
        client, id = self._client(f"c{index}"), self.plan.ids[act.number]
        handle = client.get(id)
        times = 2 if act.is_repeated else 1
        match act.what:
            case "start":
                shape = self.plan.shapes[act.number]
                workflow = registry_of(FINAL).workflow(shape, "1")
                assert workflow is not None
                delay = act.value or None
                for turn in range(times):
                    await self._sleep(act.repeated_after_seconds if turn else 0.0)
                    await self._try(
                        lambda: client.start(workflow, program, id=id, request_id=f"{id}/{index}", delay=delay)
                    )
                self._started.setdefault(id, act.number)
            case "event":
                event_id = f"e{index}"
                for _ in range(times):
                    if await self._try(lambda: handle.send_event(act.name, int(act.value), event_id=event_id)):
                        self._promised[id].append(event_id)
            case "ask":
                await self._try(handle.history)
                await self._try(handle.status)
                await self._try(client.list)
            case "cancel" | "terminate" | "suspend" | "resume" | "rewind" | "purge":
                await self._try(getattr(handle, act.what))
            case what:
                raise LookupError(what)

    def _client(self, name: str) -> Client:
        clock = SkewedClock(self.true)
        process = Process(name, self.plan.seed, self.outside, clock)
        store = cast("Store", ProcessStore(self._shared, process))
        return Client(store, registry_of(FINAL), self.codec, self._environment(process))

    async def _try(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """Do what a client does; whether it was not refused."""
        for _ in range(TRIES_MAX):
            try:
                await call()
            except StoreUnavailable:
                self.coverage.codes[StoreUnavailable.code] += 1
                await self._sleep(0.5)
            except (
                InstanceExists,
                InstanceFinished,
                InstanceNotFound,
                WrongStatus,
                StoreError,
            ) as error:
                self.coverage.codes[error.code] += 1
                return False
            else:
                return True
        return False

    async def _tell_all(self, who: str, what: str, is_meant: Callable[[Status], bool]) -> None:
        client = self._client(who)
        for seen in list(self.witness.instances):
            record = seen.item.record
            if not seen.is_purged and is_meant(record.status):
                await self._try(getattr(client.get(record.id), what))

    # --- results ------------------------------------------------------------------------------------------------------

    async def _results(self) -> list[tuple[str, Any, Any]]:
        """Of each instance that was started from outside and completed, what it returned and what its program says."""
        client = self._client("results")
        found = []
        for id, number in self._started.items():
            seen = self.witness.find(id)
            if seen is None or not seen.item.record.status.is_finished:
                continue
            program = self.plan.programs[number]
            assert program is not None
            try:
                result = await client.get(id).result()
                if sum(one.item.record.id == id for one in self.witness.instances) == 1:
                    # Otherwise the ids of its children may be taken by those of the one that was purged.
                    found.append((id, result, expected(program)))
            except WorkflowEnded as end:
                self.coverage.codes[end.code] += 1
            except Unsure:
                continue
        return found

    def _check_results(self, results: list[tuple[str, Any, Any]]) -> None:
        self._broken += wrong_results(results)

    # --- notes --------------------------------------------------------------------------------------------------------

    def begin(self, what: str, number: int, process: Process) -> int:
        """An activity takes effect."""
        info = activity_info()
        effect = Effect(info.idempotency_key, what, number, info.attempt, info.instance_id)
        count = self.ledger.add(effect)
        self._moved_us = self.true.now_us()
        self._say(process.name, f"effect {what} {number} of {info.instance_id}, attempt {info.attempt}")
        return count

    def sleep_of(self, process: Process, seconds: float) -> Awaitable[None]:
        """An activity takes its time."""
        return self._sleep(seconds) if seconds < 1e6 else self.loop.create_future()

    def _note_fault(self, fault: str, where: str, who: str) -> None:
        self.coverage.faults[fault, where] += 1
        self._say(who, f"fault: {fault} {where}")

    def _note_fault_of_queue(self, fault: str, call: str) -> None:
        self._note_fault(fault, call, "queue")

    def _look(self) -> None:
        try:
            self.witness.look()
        except LawBroken as broken:
            self._fail(broken)

    def _note_change(self, id: str, what: str) -> None:
        self._moved_us = max(self._moved_us, self.true.now_us())
        self._idle_at_change = self._idle_count
        self._say(id, what)
        seen, tidy = self.witness.find(id), self.plan.rates.tidy
        if seen is not None and seen.item.record.status.is_finished and not self.outside.is_calm and tidy:
            if self._tidiness.random() < tidy:
                self._spawn(self._tidy_up(id, self._tidiness.random() ** 4 * 5))

    async def _tidy_up(self, id: str, seconds: float) -> None:
        await self._sleep(seconds)
        self.coverage.acts["tidy"] += 1
        self._tidied += 1
        await self._try(self._client(f"t{self._tidied}").get(id).purge)

    def _say(self, who: str, what: str) -> None:
        self.trace.say(self.true.now_us() - self._begun_us, who, what)

    def _fail(self, error: LawBroken) -> None:
        if not self._failed.done():
            self._broken.append(str(error))
            self._failed.set_result(None)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        # In a context of its own: what a dying process has set in its own must not reach the one that follows it.
        task: asyncio.Task[None] = self.loop.create_task(work, context=self._context.copy())
        self._tasks.append(task)
        task.add_done_callback(self._look_after)
        return task

    def _look_after(self, task: asyncio.Task[None]) -> None:
        """What goes wrong beside the course of things is a failure, too."""
        if task.cancelled() or task.exception() is None or self._failed.done():
            return
        error = task.exception()
        self._broken.append(f"{type(error).__name__}: {error}")
        self._failed.set_result(None)

    def _clear_away(self) -> None:
        tasks = sorted(asyncio.all_tasks(self.loop), key=hash)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.on_idle = lambda: self.loop.stop()
            with contextlib.suppress(RuntimeError):
                self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        self.loop.close()


class ProcessStage:
    """See `Stage`: the world as the activities of one process see it."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    def begin(self, what: str, number: int) -> int:
        """See `Stage.begin`."""
        return self._world.begin(what, number, self._process)

    async def sleep(self, seconds: float) -> None:
        """See `Stage.sleep`."""
        await self._world.sleep_of(self._process, seconds)


class NoWatchdog:
    """Nothing spins here; see `Watchdog`."""

    def watch(self, instance_id: str, block: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Watchdog.watch`."""
        return block(*args, **kwargs)


@contextmanager
def _no_collections() -> Iterator[None]:
    """When garbage is collected depends on what this process did before; what it finds must not."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def simulate(plan: Plan) -> Outcome:
    """Run a plan; what came of it."""
    return World(plan).run()
