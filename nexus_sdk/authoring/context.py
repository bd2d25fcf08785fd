"""`ctx`: what a workflow can ask for, and what it may know. Everything on it is the same at every replay."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from nexus_sdk.authoring.activity import make_options
from nexus_sdk.authoring.duration import Duration, datetime_of, moment_us, optional_us, text_of, to_us
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.operations.activity import ActivityOperation
from nexus_sdk.core.operations.ending import CompleteOperation, ContinueAsNewOperation
from nexus_sdk.core.operations.gather import GatherOperation
from nexus_sdk.core.operations.group import start, take
from nexus_sdk.core.operations.map import MapOperation
from nexus_sdk.core.operations.race import RaceOperation, Winner
from nexus_sdk.core.operations.send import SendOperation
from nexus_sdk.core.operations.side_effect import SideEffectOperation
from nexus_sdk.core.operations.spawn import Spawned
from nexus_sdk.core.operations.timer import SleepOperation
from nexus_sdk.core.operations.wait import WaitOperation
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.saga import Saga
from nexus_sdk.core.timeout import TimeoutScope
from nexus_sdk.errors import InvalidArgument

if TYPE_CHECKING:
    from nexus_sdk.authoring.signature import Signature

T = TypeVar("T")
ItemT = TypeVar("ItemT")


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
    def random(self) -> random.Random:
        """A random generator: the same numbers at every replay."""
        return self._execution.random

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
        return self._execution.ledger.patched(change_id)

    def set_status(self, value: Any) -> None:
        """Set the custom status that clients read.

        Raises:
            PayloadError: the value cannot be encoded.
        """
        self._execution.rules.refuse_when_read_only("custom status")
        self._execution.ledger.annotate(self._execution.services.codec.encode(value))

    def on_query(self, name: str, fn: Callable[..., Any]) -> None:
        """Answer `handle.query(name, *args)` with `fn(*args)`. Read-only; the latest registration counts."""
        self._execution.queries[name] = fn

    # --- operations -------------------------------------------------------------------------------------------------

    def sleep(self, duration: Duration) -> Operation[None]:
        """A durable timer of any length."""
        return SleepOperation(self._execution.now_us + to_us(duration, "ctx.sleep"))

    def sleep_until(self, when: datetime) -> Operation[None]:
        """A durable timer until an aware datetime; one in the past fires at once."""
        return SleepOperation(moment_us(when, "ctx.sleep_until"))

    def wait_for_event(
        self, name: str, type: type[T] | Any = None, *, timeout: Duration | None = None
    ) -> Operation[Any]:
        """The next external event called `name`, decoded to `type`. Events that come before the wait are kept.

        Raises (at the yield):
            WaitTimedOut: none came within `timeout`.
            PayloadError: the event does not fit `type`; it is consumed.
        """
        if not isinstance(name, str) or not name:
            raise InvalidArgument(f"ctx.wait_for_event: an event's name is a text, got {name!r:.60}.")
        timeout_us = optional_us(timeout, "ctx.wait_for_event: timeout")
        due_us = None if timeout_us is None else self._execution.now_us + timeout_us
        return WaitOperation(name, Any if type is None else type, due_us)

    def gather(self, *ops: Awaitable[T], return_exceptions: bool = False) -> Operation[list[T]]:
        """All results in order. The first failure is raised, and what the gather started is cancelled."""
        return GatherOperation(cast("Any", ops), return_exceptions)

    def race(self, *ops: Awaitable[Any], **named_ops: Awaitable[Any]) -> Operation[Winner]:
        """The first to finish, as `Winner(index, name, value)`. The others that the race started are cancelled."""
        names = [*(None for _ in ops), *named_ops]
        return RaceOperation(cast("Any", (*ops, *named_ops.values())), names)

    def map(
        self,
        fn: Callable[[ItemT], Awaitable[T]],
        items: Iterable[ItemT],
        *,
        concurrency: int | None = None,
        return_exceptions: bool = False,
    ) -> Operation[list[T]]:
        """`fn(item)` for each item, at most `concurrency` at a time; results in order.

        Args:
            fn: an activity, a child workflow, or a helper `async def (item)`.
        """
        if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
            raise InvalidArgument(f"ctx.map: concurrency must be a whole number from 1 on, got {concurrency!r}.")
        return MapOperation(fn, list(items), concurrency, return_exceptions)

    def spawn(self, op_or_helper: Awaitable[T]) -> Spawned[T]:
        """Start an operation or helper in the background; yield what this returns for its result, or `.cancel()` it."""
        execution = self._execution
        execution.rules.refuse_when_read_only("spawned operation")
        take([op_or_helper], "ctx.spawn")
        fiber = execution.fiber
        return Spawned(start(cast("Operation[T] | CoroutineType[Any, Any, T]", op_or_helper), fiber, fiber.next_path()))

    def call(self, name: str, *args: Any, **options: Any) -> Operation[Any]:
        """An activity by its name. Its arguments are recorded by position and bound where it runs.

        Args:
            options: as those of `@activity`: retry, timeout, schedule_to_close, heartbeat_timeout, task_queue, local.
        """
        if not isinstance(name, str) or not name:
            raise InvalidArgument(f"ctx.call takes the name of an activity, got {name!r:.60}.")
        return ActivityOperation(name, list(args), make_options(f"ctx.call({name!r})", options, ActivityOptions()))

    def side_effect(self, fn: Callable[[], T]) -> Operation[T]:
        """Run `fn` and record its value; run again only if that record was lost in a crash."""
        if not callable(fn):
            raise InvalidArgument(f"ctx.side_effect takes a function, got {fn!r:.60}.")
        return SideEffectOperation(fn)

    def send_event(self, instance_id: str, name: str, payload: Any = None) -> Operation[None]:
        """Send an event to another instance; done when that one has accepted it.

        Raises (at the yield):
            InstanceNotFound, InstanceFinished: it was refused.
        """
        return SendOperation(check_instance_id(instance_id), name, payload)

    def continue_as_new(self, *args: Any, **kwargs: Any) -> Operation[NoReturn]:
        """End this run and start the next with these arguments and a fresh history. Unread events are carried over.

        Raises (at the yield):
            DefinitionError: inside an open saga.
        """
        return ContinueAsNewOperation(self._signature.bind(args, kwargs))

    def complete(self, value: Any = None) -> Operation[NoReturn]:
        """End the workflow with `value`."""
        return CompleteOperation(value)

    # --- scopes -----------------------------------------------------------------------------------------------------

    def saga(self) -> Saga:
        """`async with`: what completes inside is undone, newest first, if the block raises. See `Saga`."""
        return Saga(self._execution)

    def timeout(self, duration: Duration) -> TimeoutScope:
        """`async with`: `WaitTimedOut` in the block when time is up, and what it waits on is cancelled."""
        duration_us = to_us(duration, "ctx.timeout")
        return TimeoutScope(self._execution, duration_us, text_of(duration_us))
