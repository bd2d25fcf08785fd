"""`WorkflowEnvironment`: the real engine on a real store, with a clock of its own. No test sleeps.

With ``clock="auto"`` time jumps to the next due moment whenever everybody waits; with ``clock="manual"`` only
`advance` moves it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, TypeVarTuple, Unpack, overload

from nexus_sdk.app import Nexus
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.duration import Duration, datetime_of, to_us
from nexus_sdk.authoring.workflow import BoundCall, Workflow
from nexus_sdk.client.client import Client, OnConflict, StartOptions
from nexus_sdk.client.handle import Handle
from nexus_sdk.core import events as e
from nexus_sdk.core.operations.child import ChildOperation
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.status import Status
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import NexusError
from nexus_sdk.runtimes.watchdog import ThreadWatchdog
from nexus_sdk.store.port import Store
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.faults import Faults, FaultyStore
from nexus_sdk.testing.quiet import ThreadWatch

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

JUMPS_MAX = 1_000_000

SWEEPS_MAX = 26
"""With faults: so many sweeps, each twice as far away, find nothing before a test is told that nothing is due."""


class NothingIsDue(NexusError):
    """A test waits for something that no timer, activity or message will bring about."""

    code = "NX701"


class SeededRandomness:
    """Chance that is the same in every run of a test."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def token(self) -> str:
        """See `Randomness.token`."""
        return f"{self._random.getrandbits(128):032x}"

    def fraction(self) -> float:
        """See `Randomness.fraction`."""
        return self._random.random()


