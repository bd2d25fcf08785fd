"""What all parts of a simulated world share: the plan, the true time, the store with its witness, and the notes."""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, cast

from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.engine.environment import Environment
from nexus_sdk.store.port import Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.environment import SeededRandomness
from nexus_sdk.testing.laws import LawBroken
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.coverage import Coverage
from nexus_sdk.testing.simulation.loop import SimulatedLoop
from nexus_sdk.testing.simulation.passing import Time
from nexus_sdk.testing.simulation.plan import Plan
from nexus_sdk.testing.simulation.process import Outside, Process, ProcessStore
from nexus_sdk.testing.simulation.record import Ledger, Trace
from nexus_sdk.testing.simulation.stores import SimulatedSplitStore, open_simulated
from nexus_sdk.testing.simulation.witness import Witness, WitnessedStore


class Scene:
    """See the module.

    Attributes:
        shared: the store as all processes have it, behind its witness.
        chance: for what the world itself decides.
        broken: what does not hold, in words.
        failed: done when something does not, while the run goes on.
        said: what the engine logged as errors.
        told_of: the instances that it has warned of.
        on_change: told of each instance that something has happened to.
        promised: of each instance, the ids of the events that its clients were told are accepted.
    """

    def __init__(self, plan: Plan, loop: SimulatedLoop) -> None:
        self.plan = plan
        self.true = FakeClock()
        self.begun_us = self.true.now_us()
        self.trace = Trace()
        self.coverage = Coverage()
        self.ledger = Ledger()
        self.outside = Outside(self.true, plan.rates, plan.aim, self.note_fault)
        self.store = open_simulated(plan, self.true, self._note_fault_of_store, self.look)
        self.witness = Witness(self.store, self.coverage, self._note_change)
        self.shared = cast("Store", WitnessedStore(cast("Store", self.store), self.witness, plan.profile, self.fail))
        self.codec = MsgpackCodec()
        self.chance = Random(f"{plan.seed}/world")
        self.broken: list[str] = []
        self.said: list[str] = []
        self.told_of: set[str] = set()
        self.failed: asyncio.Future[None] = loop.create_future()
        self.time = Time(plan, self.true, loop, self.outside, self.store)
        self._loop = loop
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self.on_change: list[Callable[[str], None]] = []
        self.promised: dict[str, list[str]] = defaultdict(list)

    # --- work ---------------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do it beside what else is done.

        In a context of its own: what a dying process has set in its own must not reach the one that follows it.
        """
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.append(task)
        task.add_done_callback(self._look_after)
        return task

    def cancel_all(self) -> None:
        """Give up whatever was spawned."""
        for task in self._tasks:
            task.cancel()

    def _look_after(self, task: asyncio.Task[Any]) -> None:
        """What goes wrong beside the course of things is a failure, too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    # --- processes ----------------------------------------------------------------------------------------------------

    def environment(self, name: str, clock: SkewedClock) -> Environment:
        """Of a process: its clock and chance; nothing spins in it."""
        randomness = SeededRandomness(f"{self.plan.seed}/{name}/randomness")

        def say(level: str, event: str, fields: dict[str, Any]) -> None:
            if level == "error":
                self.said.append(f"{name}: {event}")
            if level in ("error", "warning"):
                self.told_of.add(fields.get("instance_id", ""))

        return Environment(clock, cast("Any", None), randomness, NoWatchdog(), say)

    def store_of(self, process: Process) -> Store:
        """The store as this process has it."""
        return cast("Store", ProcessStore(self.shared, process))

    # --- notes --------------------------------------------------------------------------------------------------------

    def say(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.say(self.true.now_us() - self.begun_us, who, what)

    def note_fault(self, fault: str, where: str, who: str) -> None:
        """Count a fault. Those of nobody in particular are too many to be told."""
        self.coverage.faults[fault, where] += 1
        if who:
            self.say(who, f"fault: {fault} {where}")

    def fail(self, error: BaseException) -> None:
        """Something does not hold: the run is over."""
        if not self.failed.done():
            self.broken.append(str(error) if isinstance(error, LawBroken) else f"{type(error).__name__}: {error}")
            self.failed.set_result(None)

    def look(self) -> None:
        """Let the witness look at the store."""
        try:
            self.witness.look()
        except LawBroken as broken:
            self.fail(broken)

    def _note_fault_of_store(self, fault: str, call: str) -> None:
        self.note_fault(fault, call, "store")

    def _note_change(self, id: str, what: str) -> None:
        self.time.note_change()
        self.say(id, what)
        if isinstance(self.store, SimulatedSplitStore):
            self.store.table.remember(id)
        for listener in self.on_change:
            listener(id)


class NoWatchdog:
    """Nothing spins here; see `Watchdog`."""

    def watch(self, instance_id: str, block: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Watchdog.watch`."""
        return block(*args, **kwargs)
