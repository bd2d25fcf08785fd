"""`Nexus`: an app. It names a store and what it serves, and gives out clients, workers and runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, overload

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.duration import LONGEST_US
from nexus_sdk.authoring.names import check_defined_name, check_name
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.authoring.workflow import BoundCall, Workflow
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError

if TYPE_CHECKING:
    from nexus_sdk.client.client import Client, StartOptions
    from nexus_sdk.client.handle import Handle
    from nexus_sdk.core.operations.child import ChildOperation
    from nexus_sdk.core.payload import Codec
    from nexus_sdk.engine.environment import Environment
    from nexus_sdk.engine.limits import HistoryLimits
    from nexus_sdk.engine.worker import Worker
    from nexus_sdk.store.port import Store

R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DEFAULT_STORE = "sqlite:///nexus.db"
SECONDS_MAX = LONGEST_US / 1_000_000


class Nexus:
    """A store and what is served from it.

    Args:
        store: a URL, or an open store. `NEXUS_STORE` or ``sqlite:///nexus.db`` by default.
        workflows: what the app serves; two definitions of one name and version are an error.
        activities: the same.
        codec: how values are encoded; msgpack by default.
        environment: clock, threads and chance; those of the process by default.
        history_limits: how long the history of a run may become: see `HistoryLimits`.

    Making an app does no I/O.
    """

    def __init__(
        self,
        store: str | Store | None = None,
        *,
        workflows: Iterable[Workflow[Any, Any]] = (),
        activities: Iterable[Activity[Any, Any]] = (),
        codec: Codec | None = None,
        environment: Environment | None = None,
        history_limits: HistoryLimits | None = None,
    ) -> None:
        _check_parts(store, codec)
        self.registry: Registry = Registry(workflows, activities)
        self._store_or_url = store if store is not None else os.environ.get("NEXUS_STORE") or DEFAULT_STORE
        self._store: Store | None = None
        self._codec = codec
        self._environment = environment
        self._history_limits = history_limits
        self._serving = 0

    @classmethod
    def from_module(cls, module: str | ModuleType, store: str | Store | None = None) -> Nexus:
        """An app of every workflow and activity in a module's namespace.

        Raises:
            DefinitionError: no such module, or it has no workflow.
        """
        if isinstance(module, str):
            check_name(module, "a module's name")
            try:
                module = import_module(module)
            except TypeError as error:  # a relative name: relative to what?
                if not module.startswith("."):
                    raise
                raise DefinitionError(
                    f"{module!r} is relative to nothing.", hint="Give the module's whole name, or the module itself."
                ) from error
            except ModuleNotFoundError as error:
                raise DefinitionError(
                    f"there is no module {error.name!r}.", hint="Run it from the folder that the module is in."
                ) from error
        if not isinstance(module, ModuleType):
            raise DefinitionError(
                f"from_module takes a module or its name, got {shown(module)}.", hint="For example: 'orders'."
            )
        found = list(vars(module).values())
        workflows = _each_once(value for value in found if isinstance(value, Workflow))
        activities = _each_once(value for value in found if isinstance(value, Activity))
        if not workflows and not activities:
            raise DefinitionError(
                f"module {module.__name__!r} has no workflow and no activity.", hint="Decorate one with @workflow."
            )
        return cls(store, workflows=workflows, activities=activities)

    # --- parts ------------------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store; opened when it is first used."""
        if self._store is None:
            if isinstance(self._store_or_url, str):
                from nexus_sdk.store.open import open_store

                self._store = open_store(self._store_or_url)
            else:
                self._store = self._store_or_url
        return self._store

    @property
    def store_url(self) -> str | None:
        """The URL the store was named by; None where an open store was given."""
        return self._store_or_url if isinstance(self._store_or_url, str) else None

    @property
    def codec(self) -> Codec:
        """The codec."""
        if self._codec is None:
            from nexus_sdk.codec.values import MsgpackCodec

            self._codec = MsgpackCodec()
        return self._codec

    @property
    def environment(self) -> Environment:
        """Clock, threads and chance of this process."""
        if self._environment is None:
            from nexus_sdk.runtimes.local import local_environment

            self._environment = local_environment()
        return self._environment

    @property
    def history_limits(self) -> HistoryLimits:
        """How long the history of a run may become."""
        from nexus_sdk.engine.limits import DEFAULT_LIMITS

        return self._history_limits or DEFAULT_LIMITS

    def client(self) -> Client:
        """A client of the store. Works with or without a worker in the process."""
        from nexus_sdk.client.client import Client

        return Client(self.store, self.registry, self.codec, self.environment)

    # --- serving ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def worker(
        self,
        task_queues: Iterable[str] | None = None,
        concurrency: int = 100,
        *,
        lease_seconds: float = 30.0,
        drain_seconds: float = 10.0,
    ) -> AsyncIterator[Worker]:
        """Serve until the block is left; then drain gracefully.

        Args:
            task_queues: which activity queues; by default those that the app's activities name.
            concurrency: so many activities run at a time.
            lease_seconds: how long the work of a worker that died without a trace is left alone.
            drain_seconds: how long running activities may take when the block is left; then they are given back.

        Raises:
            DefinitionError: an option makes no sense.
        """
        from nexus_sdk.engine.worker import Worker, WorkerOptions

        _check_worker(concurrency, lease_seconds, drain_seconds)
        queues = None if task_queues is None else _checked_queues(task_queues)
        options = WorkerOptions(
            queues, concurrency, lease_seconds, drain_seconds=drain_seconds, history_limits=self.history_limits
        )
        worker = Worker(self.store, self.registry, self.codec, self.environment, options)
        self._serving += 1
        try:
            await worker.start()
            try:
                yield worker
            finally:
                await worker.stop()
        finally:
            self._serving -= 1
            # The app's own store rests when nothing is served: its files are tidy then. It reopens by itself.
            if self._serving == 0 and isinstance(self._store_or_url, str):
                await self.store.close()

    @overload
    def run(
        self,
        workflow: Callable[[*Ts], ChildOperation[R]],
        *args: *Ts,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    def run(self, workflow: ChildOperation[R] | BoundCall[R], **options: Unpack[StartOptions]) -> R: ...
    @overload
    def run(self, workflow: str, *args: Any, **options: Unpack[StartOptions]) -> Any: ...
    def run(self, workflow: Any, *args: object, id: str | None = None, **options: Any) -> Any:
        """Run a workflow to its end with an embedded worker; its result.

        With an id that exists it attaches: it goes on where it was, or returns the finished result. Further `options`
        are those of `Client.start`.

        Raises:
            InstanceExists: the id was started with other arguments.
            WorkflowFailed, WorkflowCancelled, WorkflowTerminated: it ended so.
            BlockingError: it cannot proceed with this code; the instance is kept and can be resumed.
        """
        return in_event_loop(lambda: self.run_async(workflow, *args, id=id, **options))

    @overload
    async def run_async(
        self,
        workflow: Callable[[*Ts], ChildOperation[R]],
        *args: *Ts,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def run_async(self, workflow: ChildOperation[R] | BoundCall[R], **options: Unpack[StartOptions]) -> R: ...
    @overload
    async def run_async(self, workflow: str, *args: Any, **options: Unpack[StartOptions]) -> Any: ...
    async def run_async(self, workflow: Any, *args: object, id: str | None = None, **options: Any) -> Any:
        """The same as `run` with its `options`, where an event loop runs already."""
        handle: Handle[Any] = await self.client().start(workflow, *args, id=id, on_conflict="attach", **options)
        async with self.worker() as worker:
            return await result_served_by(worker, handle)


async def result_served_by(worker: Worker, handle: Handle[R]) -> R:
    """The result of an instance that this worker serves. A block counts only when it stands with the worker's code.

    Raises:
        WorkflowFailed, WorkflowCancelled, WorkflowTerminated: it ended so.
        BlockingError: it cannot proceed with this code.
        StoreError: the worker can get nothing from the store, and trying again will not help.
    """
    import asyncio

    await worker.look(handle.id)
    result = asyncio.ensure_future(handle.result_or_blocked())
    try:
        waits: set[asyncio.Future[Any]] = {result, worker.trouble}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        raise worker.trouble.result()
    finally:
        result.cancel()


def in_event_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end; in a thread of its own where this one has a running loop (a notebook, say)."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="nexus run") as pool:
        return pool.submit(asyncio.run, work()).result()


def _check_parts(store: Any, codec: Any) -> None:
    if store is not None and not isinstance(store, str) and not hasattr(store, "commit"):
        raise DefinitionError(
            f"Nexus: a store is a URL or an open store, got {shown(store)}.", hint='For example: "sqlite:///orders.db".'
        )
    if codec is not None and not (hasattr(codec, "encode") and hasattr(codec, "decode")):
        raise DefinitionError(
            f"Nexus: a codec encodes and decodes, got {shown(codec)}.", hint="Leave it out to encode with msgpack."
        )


def _check_worker(concurrency: Any, lease_seconds: Any, drain_seconds: Any) -> None:
    if type(concurrency) is not int or concurrency < 1:
        raise DefinitionError(
            f"worker: concurrency must be a whole number from 1 on, got {shown(concurrency)}.",
            hint="So many activities run at a time; 100 by default.",
        )
    for name, seconds, least in (("lease_seconds", lease_seconds, 0.001), ("drain_seconds", drain_seconds, 0.0)):
        if type(seconds) not in (int, float) or not least <= seconds <= SECONDS_MAX:
            raise DefinitionError(
                f"worker: {name} is a number of seconds from {least:g} on, got {shown(seconds)}.",
                hint=f"At most {SECONDS_MAX:,.0f}, a hundred years.",
            )


def _checked_queues(task_queues: Any) -> frozenset[str]:
    named = [task_queues] if isinstance(task_queues, str) else task_queues
    if not isinstance(named, Iterable):
        raise DefinitionError(
            f"worker: task_queues are names, got {shown(named)}.",
            hint="Leave them out to serve those of the activities.",
        )
    return frozenset(check_defined_name(queue, "worker: the name of a task queue") for queue in named)


def _each_once(values: Iterable[T]) -> list[T]:
    return list({id(value): value for value in values}.values())
