"""The dispatcher: takes what is ready from the store, hands it to turns and activities, and waits without polling.

One bell, one clock: inside a process nothing is asked for twice. A slow sweep stands behind the bell, for stores whose
bells may be lost. An idle worker has no task but this one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nexus_sdk.authoring.registry import Registry
from nexus_sdk.core.payload import Codec
from nexus_sdk.engine.activities import Activities
from nexus_sdk.engine.attempt import Stop
from nexus_sdk.engine.courtesy import Courtesy
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.instance import Surroundings
from nexus_sdk.engine.limits import DEFAULT_LIMITS, HistoryLimits
from nexus_sdk.engine.mail import Mail
from nexus_sdk.engine.persistence import until_available
from nexus_sdk.engine.sweep import Sweep
from nexus_sdk.engine.turns import Taken, Turns
from nexus_sdk.engine.waiting import sleep, sleep_until
from nexus_sdk.errors import InstanceNotFound, StoreError, StoreUnavailable
from nexus_sdk.store.port import LOCAL, TURNS, Claim, Lease, Received, Store, TaskDelivery, TurnDelivery

FAILING_TURNS_MAX = 3
"""An instance whose turns fail so often, for a reason of ours, is blocked visibly instead of tried for ever."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        task_queues: which activity queues it serves; None: those of the activities it has.
        concurrency: so many activities at a time.
        lease_seconds: how long a dead worker's deliveries stay its own where nobody notices sooner.
        sweep_seconds: how often it looks although nobody rang.
        drain_seconds: how long running activities may take when it is told to stop.
        warm_max: so many instances are kept warm.
        turns_max: so many instances are moved on at a time.
        migrates: whether it brings the store up to date before it serves.
        sweeps: whether it looks by itself; if not, whoever has made it calls `sweep`.
        history_limits: how long histories may become.
    """

    task_queues: frozenset[str] | None = None
    concurrency: int = 100
    lease_seconds: float = 30.0
    sweep_seconds: float = 2.0
    drain_seconds: float = 10.0
    warm_max: int = 1_000
    turns_max: int = 256
    migrates: bool = True
    sweeps: bool = True
    history_limits: HistoryLimits = DEFAULT_LIMITS


class Worker:
    """Serves the workflows and activities of one registry from one store."""

    def __init__(
        self, store: Store, registry: Registry, codec: Codec, environment: Environment, options: WorkerOptions
    ) -> None:
        self.id = f"worker-{environment.randomness.token()[:12]}"
        self._store = store
        self._environment = environment
        longest = store.capabilities.lease_seconds_max
        if longest is not None and options.lease_seconds > longest:
            options = replace(options, lease_seconds=longest)
        self._options = options
        self._lease = Lease(self.id, options.lease_seconds)
        self._surroundings = Surroundings(registry, codec, environment, self.id, registry.build, options.history_limits)
        self._courtesy = Courtesy(environment.clock, environment.randomness)
        self._turns = Turns(
            store,
            self._surroundings,
            self._lease,
            self._claim,
            self._unclaim,
            self._courtesy,
            options.warm_max,
        )
        self._activities = Activities(store, self._surroundings, self._lease, self._courtesy)
        self._mail: dict[str, Mail] = {}
        self._in_turn: dict[str, Mail] = {}
        """What the turns work off that are under way."""
        self._moving: set[str] = set()
        self._looking: list[asyncio.Future[None]] = []
        """Who waits until an instance is no longer moved."""
        self._failing: dict[str, int] = {}
        self._sweep = Sweep(store, self._surroundings, self._try_again)
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, str] = {}
        """The activities that run here: whose each is, by its delivery's token."""
        self._running_of: Counter[str] = Counter()
        """How many activities of an instance run here."""
        self._meanwhile: set[str] = set()
        """The tokens of what commits have brought while `receive` was under way: it may bring them, too."""
        self._claimed = 0
        """So many slots are kept free for what the calls of the store that are in flight may bring."""
        self._is_receiving = False
        self._is_starved = False
        self._is_draining = False
        self._bell = store.doorbell()
        self._service: list[asyncio.Task[None]] = []  # the dispatcher first, the keeper of leases last
        self.trouble: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Done when the store refuses to give out work, with the reason."""

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to serve, or go on after a `pause`."""
        if self._options.migrates:
            await self._store.migrate()
        self._is_draining = False
        self._service = [asyncio.create_task(self._dispatch(), name="nexus dispatcher")]
        if self._options.sweeps:
            self._service.append(asyncio.create_task(self._sweep_now_and_then(), name="nexus sweep"))
        self._service.append(asyncio.create_task(self._keep_leases(), name="nexus leases"))

    async def stop(self) -> None:
        """Drain: take nothing more, let activities finish for a while, give back the rest, then return."""
        await self.pause()
        self._bell.close()
        self._turns.close()

    async def pause(self, drain_seconds: float | None = None) -> None:
        """Drain as `stop` does, and keep what is warm: `start` goes on.

        Args:
            drain_seconds: how long activities may still take; by default as the options say.
        """
        self._is_draining = True
        taking = self._service[:-1]
        for task in taking:
            if task is not self._service[0] or not self._is_receiving:  # what it receives now, it gives back itself
                task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
        await self._finish_activities(self._options.drain_seconds if drain_seconds is None else drain_seconds)
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        for task in self._service:
            task.cancel()  # the leases were kept until now
        await asyncio.gather(*self._service, return_exceptions=True)

    async def abandon(self) -> None:
        """Stop at once and give nothing back, as a crash would: leases run out by themselves."""
        self._is_draining = True
        ending = {*self._service, *self._tasks}
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._bell.close()
        self._turns.close()

    async def look(self, instance_id: str) -> None:
        """Run the code over the instance's history now, though nothing has come for it; returns when that is done.

        So one that was blocked is tried again, and one whose code has changed meanwhile is blocked at once.
        """
        self._try_again(instance_id)
        while instance_id in self._moving:
            moved = asyncio.get_running_loop().create_future()
            self._looking.append(moved)
            await moved

    async def until_idle(self) -> None:
        """Return when nothing is under way here: no turn and no activity, nor what followed from them."""
        while self._tasks:
            await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)

    def wake(self) -> None:
        """Look for work now, though nobody rang: what this worker serves has changed."""
        self._bell.ring()

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs here at the moment: no turn, no activity."""
        return not self._tasks

    @property
    def running_activities(self) -> int:
        """How many activities run here."""
        return len(self._activities.running)

    async def _finish_activities(self, drain_seconds: float) -> None:
        if self._tasks:
            patience = asyncio.create_task(sleep(self._environment.clock, drain_seconds))
            while self._tasks and not patience.done():
                await asyncio.wait({patience, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            patience.cancel()
        for attempt in list(self._activities.running.values()):
            attempt.stop(Stop.DRAINED)

    # --- taking work ------------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        while not self._is_draining:
            try:
                next_due_us = await self._take_ready()
                if not self._is_draining:
                    await self._wait(next_due_us)
            except StoreUnavailable as error:
                self._say("warning", f"the store is unavailable: {error.message}", hint=error.hint)
                await self._pause()
            except Exception as error:
                # Trying again may not help: whoever waits for this worker must hear of it. It tries on all the same.
                self._say("error", f"nothing can be taken from the store: {error}", exc_info=error)
                if not self.trouble.done():
                    self.trouble.set_result(error)
                await self._pause()

    async def _pause(self) -> None:
        if not self._is_draining:
            await sleep(self._environment.clock, self._options.sweep_seconds)

    async def _take_ready(self) -> int | None:
        """Take everything that is ready now; when there will be more, as far as known."""
        while True:
            now_us = self._environment.clock.now_us()
            self._is_starved = False
            found, due = 0, []
            for queues in ((TURNS,), (LOCAL, *sorted(self._queues))):
                received = await self._receive(queues, now_us)
                found += len(received.deliveries)
                if received.next_due_us is not None:
                    due.append(received.next_due_us)
                for delivery in received.deliveries:
                    self._accept(delivery)
            if not found or self._is_draining:
                return min(due, default=None)

    async def _receive(self, queues: tuple[str, ...], now_us: int) -> Received:
        is_for_turns = TURNS in queues
        limit = self._options.turns_max - len(self._moving) if is_for_turns else self._slots_to_fill()
        if limit <= 0 or self._is_draining:
            self._is_starved = True  # whatever becomes free from now on rings
            return Received()
        kept = 0 if is_for_turns else limit
        self._is_receiving = True
        self._claimed += kept
        try:
            received = await self._store.receive(queues, limit=limit, lease=self._lease, now_us=now_us)
            fresh = tuple(delivery for delivery in received.deliveries if delivery.token not in self._meanwhile)
            return replace(received, deliveries=fresh)
        finally:
            self._is_receiving = False
            self._claimed -= kept
            self._meanwhile.clear()

    async def _wait(self, next_due_us: int | None) -> None:
        rung = asyncio.ensure_future(self._bell.wait())
        waits: set[asyncio.Future[None]] = {rung}
        if next_due_us is not None:
            when_us = self._courtesy.when_to_look(next_due_us)
            waits.add(asyncio.ensure_future(sleep_until(self._environment.clock, when_us)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _accept(self, delivery: TaskDelivery | TurnDelivery) -> None:
        if self._is_draining:
            self._spawn(self._give_back(delivery))
        elif isinstance(delivery, TurnDelivery):
            self._mail.setdefault(delivery.instance_id, Mail()).delivery = delivery
            self._move(delivery.instance_id)
        else:
            self._hold(delivery)
            self._spawn(self._follow(delivery))

    @property
    def _queues(self) -> frozenset[str]:
        named = self._options.task_queues
        return named if named is not None else self._surroundings.registry.task_queues

    def _slots_free(self) -> int:
        return self._options.concurrency - len(self._held) - self._claimed

    def _slots_to_fill(self) -> int:
        """How many of the free slots may be filled from the queues. Each turn that is under way will ask for one
        activity, most likely, and claims it where a slot is left: that saves it the way through the queue.
        """
        free = self._slots_free()
        return free - min(len(self._moving), free // 2)

    def _claim(self, wanted: int) -> Claim | None:
        """A claim for up to so many tasks. Until it is given back to `_unclaim`, nothing else takes their slots."""
        if self._is_draining:
            return None
        limit = max(0, min(wanted, self._slots_free()))
        self._claimed += limit
        return Claim(self._queues | {LOCAL}, limit, self._lease)

    def _unclaim(self, claim: Claim | None) -> None:
        if claim is not None:
            self._claimed -= claim.limit

    async def _give_back(self, delivery: TaskDelivery | TurnDelivery) -> None:
        """What comes while the worker is going down was never begun."""
        instance_id = delivery.instance_id if isinstance(delivery, TurnDelivery) else delivery.task.instance_id
        release = partial(self._store.release, delivery, now_us=self._environment.clock.now_us())
        what = f"a delivery of {instance_id}"
        await until_available(release, self._environment, instance_id=instance_id, what=what)

    # --- activities -------------------------------------------------------------------------------------------------

    async def _follow(self, delivery: TaskDelivery) -> None:
        """Run an activity and what follows from it, as long as that is one thing after another: its instance's turn,
        the activity that this turn asks for, and so on. So a sequence of steps is one task of the event loop.
        """
        following: TaskDelivery | None = delivery
        while following is not None:
            following = await self._step(following)

    async def _step(self, delivery: TaskDelivery) -> TaskDelivery | None:
        try:
            outcome = await self._activities.run(delivery)
        finally:
            self._let_go(delivery)
        if outcome is None:
            return None
        instance_id = delivery.task.instance_id
        self._mail.setdefault(instance_id, Mail()).outcomes.append(outcome)
        task = asyncio.current_task()
        if self._running_of[instance_id] or (task is not None and task.cancelling()):
            # What others of the same fan-out bring in this tick is one turn with it; and an activity that has cancelled
            # the task it runs in must not have cancelled a turn.
            self._move(instance_id)
            return None
        if instance_id in self._moving:
            return None
        self._moving.add(instance_id)
        return await self._move_on(instance_id)

    def _hold(self, delivery: TaskDelivery) -> None:
        if delivery.token not in self._held:
            self._held[delivery.token] = delivery.task.instance_id
            self._running_of[delivery.task.instance_id] += 1

    def _let_go(self, delivery: TaskDelivery) -> None:
        instance_id = self._held.pop(delivery.token, None)
        if instance_id is not None:
            self._running_of[instance_id] -= 1
            if not self._running_of[instance_id]:
                del self._running_of[instance_id]
        self._ring_if_starved()

    def _ring_if_starved(self) -> None:
        if self._is_starved:
            self._is_starved = False
            self._bell.ring()

    def _unknown(self, instance_id: str, deliveries: tuple[TaskDelivery, ...]) -> list[TaskDelivery]:
        """Those that did not come here before: a commit that was repeated may hand out what `receive` has brought."""
        mail = self._mail.get(instance_id)
        ended = {outcome.delivery.token for outcome in mail.outcomes} if mail is not None else set()
        return [delivery for delivery in deliveries if delivery.token not in self._held and delivery.token not in ended]

    # --- turns ------------------------------------------------------------------------------------------------------

    def _move(self, instance_id: str) -> None:
        """See that the instance's mail is worked off, by one task at a time."""
        if instance_id not in self._moving:
            self._moving.add(instance_id)
            self._spawn(self._move_and_follow(instance_id))

    async def _move_and_follow(self, instance_id: str) -> None:
        following = await self._move_on(instance_id)
        if following is not None:
            await self._follow(following)

    async def _move_on(self, instance_id: str) -> TaskDelivery | None:
        """Work off the mail; an activity that the last turn asked for, to be run by the same task."""
        following: TaskDelivery | None = None
        try:
            while mail := self._next_mail(instance_id):
                if following is not None:
                    self._spawn(self._follow(following))
                following = self._take_up(instance_id, await self._turn(instance_id, mail))
        finally:
            self._moving.discard(instance_id)
            self._tell_lookers()
        return following

    def _next_mail(self, instance_id: str) -> Mail | None:
        mail = self._mail.pop(instance_id, None)
        if mail is not None and (later := mail.without_beyond(self._store.capabilities.settles_max)):
            self._mail[instance_id] = later
        return mail

    def _take_up(self, instance_id: str, taken: Taken) -> TaskDelivery | None:
        """Begin what a turn has led to, all but the first activity, which is returned: it goes first."""
        following: TaskDelivery | None = None
        for delivery in self._unknown(instance_id, taken.deliveries):
            if self._is_receiving:
                self._meanwhile.add(delivery.token)
            if self._is_draining:
                self._spawn(self._give_back(delivery))
                continue
            self._hold(delivery)
            if following is None:
                following = delivery
            else:
                self._spawn(self._follow(delivery))
        for task_id in taken.stopped:
            self._activities.stop(task_id, Stop.CANCELLED)
        if taken.is_ready:
            self._bell.ring()
        self._ring_if_starved()
        return following

    def _tell_lookers(self) -> None:
        looking, self._looking = self._looking, []
        for waiting in looking:
            if not waiting.done():
                waiting.set_result(None)

    async def _turn(self, instance_id: str, mail: Mail) -> Taken:
        self._in_turn[instance_id] = mail
        try:
            taken = await self._turns.take(instance_id, mail)
        except InstanceNotFound:
            return Taken()
        except Exception as error:
            await self._turn_failed(instance_id, mail, error)
            return Taken(is_ready=True)
        finally:
            del self._in_turn[instance_id]
        self._failing.pop(instance_id, None)
        return taken

    async def _turn_failed(self, instance_id: str, mail: Mail, error: Exception) -> None:
        """A turn failed for a reason that is neither the workflow's nor a race: try again a few times, then block."""
        failures = self._failing[instance_id] = self._failing.get(instance_id, 0) + 1
        self._say("error", f"a turn of {instance_id} failed: {error!r}", instance_id=instance_id, exc_info=error)
        try:
            self._turns.forget(instance_id)
            if failures >= FAILING_TURNS_MAX:
                self._failing.pop(instance_id, None)
                await self._turns.block(instance_id, mail, error)
                return
            await sleep(self._environment.clock, 0.1 * 2**failures)
            self._mail[instance_id] = _merged(mail, self._mail.get(instance_id))
        except StoreError as trouble:
            self._say("error", f"{instance_id} could not be put aside: {trouble.message}", instance_id=instance_id)

    # --- what stands behind the bell ----------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Look once for lost bells, for peers that died, for blocked instances of other builds.

        How many instances had waited to be looked at, as far as this look went.
        """
        return await self._sweep.look()

    async def _sweep_now_and_then(self) -> None:
        """Look once in a while."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # whatever it is: without the sweep, what was lost stays lost
                self._say("warning", f"the sweep failed: {error}", exc_info=error)
            await sleep(self._environment.clock, self._options.sweep_seconds, is_background=True)
            self._bell.ring()

    async def _keep_leases(self) -> None:
        while True:
            await sleep(self._environment.clock, self._options.lease_seconds / 3, is_background=True)
            try:
                await self._activities.prolong(self._unsettled())
            except Exception as error:  # whatever it is: without this task, all that runs here would be lost
                self._say("warning", f"leases could not be prolonged: {error}", exc_info=error)

    def _unsettled(self) -> list[TaskDelivery]:
        """The activities whose outcomes wait for a turn, or for its commit."""
        mails = [*self._mail.values(), *self._in_turn.values()]
        return [outcome.delivery for mail in mails for outcome in mail.outcomes]

    def _try_again(self, instance_id: str) -> None:
        self._mail.setdefault(instance_id, Mail()).is_retry = True
        self._move(instance_id)

    # --- small things -----------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing that goes wrong in one piece of work may be silent, or end the worker."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._say("error", f"unexpected: {error!r}", exc_info=error)

    def _say(self, level: str, event: str, **fields: Any) -> None:
        self._environment.say(level, event, {"worker": self.id, **fields})


def _merged(mail: Mail, later: Mail | None) -> Mail:
    if later is None:
        return mail
    outcomes = mail.outcomes + later.outcomes
    return Mail(outcomes, later.delivery or mail.delivery, mail.is_retry or later.is_retry)