class WorkflowEnvironment:
    """Workflows and activities under test, with a worker. Use it with `async with`.

    Args:
        store: a URL or an open store; a private ``memory://`` by default.
        clock: ``"auto"`` or ``"manual"``.
        worker: how the worker works; leases that practically never run out by default.
        spin_seconds: real seconds after which a workflow that does not yield is stopped.
        has_worker: False to start none until `restart_worker`.
        seed: of chance: the same seed gives the same ids, draws and delays.
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
        faults: Faults | None = None,
    ) -> None:
        if clock not in ("auto", "manual"):
            raise ValueError(f"clock is 'auto' or 'manual', got {clock!r}")
        self.is_auto = clock == "auto"
        self.clock = FakeClock()
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        """What was logged: (level, event, fields)."""
        self._definitions = (list(workflows), list(activities))
        self._store_or_url = store
        self._codec = codec
        self._options = worker or WorkerOptions(lease_seconds=10 * 366 * 86_400.0)
        self._spin_seconds = spin_seconds
        self._has_worker = has_worker
        self._randomness = SeededRandomness(seed)
        self._faults = faults
        self._sweeps_left = SWEEPS_MAX
        self._stack = AsyncExitStack()
        self.worker: Worker | None = None

    async def __aenter__(self) -> WorkflowEnvironment:
        self.threads = self._stack.enter_context(ThreadWatch())
        environment = Environment(
            self.clock, self.threads.executor, self._randomness, ThreadWatchdog(self._spin_seconds), self._say
        )
        workflows, activities = self._definitions
        self.app = Nexus(
            self._store_or_url,
            workflows=workflows,
            activities=activities,
            codec=self._codec,
            environment=environment,
        )
        if self._has_worker:
            await self.restart_worker()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.worker is not None:
            await self.worker.abandon()
        if isinstance(self._store_or_url, str):
            await self.app.store.close()
        await self._stack.aclose()

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
        workflow: Callable[[Unpack[Ts]], ChildOperation[R]],
        *args: Unpack[Ts],
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
        handle = await self.client.start(workflow, *args, **options)
        return EnvironmentHandle(self, handle)

    def get(self, id: str) -> EnvironmentHandle[Any]:
        """A handle for an id."""
        return EnvironmentHandle(self, self.client.get(id))

    @overload
    async def run(
        self,
        workflow: Callable[[Unpack[Ts]], ChildOperation[R]],
        *args: Unpack[Ts],
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
        """Let everything happen that needs no time. A worker that a fault has killed is followed by another."""
        await self._everybody_waits()
        while self._faults is not None and self._faults.has_crashed:
            await self.restart_worker()
            await self._everybody_waits()

    async def advance(self, duration: Duration) -> None:
        """Let time pass: everything that falls due meanwhile happens, in order, at its time."""
        target_us = self.clock.now_us() + to_us(duration, "advance")
        await self.settle()
        while (due_us := self.clock.next_due_us()) is not None and due_us <= target_us:
            self.clock.jump_to(due_us)
            await self.settle()
        self.clock.jump_to(target_us)
        await self.settle()

    async def run_until_idle(self) -> None:
        """With an automatic clock: until nothing is due any more. With a manual one: until time would have to pass."""
        await self.settle()
        while self.is_auto and self._jump():
            await self.settle()

    async def history(self, handle: EnvironmentHandle[Any] | Handle[Any] | str) -> list[e.Event]:
        """The events of an instance's present run."""
        id = handle if isinstance(handle, str) else handle.id
        return list(await self.client.get(id).history())

    # --- the worker -------------------------------------------------------------------------------------------------

    async def crash_worker(self) -> None:
        """Kill the worker, as `kill -9` would."""
        if self.worker is not None:
            await self.worker.abandon()
            self.worker = None

    async def restart_worker(self, options: WorkerOptions | None = None) -> Worker:
        """Kill the worker, if there is one, and start another, with other `options` where they are given."""
        await self.crash_worker()
        app = self.app
        store: Store = app.store
        if self._faults is not None:
            self._faults.revive()
            store = FaultyStore(store, self._faults)
        self.worker = Worker(store, app.registry, app.codec, app.environment, options or self._options)
        await self.worker.start()
        return self.worker

    def another_app(
        self, workflows: Iterable[Workflow[Any, Any]] = (), activities: Iterable[Activity[Any, Any]] = ()
    ) -> Nexus:
        """An app of other definitions (another version of the code, say) on the same store, clock and chance.

        With none: the same definitions as the environment's own.
        """
        given = (list(workflows), list(activities))
        serving = given if any(given) else self._definitions
        return Nexus(
            self.app.store,
            workflows=serving[0],
            activities=serving[1],
            codec=self._codec,
            environment=self.app.environment,
        )

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
            worker: how it works; as the environment's own by default.
            task_queues: which activity queues it serves; those of its activities by default.
        """
        app = self.another_app(workflows, activities)
        options = worker or self._options
        if task_queues is not None:
            options = replace(options, task_queues=frozenset(task_queues))
        other = Worker(app.store, app.registry, app.codec, app.environment, options)
        await other.start()
        try:
            yield other
        finally:
            await other.abandon()

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _everybody_waits(self) -> None:
        await self.threads.everybody_waits(lambda: bool(getattr(self.app.store, "is_writing", False)))

    async def wait_for_end(self, handle: Handle[R]) -> R:
        """The result of an instance, time passing as it must."""
        for _ in range(JUMPS_MAX):
            await self.settle()
            status = await handle.status()
            if status.status.is_finished or status.status is Status.BLOCKED:
                return await handle.result_or_blocked()
            if not self.is_auto or not (self._jump() or self._sweep()):
                raise NothingIsDue(
                    f"{handle.id} is {status.status}, and nothing is due that could finish it.",
                    hint="Send the event it waits for, or advance the clock." if not self.is_auto else "",
                )
        raise NothingIsDue(f"{handle.id} has not ended after {JUMPS_MAX} jumps of the clock.")

    def _jump(self) -> bool:
        due_us = self.clock.next_due_us()
        if due_us is None:
            return False
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

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.said.append((level, event, fields))


if TYPE_CHECKING:
    _Face = Handle  # what is passed on by `__getattr__`, with its types
else:
    _Face = Generic


class EnvironmentHandle(_Face[R]):
    """A handle whose `result` lets time pass. Everything else is the handle's own."""

    def __init__(self, environment: WorkflowEnvironment, handle: Handle[R]) -> None:
        self._environment = environment
        self._handle = handle
        self.id = handle.id

    async def result(self) -> R:  # type: ignore[override]  # the test moves the time: there is no timeout
        """The result; raises when nothing is due that could finish it, and what blocks it when it is blocked."""
        return await self._environment.wait_for_end(self._handle)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return getattr(self._handle, name)
