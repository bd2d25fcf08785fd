"""`ctx`: what a workflow can ask for, and what it may know. Everything on it is the same at every replay."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, TypeVar, Unpack, cast, overload

from nexus_sdk.authoring.activity import CallOptions, make_options
from nexus_sdk.authoring.duration import Duration, datetime_of, moment_us, optional_us, text_of, to_us
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.authoring.names import check_name
from nexus_sdk.core import operations
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument

if TYPE_CHECKING:
    import uuid
    from datetime import datetime
    from random import Random
    from types import CoroutineType, UnionType
    from typing import _SpecialForm as SpecialForm

    from typing_extensions import TypeAliasType

    from nexus_sdk.authoring.signature import Signature
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.history import HistorySize
    from nexus_sdk.core.operations.ending import Completion
    from nexus_sdk.core.operations.race import Winner
    from nexus_sdk.core.operations.spawn import Spawned
    from nexus_sdk.core.saga import Saga
    from nexus_sdk.core.timeout import TimeoutScope

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
ItemT = TypeVar("ItemT")

Startable: TypeAlias = Operation[T] | Coroutine[Any, Any, T]
"""An operation, or a called `async def` helper."""

TypeExpression: TypeAlias = "UnionType | SpecialForm | TypeAliasType"
"""What type checkers take a type for that is no class: ``bool | None``, ``Literal["a", "b"]``."""

Outcome: TypeAlias = T | BaseException
"""What `return_exceptions=True` gives for each operation."""


class Context:
    """The workflow's view of itself and of the world. Given as the first argument; never made by users."""

    __slots__ = ("_execution", "_log", "_signature")

    def __init__(self, execution: Execution, signature: Signature) -> None:
        self._execution = execution
        self._signature = signature
        self._log: Any = None

    # --- who it is --------------------------------------------------------------------------------------------------

    @property
    def instance_id(self) -> str:
        """The id chosen at the start."""
        return self._execution.identity.instance_id

    @property
    def run(self) -> int:
        """1 for the first run; counts up at each continue-as-new and rewind."""
        return self._execution.identity.run

    @property
    def workflow_name(self) -> str:
        """The workflow's name."""
        return self._execution.identity.workflow

    @property
    def version(self) -> str:
        """The workflow's version."""
        return self._execution.identity.version

    @property
    def parent_id(self) -> str | None:
        """The id of the instance that started this one as a child, if any."""
        return self._execution.identity.parent_id

    # --- what answers at once ---------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time of this turn, aware UTC: the same at every replay."""
        return datetime_of(self._execution.now_us)

    def uuid4(self) -> uuid.UUID:
        """A random id: the same at every replay."""
        return self._execution.new_uuid()

    @property
    def random(self) -> Random:
        """A random generator: the same numbers at every replay."""
        return self._execution.random

    @property
    def history(self) -> HistorySize:
        """How long this run's history is, up to what the code answers just now: `events`, `bytes`, and `is_long` when
        it is time to `continue_as_new`. The same at every replay: decide by it as you like."""
        return self._execution.ledger.size

    @property
    def is_replaying(self) -> bool:
        """Whether the code runs over what it did before. For logs and metrics only: never decide by it."""
        return self._execution.ledger.is_replaying

    @property
    def log(self) -> Any:
        """A bound structlog logger that says each thing once, not at every replay."""
        if self._log is None:
            from nexus_sdk.authoring.log import workflow_logger

            self._log = workflow_logger(self._execution)
        return self._log

    def patched(self, change_id: str) -> bool:
        """Whether this run takes the changed path: True when it first comes here live, False when it passed here
        before the change. Recorded, so it never changes for this run."""
        self._execution.rules.refuse_when_read_only("patch")
        return self._execution.ledger.patched(check_name(change_id, "ctx.patched: a change id"))

    def set_status(self, value: Any) -> None:
        """Set the custom status that clients read.

        Raises:
            PayloadError: the value cannot be encoded.
        """
        self._execution.rules.refuse_when_read_only("custom status")
        self._execution.ledger.annotate(self._execution.services.codec.encode(value))

    def on_query(self, name: str, fn: Callable[..., Any]) -> None:
        """Answer `handle.query(name, *args)` with `fn(*args)`. Read-only; the latest registration counts."""
        check_name(name, "ctx.on_query: a query's name")
        if not callable(fn):
            raise InvalidArgument(
                f"ctx.on_query takes a function, got {shown(fn)}.", hint="ctx.on_query('progress', lambda: done)"
            )
        self._execution.queries[name] = fn

    # --- operations -------------------------------------------------------------------------------------------------

    def sleep(self, duration: Duration) -> Operation[None]:
        """A durable timer of any length."""
        return operations.SleepOperation(self._execution.now_us + to_us(duration, "ctx.sleep"))

    def sleep_until(self, when: datetime) -> Operation[None]:
        """A durable timer until an aware datetime; one in the past fires at once."""
        return operations.SleepOperation(moment_us(when, "ctx.sleep_until"))

    @overload
    def wait_for_event(self, name: str, type: type[T], *, timeout: Duration | None = None) -> Operation[T]: ...
    @overload
    def wait_for_event(
        self, name: str, type: TypeExpression | None = None, *, timeout: Duration | None = None
    ) -> Operation[Any]: ...
    def wait_for_event(self, name: str, type: Any = None, *, timeout: Duration | None = None) -> Operation[Any]:
        """The next external event called `name`, decoded to `type`. Events that come before the wait are kept.

        Raises:
            WaitTimedOut: at the yield: none came within `timeout`.
            PayloadError: at the yield: the event does not fit `type`; it is consumed.
        """
        check_name(name, "ctx.wait_for_event: an event's name")
        timeout_us = optional_us(timeout, "ctx.wait_for_event: timeout")
        due_us = None if timeout_us is None else self._execution.now_us + timeout_us
        return operations.WaitOperation(name, Any if type is None else type, due_us)

    # A type per operation up to five, in a tuple, as asyncio's gather has it. What comes is a list all the same.
    @overload
    def gather(
        self, a: Startable[T1], b: Startable[T2], /, *, return_exceptions: Literal[False] = False
    ) -> Operation[tuple[T1, T2]]: ...
    @overload
    def gather(
        self, a: Startable[T1], b: Startable[T2], /, *, return_exceptions: Literal[True]
    ) -> Operation[tuple[Outcome[T1], Outcome[T2]]]: ...
    @overload
    def gather(
        self, a: Startable[T1], b: Startable[T2], c: Startable[T3], /, *, return_exceptions: Literal[False] = False
    ) -> Operation[tuple[T1, T2, T3]]: ...
    @overload
    def gather(
        self, a: Startable[T1], b: Startable[T2], c: Startable[T3], /, *, return_exceptions: Literal[True]
    ) -> Operation[tuple[Outcome[T1], Outcome[T2], Outcome[T3]]]: ...
    @overload
    def gather(
        self,
        a: Startable[T1],
        b: Startable[T2],
        c: Startable[T3],
        d: Startable[T4],
        /,
        *,
        return_exceptions: Literal[False] = False,
    ) -> Operation[tuple[T1, T2, T3, T4]]: ...
    @overload
    def gather(
        self,
        a: Startable[T1],
        b: Startable[T2],
        c: Startable[T3],
        d: Startable[T4],
        /,
        *,
        return_exceptions: Literal[True],
    ) -> Operation[tuple[Outcome[T1], Outcome[T2], Outcome[T3], Outcome[T4]]]: ...
    @overload
    def gather(
        self,
        a: Startable[T1],
        b: Startable[T2],
        c: Startable[T3],
        d: Startable[T4],
        e: Startable[T5],
        /,
        *,
        return_exceptions: Literal[False] = False,
    ) -> Operation[tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    def gather(
        self,
        a: Startable[T1],
        b: Startable[T2],
        c: Startable[T3],
        d: Startable[T4],
        e: Startable[T5],
        /,
        *,
        return_exceptions: Literal[True],
    ) -> Operation[tuple[Outcome[T1], Outcome[T2], Outcome[T3], Outcome[T4], Outcome[T5]]]: ...
    @overload
    def gather(self, *ops: Startable[T], return_exceptions: Literal[False] = False) -> Operation[list[T]]: ...
    @overload
    def gather(self, *ops: Startable[T], return_exceptions: Literal[True]) -> Operation[list[Outcome[T]]]: ...
    def gather(self, *ops: Startable[Any], return_exceptions: bool = False) -> Operation[Any]:
        """All results in order, in a list. The first failure is raised, and what the gather started is cancelled.

        Args:
            return_exceptions: failures stand among the results, and nothing is cancelled.
        """
        return operations.GatherOperation(cast("Any", ops), return_exceptions)

    def race(self, *ops: Startable[Any], **named_ops: Startable[Any]) -> Operation[Winner]:
        """The first to finish, as `Winner(index, name, value)`. The others that the race started are cancelled."""
        names = [*(None for _ in ops), *named_ops]
        return operations.RaceOperation(cast("Any", (*ops, *named_ops.values())), names)

    @overload
    def map(
        self,
        fn: Callable[[ItemT], Startable[T]],
        items: Iterable[ItemT],
        *,
        concurrency: int | None = None,
        return_exceptions: Literal[False] = False,
    ) -> Operation[list[T]]: ...
    @overload
    def map(
        self,
        fn: Callable[[ItemT], Startable[T]],
        items: Iterable[ItemT],
        *,
        concurrency: int | None = None,
        return_exceptions: Literal[True],
    ) -> Operation[list[Outcome[T]]]: ...
    def map(
        self,
        fn: Callable[[ItemT], Startable[Any]],
        items: Iterable[ItemT],
        *,
        concurrency: int | None = None,
        return_exceptions: bool = False,
    ) -> Operation[Any]:
        """`fn(item)` for each item, at most `concurrency` at a time; results in order.

        Args:
            fn: an activity, a child workflow, or a helper `async def (item)`.
            return_exceptions: failures stand among the results, and the others go on.
        """
        if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
            raise InvalidArgument(
                f"ctx.map: concurrency must be a whole number from 1 on, got {shown(concurrency)}.",
                hint="Leave it out to run all items at once.",
            )
        if not callable(fn):
            raise InvalidArgument(f"ctx.map takes a function first, got {shown(fn)}.", hint="ctx.map(charge, orders)")
        if not isinstance(items, Iterable):
            raise InvalidArgument(
                f"ctx.map takes items to go through, got {shown(items)}.", hint="ctx.map(charge, orders)"
            )
        return operations.MapOperation(fn, list(items), concurrency, return_exceptions)

    def spawn(self, op_or_helper: Startable[T]) -> Spawned[T]:
        """Start an operation or helper in the background; yield what this returns for its result, or `.cancel()` it."""
        from nexus_sdk.core.operations.group import start, take
        from nexus_sdk.core.operations.spawn import Spawned

        execution = self._execution
        execution.rules.refuse_when_read_only("spawned operation")
        take([op_or_helper], "ctx.spawn")
        fiber = execution.fiber
        return Spawned(start(cast("Operation[T] | CoroutineType[Any, Any, T]", op_or_helper), fiber, fiber.next_path()))

    def call(self, name: str, *args: Any, **options: Unpack[CallOptions]) -> Operation[Any]:
        """An activity by its name. Its arguments are recorded by position and bound where it runs.

        Args:
            options: as those of `@activity`: retry, timeout, schedule_to_close, heartbeat_timeout, task_queue, local.
        """
        check_name(name, "ctx.call: an activity's name")
        return operations.ActivityOperation(
            name, list(args), make_options(f"ctx.call({name!r})", dict(options), ActivityOptions())
        )

    def side_effect(self, fn: Callable[[], T]) -> Operation[T]:
        """Run `fn` and record its value; run again only if that record was lost in a crash."""
        if not callable(fn):
            raise InvalidArgument(
                f"ctx.side_effect takes a function, got {shown(fn)}.", hint="ctx.side_effect(lambda: …)"
            )
        return operations.SideEffectOperation(fn)

    def send_event(self, instance_id: str, name: str, payload: Any = None) -> Operation[None]:
        """Send an event to another instance; done when that one has accepted it.

        Raises:
            InstanceNotFound, InstanceFinished: at the yield: it was refused.
        """
        check_name(name, "ctx.send_event: an event's name")
        return operations.SendOperation(check_instance_id(instance_id), name, payload)

    def continue_as_new(self, *args: Any, **kwargs: Any) -> Operation[NoReturn]:
        """End this run and start the next with these arguments and a fresh history. Unread events are carried over.

        Raises:
            DefinitionError: at the yield: inside an open saga.
        """
        return operations.ContinueAsNewOperation(self._signature.bind(args, kwargs))

    @overload
    def complete(self) -> Completion[None]: ...
    @overload
    def complete(self, value: T) -> Completion[T]: ...
    def complete(self, value: Any = None) -> Completion[Any]:
        """End the workflow with `value`."""
        return operations.CompleteOperation(value)

    # --- scopes -----------------------------------------------------------------------------------------------------

    def saga(self) -> Saga:
        """`async with`: what completes inside is undone, newest first, if the block raises. See `Saga`."""
        from nexus_sdk.core.saga import Saga

        return Saga(self._execution)

    def timeout(self, duration: Duration) -> TimeoutScope:
        """`async with`: `WaitTimedOut` in the block when time is up, and what it waits on is cancelled."""
        from nexus_sdk.core.timeout import TimeoutScope

        duration_us = to_us(duration, "ctx.timeout")
        return TimeoutScope(self._execution, duration_us, text_of(duration_us))
