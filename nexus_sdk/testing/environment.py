"""`WorkflowEnvironment`: the real engine on a real store, with a clock of its own. No test sleeps.

With ``clock="auto"`` time jumps to the next due moment whenever everybody waits; with ``clock="manual"`` only
`advance` moves it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, Unpack, overload
from weakref import WeakKeyDictionary

from nexus_sdk.app import Nexus, in_event_loop
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.duration import Duration, datetime_of, optional_us, to_us
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.authoring.workflow import BoundCall, Workflow
from nexus_sdk.client.client import Client, OnConflict, StartOptions
from nexus_sdk.client.handle import Handle
from nexus_sdk.client.history import History
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.core.execution import Identity
from nexus_sdk.core.operations.child import ChildOperation
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.shown import shown
from nexus_sdk.core.status import Status
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import ClockRunsAway, InvalidArgument, WaitTimedOut
from nexus_sdk.replay.player import replay, watchdog
from nexus_sdk.store.port import Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.crashes import Script, crash_everywhere
from nexus_sdk.testing.faults import Faults
from nexus_sdk.testing.handle import EnvironmentHandle
from nexus_sdk.testing.mocks import UNSET
from nexus_sdk.testing.quiet import CallWatch, ThreadWatch
from nexus_sdk.testing.stage import Definition, Stage, StagedRegistry, role_of
from nexus_sdk.testing.stuck import nothing_is_due
from nexus_sdk.testing.together import Lookers
from nexus_sdk.testing.workers import LEASED, STEADY, Workers

if TYPE_CHECKING:
    from nexus_sdk.testing.synchronous import SyncEnvironment

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

JUMPS_MAX = 100_000
"""So often the clock jumps for one call, before a test is told that this may never end."""

SWEEPS_MAX = 26
"""With faults: so many sweeps, each twice as far away, find nothing before a test is told that nothing is due."""


RECOVERY_SWEEPS = 5
"""So many sweeps at their real pace follow the death of a worker; those after them are each twice as far away."""

SWEEP_US = round(WorkerOptions().sweep_seconds * 1_000_000)


class SeededRandomness:
    """Chance that is the same in every run of a test.

    Args:
        seed: another one, another chance.

    Attributes:
        is_steady: every fraction is a half: delays do not depend on how much was drawn before.
    """

    def __init__(self, seed: int | str = 0) -> None:
        self.is_steady = False
        self._random = random.Random(seed)

    def begin(self, seed: int | str) -> None:
        """Begin anew, with this seed."""
        self._random.seed(seed)

    def token(self) -> str:
        """See `Randomness.token`."""
        return f"{self._random.getrandbits(128):032x}"

    def fraction(self) -> float:
        """See `Randomness.fraction`."""
        return 0.5 if self.is_steady else self._random.random()


class WorkflowEnvironment:
    """Workflows and activities under test, with a worker.

    Use it with `async with`; in a synchronous test with `with`, which gives a `SyncEnvironment`.

    Args:
        workflows: what is under test.
        activities: what they use; what is mocked need not be named.
        store: a URL or an open store; a private ``memory://`` by default.
        clock: ``"auto"`` or ``"manual"``.
        codec: how values are encoded; msgpack by default.
        worker: how the worker works. By default its leases practically never run out, and when it is killed somebody
            sees it die; those that are given here run out by the clock.
        spin_seconds: real seconds after which a workflow that does not yield is stopped.
        has_worker: False to start none until `restart_worker`.
        seed: of chance: the same seed gives the same ids, draws and delays.
        strict_replay: forget everything after each turn and replay from the start; compare what operations are given,
            too: arguments, payloads, deadlines.
        faults: what goes wrong between the worker and its store; a worker that dies of it is followed by another.
            The environment's clients are another process: no fault reaches them.
    """

    def __init__(
        self,
        workflows: Iterable[Workflow[Any, Any]] = (),
        activities: Iterable[Activity[Any, Any]] = (),
        *,
        store: str | Store = "memory://",
        clock: Literal["auto", "manual"] = "auto",
        codec: Codec | None = None,
        worker: WorkerOptions | None = None,
        spin_seconds: float = 10.0,
        has_worker: bool = True,
        seed: int = 0,
        strict_replay: bool = False,
        faults: Faults | None = None,
    ) -> None:
        if clock not in ("auto", "manual"):
            raise InvalidArgument(f"clock is 'auto' or 'manual', got {shown(clock)}.")
        self.is_auto: bool = clock == "auto"
        self.clock: FakeClock = FakeClock()
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        """What was logged: (level, event, fields)."""
        self.threads: ThreadWatch = ThreadWatch()
        self.worker: Worker | None = None
        self._definitions = (list(workflows), list(activities))
        self._store_or_url = store
        self._codec = codec
        self._is_strict = strict_replay
        self._options = worker or STEADY
        self._sees_deaths = worker is None
        self._spin_seconds = spin_seconds
        self._has_worker = has_worker
        self._seed = seed
        self._faults = faults
        self._sweeps_left = SWEEPS_MAX
        self._recoveries_left = 0
        self._stage = Stage()
        self._lookers = Lookers()
        self._is_open = False
        chance = SeededRandomness()
        own = Environment(self.clock, self.threads.executor, chance, watchdog(spin_seconds), self._say)
        # Workers have a chance of their own: what a client draws is the same, however much they have drawn before.
        self._workers_chance = SeededRandomness()
        self.app: Nexus = self._app(self._store_or_url, *self._definitions, environment=own)
        number = _number_on(self.app.store, self.app.store_url)
        chance.begin(f"clients {seed} {number}")
        self._workers_chance.begin(f"workers {seed} {number}")
        theirs = replace(own, randomness=self._workers_chance)
        self._workers = Workers(self.app.store, self.app.codec, theirs)
        self._calls = CallWatch.of(self.app.store)

    async def __aenter__(self) -> WorkflowEnvironment:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __enter__(self) -> SyncEnvironment:
        from nexus_sdk.testing.synchronous import SyncEnvironment

        self._synchronous = SyncEnvironment(self)
        return self._synchronous

    def __exit__(self, *error: object) -> None:
        self._synchronous.close()

    async def open(self) -> None:
        """Begin, if it has not begun: what a test does first does this by itself."""
        if not self._is_open and self._has_worker:
            await self.restart_worker()
        self._begin()

    async def close(self) -> None:
        """End the workers, and release what the environment has opened."""
        if self._is_open:
            self._is_open = False
            self.worker = None
            await self._workers.abandon()
            self.threads.__exit__()
        if isinstance(self._store_or_url, str):
            await self.app.store.close()

    def give_up(self) -> None:
        """Release what the environment has opened, when its event loop is over and has taken the workers with it."""
        if self._is_open:
            self._is_open = False
            self.threads.__exit__()
        if isinstance(self._store_or_url, str):
            in_event_loop(self.app.store.close)

    # --- using it ---------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time."""
        return datetime_of(self.clock.now_us())

    @property
    def client(self) -> Client:
        """A client of the app under test."""
        return self.app.client()

    @overload
    async def start(
        self,
        workflow: Callable[[*Ts], ChildOperation[R]],
        *args: *Ts,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> EnvironmentHandle[R]: ...
    @overload
    async def start(
        self,
        workflow: ChildOperation[R] | BoundCall[R],
        *,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> EnvironmentHandle[R]: ...
    @overload
    async def start(
        self, workflow: str, *args: Any, on_conflict: OnConflict = ..., **options: Unpack[StartOptions]
    ) -> EnvironmentHandle[Any]: ...
    async def start(self, workflow: Any, *args: object, **options: Any) -> EnvironmentHandle[Any]:
        """Start an instance; options as those of `Client.start`."""
        await self.open()
        handle = await self.client.start(workflow, *args, **options)
        return EnvironmentHandle(self, handle)

    def get(self, id: str) -> EnvironmentHandle[Any]:
        """A handle for an id."""
        return EnvironmentHandle(self, self.client.get(id))

    @overload
    async def run(
        self,
        workflow: Callable[[*Ts], ChildOperation[R]],
        *args: *Ts,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def run(
        self,
        workflow: ChildOperation[R] | BoundCall[R],
        *,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def run(
        self, workflow: str, *args: Any, on_conflict: OnConflict = ..., **options: Unpack[StartOptions]
    ) -> Any: ...
    async def run(self, workflow: Any, *args: object, **options: Any) -> Any:
        """Start an instance and wait for its result; options as those of `Client.start`."""
        return await (await self.start(workflow, *args, **options)).result()

    async def settle(self) -> None:
        """Let everything happen that needs no time. A worker that a fault has killed is followed by another.

        Raises:
            MockExhausted: a mock was called more often than its sequence has items.
        """
        async with self._alone():
            await self._settle()

    async def advance(self, duration: Duration) -> None:
        """Let time pass: everything that falls due meanwhile happens, in order, at its time."""
        duration_us = to_us(duration, "advance")
        async with self._alone():
            target_us = self.clock.now_us() + duration_us
            await self._settle()
            while (due_us := await self._next_due_us()) is not None and due_us <= target_us:
                self.clock.jump_to(due_us)
                await self._settle()
            self.clock.jump_to(target_us)
            await self._settle()

    async def run_until_idle(self) -> None:
        """With an automatic clock: until nothing is due any more. With a manual one: until time would have to pass.

        Raises:
            ClockRunsAway: there is always more.
        """
        async with self._alone():
            await self._settle()
            for _ in range(JUMPS_MAX):
                if not self.is_auto or not await self._jump():
                    return
                await self._settle()
        raise self._runs_away("the environment has not come to rest")

    async def history(self, handle: EnvironmentHandle[Any] | Handle[Any] | str) -> History:
        """The events of an instance's present run.

        Args:
            handle: of the instance, or its id.
        """
        id = handle if isinstance(handle, str) else handle.id
        return await self.client.get(id).history()

    # --- mocks ------------------------------------------------------------------------------------------------------

    def mock(
        self,
        definition: Definition | str,
        *,
        returns: Any = UNSET,
        raises: BaseException | type[BaseException] = UNSET,
        sequence: Iterable[Any] = UNSET,
        calls: Callable[..., Any] = UNSET,
    ) -> None:
        """Let a mock answer in place of an activity or a child workflow, from now on. Without an answer: None.

        What is mocked need not be among the environment's activities and workflows. Everything but the function is as
        for the real one: arguments are bound, checked and decoded, results go through the codec, failures are retried.

        Args:
            definition: an activity, a workflow, or the name of one. A name alone serves the queue ``default``.
            returns: the answer to every call.
            raises: an exception, or a class of exceptions, that every call raises.
            sequence: the answers to one call after another; exceptions in it are raised. A retry is a call, too; one
                call more than it has items is `MockExhausted`.
            calls: a function that gets the arguments by position; what it returns or raises is the answer. It may be
                async, for an activity. It runs on the event loop, so the order of calls is always the same.

        Raises:
            InvalidArgument: more than one answer, or one that makes no sense.
        """
        role, known = role_of(definition, self.app.registry)
        self._stage.mock(role, known, returns=returns, raises=raises, sequence=sequence, calls=calls)
        self._workers.wake()

    def calls(self, definition: Definition | str) -> list[tuple[Any, ...]]:
        """The arguments of each call, mocked or not, in the order in which they began.

        A call of an activity is an attempt whose arguments fit: retries count, and so does what was lost with its
        worker. A call of a workflow is a run. Arguments are in the order of the parameters, however they were passed;
        what was left to its default is not there, unless something follows it.

        Args:
            definition: an activity, a workflow, or the name of one.
        """
        return self._stage.calls_of(role_of(definition, self.app.registry)[0])

    # --- the worker -------------------------------------------------------------------------------------------------

    async def crash_worker(self) -> None:
        """Kill the worker, as `kill -9` would."""
        if self.worker is not None:
            worker, self.worker = self.worker, None
            await self._workers.kill(worker)

    async def restart_worker(self, options: WorkerOptions | None = None) -> Worker:
        """Kill the worker, if there is one, and start another, with other `options` where they are given."""
        self._begin()
        await self.crash_worker()
        if self._faults is not None:
            self._faults.revive()
        self.worker = await self._hire(self.app.registry, options, faults=self._faults)
        return self.worker

    def another_app(
        self, workflows: Iterable[Workflow[Any, Any]] = (), activities: Iterable[Activity[Any, Any]] = ()
    ) -> Nexus:
        """An app of other definitions (another version of the code, say) on the same store, clock and chance.

        With none: the same definitions as the environment's own. Mocks stand for its definitions, too.
        """
        given = (list(workflows), list(activities))
        serving = given if any(given) else self._definitions
        return self._app(self.app.store, *serving, environment=self.app.environment)

    @asynccontextmanager
    async def another_worker(
        self,
        workflows: Iterable[Workflow[Any, Any]] = (),
        activities: Iterable[Activity[Any, Any]] = (),
        *,
        worker: WorkerOptions | None = None,
        task_queues: Iterable[str] | None = None,
    ) -> AsyncIterator[Worker]:
        """Another worker beside the environment's own, of `another_app`, until the block is left; then it is killed.

        Args:
            workflows: what it serves.
            activities: the same.
            worker: how it works; as the environment's own by default.
            task_queues: which activity queues it serves; those of its activities by default.
        """
        await self.open()
        queues = None if task_queues is None else frozenset(task_queues)
        other = await self._hire(self.another_app(workflows, activities).registry, worker, queues)
        try:
            yield other
        finally:
            await self._workers.kill(other)

    async def crash_everywhere(
        self,
        workflow: Any,
        *args: Any,
        script: Script | None = None,
        ignoring: str = "",
        new_store: Callable[[], Store] | None = None,
        **options: Any,
    ) -> int:
        """Run a workflow once for each store operation of its worker, and let the worker die there.

        It dies after each operation, and before each one that reports something: an activity has run in vain then.
        Each time it must come to the same end as undisturbed, with the same histories: up to times, batches, the order
        of what happens at the same time, and attempts that were lost with a worker. This environment is left as it is:
        each run has one of its own, with the same definitions and mocks, a fresh store, and an automatic clock.

        Args:
            workflow: with its positional arguments behind it, or a bound call, as for `start`.
            script: what the outside world does after the start: ``async def script(env, handle)``.
            ignoring: a regular expression: what may differ in recorded values, such as an attempt's number in the name
                of a file, or the real time in an activity's result.
            new_store: makes the fresh stores; by default of the kind of this environment's, for memory and SQLite.
            options: as those of `Client.start`.

        Returns:
            How many crashes it survived.

        Raises:
            CrashDifference: it came to another end; the message says after which store operation, and shows a diff.
            NothingIsDue: undisturbed it comes to no end.
            BlockingError: undisturbed it is blocked.
        """

        def new_environment(store: Store, faults: Faults) -> WorkflowEnvironment:
            return self._anew(store, faults)

        return await crash_everywhere(
            new_environment,
            workflow,
            args,
            options,
            script=script,
            ignoring=ignoring,
            store=self.app.store,
            new_store=new_store,
        )

    # --- inside -----------------------------------------------------------------------------------------------------

    async def wait_for_end(self, handle: Handle[R], timeout: Duration | None = None) -> R:
        """The result of an instance, time passing as it must. See `EnvironmentHandle.result`."""
        timeout_us = optional_us(timeout, "result: timeout")
        until_us = None if timeout_us is None else self.clock.now_us() + timeout_us
        async with self._lookers.one_more() as looker:
            for _ in range(JUMPS_MAX):
                async with self._lookers.turn:
                    await self._settle()
                    status = await handle.status()
                    if status.status.is_finished or status.status is Status.BLOCKED:
                        return await self._ended(handle, status)
                    if not looker.is_last_in_vain():
                        continue
                    self._lookers.has_moved()
                    if until_us is not None and await self._is_over(until_us):
                        raise WaitTimedOut(f"{handle.id} has not ended within {timeout}.")
                    if not self.is_auto or not (await self._jump() or self._sweep()):
                        events = await handle.history()
                        raise nothing_is_due(status, events, self._workers.served, is_auto=self.is_auto)
        raise self._runs_away(f"{handle.id} has not ended")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Nobody else lets time pass meanwhile, or says that it is in vain."""
        async with self._lookers.one_more(), self._lookers.turn:
            yield

    async def _settle(self) -> None:
        """See `settle`."""
        await self.open()
        await self._everybody_waits()
        while self._faults is not None and self._faults.has_crashed:
            await self.restart_worker()
            self._recoveries_left = SWEEPS_MAX
            await self._everybody_waits()
        trouble, self._stage.trouble = self._stage.trouble, None
        if trouble is not None:
            raise trouble

    async def _ended(self, handle: Handle[R], status: InstanceStatus) -> R:
        if self._is_strict and status.status.is_finished:
            workflow = self.app.registry.workflow(status.workflow, status.version)
            batches = (await handle.history()).batches
            if workflow is not None:
                identity = Identity(
                    status.id, batches[0].header.run_id, status.run, status.workflow, status.version, status.parent_id
                )
                replay(workflow, batches, identity, self.app.codec, is_strict=True)
        return await handle.result_or_blocked()

    async def _is_over(self, until_us: int) -> bool:
        """Whether time is up before anything else happens; then it has passed."""
        due_us = await self._next_due_us() if self.is_auto else None
        if due_us is not None and due_us <= until_us:
            return False
        self.clock.jump_to(until_us)
        await self._settle()
        return True

    async def _next_due_us(self) -> int | None:
        return await self._workers.next_due_us(self.clock)

    async def _jump(self) -> bool:
        due_us = await self._next_due_us()
        if due_us is None:
            return False
        pace_us = SWEEP_US << max(0, SWEEPS_MAX - RECOVERY_SWEEPS - self._recoveries_left)
        if self._recoveries_left and due_us > self.clock.now_us() + pace_us:
            # Real time passes a sweep after another. Before far timers, let them find what the dead worker left behind:
            # messages unsent, and nearer timers whose bells it never rang.
            self._recoveries_left -= 1
            due_us = self.clock.now_us() + pace_us
        self.clock.jump_to(due_us)
        self._sweeps_left = SWEEPS_MAX
        return True

    def _sweep(self) -> bool:
        """After a fault, a timer whose bell was lost shows only to the sweeps: let some of them look."""
        if self._faults is None or self._sweeps_left == 0:
            return False
        self.clock.jump_to(self.clock.now_us() + (1_000_000 << (SWEEPS_MAX - self._sweeps_left)))
        self._sweeps_left -= 1
        return True

    async def _everybody_waits(self) -> None:
        await self.threads.everybody_waits(self._store_is_at_work)

    def _store_is_at_work(self) -> bool:
        if getattr(self.app.store, "is_writing", False):
            return True
        # The calls of a process that has died never come back.
        has_crashed = self._faults is not None and self._faults.has_crashed
        return self._calls.is_busy and not has_crashed

    def _runs_away(self, what: str) -> ClockRunsAway:
        return ClockRunsAway(
            f"{what} after {JUMPS_MAX:,} jumps of the clock, and more is due; it is {self.now.isoformat()}.",
            hint="An endless workflow is tested piece by piece: advance the clock, and look at its status, queries or "
            "history.",
        )

    def _app(
        self,
        store: str | Store,
        workflows: Iterable[Workflow[Any, Any]],
        activities: Iterable[Activity[Any, Any]],
        *,
        environment: Environment,
    ) -> Nexus:
        app = Nexus(store, codec=self._codec, environment=environment)
        app.registry = StagedRegistry(workflows, activities, self._stage, is_strict=self._is_strict)
        return app

    def _anew(self, store: Store, faults: Faults) -> WorkflowEnvironment:
        """One like this as it was at its beginning, with this store and these faults."""
        workflows, activities = self._definitions
        env = WorkflowEnvironment(
            workflows,
            activities,
            store=store,
            codec=self._codec,
            worker=LEASED if self._sees_deaths else self._options,
            spin_seconds=self._spin_seconds,
            seed=self._seed,
            strict_replay=self._is_strict,
            faults=faults,
        )
        env._stage.take_mocks_of(self._stage)
        env._workers_chance.is_steady = True
        env._sees_deaths = self._sees_deaths
        return env

    async def _hire(
        self,
        registry: Registry,
        options: WorkerOptions | None,
        queues: frozenset[str] | None = None,
        faults: Faults | None = None,
    ) -> Worker:
        how = options or self._options
        if queues is not None:
            how = replace(how, task_queues=queues)
        if self._is_strict:
            how = replace(how, warm_max=0)
        is_seen_dying = options is None and self._sees_deaths
        return await self._workers.start(registry, how, is_seen_dying=is_seen_dying, faults=faults)

    def _begin(self) -> None:
        if not self._is_open:
            self._is_open = True
            self.threads.__enter__()

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.said.append((level, event, fields))


_ENVIRONMENTS: WeakKeyDictionary[Store, int] = WeakKeyDictionary()
_ENVIRONMENTS_BY_URL: dict[str, int] = {}


def _number_on(store: Store, url: str | None) -> int:
    """How many environments a store has had: each gets another chance, or they would draw the same ids."""
    number = _ENVIRONMENTS.get(store, -1) + 1
    if url is not None and not url.startswith("memory:"):  # a file stays when its environment has gone
        number = _ENVIRONMENTS_BY_URL[url] = _ENVIRONMENTS_BY_URL.get(url, -1) + 1
    _ENVIRONMENTS[store] = number
    return number
