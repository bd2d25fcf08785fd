"""A run of a simulated world: the real engine on a simulated store, in one thread, from one plan.

The one rule: everything that happens follows from the plan. What its parts share is the `scene`; its workers are the
`staff`, its `clients` ask and tell, `passing` moves time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from nexus_sdk.core.status import Status
from nexus_sdk.testing.laws import LawBroken
from nexus_sdk.testing.simulation.bounds import breaches_of_bounds
from nexus_sdk.testing.simulation.clients import Clients
from nexus_sdk.testing.simulation.coverage import Coverage
from nexus_sdk.testing.simulation.damage import damage
from nexus_sdk.testing.simulation.definitions import FINAL
from nexus_sdk.testing.simulation.loop import SimulatedLoop
from nexus_sdk.testing.simulation.passing import NeverAtRest
from nexus_sdk.testing.simulation.plan import Act, Plan
from nexus_sdk.testing.simulation.record import Trace
from nexus_sdk.testing.simulation.replays import Replays
from nexus_sdk.testing.simulation.rest import breaches_at_rest, wrong_results
from nexus_sdk.testing.simulation.scene import Scene
from nexus_sdk.testing.simulation.staff import Rivals, Staff
from nexus_sdk.testing.simulation.stores import be_calm


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


class World:
    """See the module. A world is run once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = SimulatedLoop()
        self.scene = Scene(plan, self.loop)
        self.staff = Staff(self.scene)
        self.clients = Clients(self.scene)
        self.scene.outside.others = Rivals(self.scene)
        self.loop.on_idle = self.scene.time.pass_on
        self._damages = Random(f"{plan.seed}/damage")
        self._replays = Replays(self.scene.witness, plan)
        self.scene.on_change.append(self._may_replay)

    def run(self) -> Outcome:
        """Run it to its end."""
        scene = self.scene
        scene.coverage.profiles[self.plan.profile] += 1
        with _no_collections():
            asyncio.set_event_loop(self.loop)
            try:
                self.loop.run_until_complete(self._until_failed())
            except NeverAtRest as error:
                scene.broken.append(str(error))
            finally:
                self._clear_away()
        return Outcome(self.plan, "\n".join(scene.broken), scene.trace, scene.coverage, scene.said)

    # --- the course of a run ----------------------------------------------------------------------------------------

    async def _until_failed(self) -> None:
        scene = self.scene
        course = asyncio.ensure_future(self._course())
        await asyncio.wait([course, scene.failed], return_when=asyncio.FIRST_COMPLETED)
        if not course.done():
            course.cancel()
        elif (error := course.exception()) is not None:
            if not isinstance(error, LawBroken):
                raise error
            scene.broken += filter(None, [str(error)])
        for employee in self.staff.present:
            employee.process.has_crashed = True
        scene.cancel_all()
        for employee in list(self.staff.present):
            await self.staff.abandon(employee)

    async def _course(self) -> None:
        plan, scene = self.plan, self.scene
        for number, build in enumerate(plan.builds):
            await self.staff.hire(number, build)
        acting = [scene.spawn(self._act(index, act)) for index, act in enumerate(plan.acts) if act is not None]
        await asyncio.gather(*acting)
        await scene.time.sleep_until(scene.begun_us + round(plan.calm_seconds * 1_000_000))
        await self._calm_down()
        await self._come_to_rest("everything is over")
        if Random(f"{plan.seed}/rewinding").random() < 0.5:
            await self.clients.tell_all("rewinder", "rewind", lambda status: status is Status.FAILED)
            await self._come_to_rest("what had failed was rewound")
        if plan.is_cancelled_at_rest:
            await self.clients.tell_all("canceller", "cancel", lambda status: not status.is_finished)
            await self._come_to_rest("everything was cancelled")
        for employee in list(self.staff.present):
            if scene.chance.random() < 0.5:
                await self.staff.retire(employee)
        scene.broken += wrong_results(scene.witness, await self.clients.results())
        scene.broken += self._replays.breaches_at_rest()

    async def _act(self, index: int, act: Act) -> None:
        scene = self.scene
        await scene.time.sleep_until(scene.begun_us + round(act.at_seconds * 1_000_000))
        scene.say("outside", f"{act.what} {act.number} {act.name} {act.value:g}")
        scene.coverage.acts[act.what] += 1
        match act.what:
            case "pause" | "jump" | "deploy":
                await self.staff.strike(act)
            case "outage":
                what = act.name if self.plan.is_split else "store"
                scene.outside.away = "" if scene.outside.is_calm else what
                await scene.time.sleep(act.value)
                scene.outside.end_outage()
            case "damage":
                self._damage()
            case _:
                await self.clients.act(index, act)

    def _damage(self) -> None:
        scene = self.scene
        done = damage(scene.witness, self._damages) if not scene.outside.is_calm else None
        if done is not None:
            kind, id = done
            seen = scene.witness.find(id)
            assert seen is not None
            scene.time.ignored.add((id, seen.item.record.request_id))
            scene.note_fault("damage", kind, id)

    def _may_replay(self, id: str) -> None:
        said = self._replays.breaches_after_change(id)
        if said:
            self.scene.fail(LawBroken("\n".join(said)))

    async def _calm_down(self) -> None:
        """From now on nothing goes wrong; the newest code is deployed everywhere, and all clocks are right."""
        scene = self.scene
        scene.say("world", "calm")
        scene.outside.is_calm, scene.outside.away = True, ""
        be_calm(scene.store)
        for employee in list(self.staff.present):
            employee.process.go_on()
        for employee in list(self.staff.present):
            await self.staff.let_go(employee, gently=scene.chance.random() < 0.5)
        for number in range(2):
            await self.staff.hire(number, FINAL)
        await self.clients.tell_all("resumer", "resume", lambda status: status.is_held)

    async def _come_to_rest(self, when: str) -> None:
        scene = self.scene
        await scene.time.until_rest()
        scene.say("world", f"at rest: {when}")
        scene.witness.look()
        said = [
            *breaches_at_rest(
                scene.witness,
                scene.ledger,
                scene.promised,
                now_us=scene.true.now_us(),
                may_block=self.plan.has_broken_build,
                told_of=scene.told_of,
            ),
            *self.clients.breaches(),
            *await self.clients.breaches_of_lists(),
            *breaches_of_bounds(scene.store, self.plan.profile),
        ]
        scene.broken += [f"{one} ({when})" for one in said]
        if scene.broken:
            raise LawBroken

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
