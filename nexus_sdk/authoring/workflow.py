"""`@workflow`: a process that survives any crash."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
    overload,
)

from nexus_sdk.authoring.activity import check_function
from nexus_sdk.authoring.duration import Duration, optional_us
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.authoring.names import check_defined_name
from nexus_sdk.authoring.signature import Signature
from nexus_sdk.core import operations
from nexus_sdk.core.current import running
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.operations.ending import Completion
from nexus_sdk.core.program import CoroutineProgram, GeneratorProgram
from nexus_sdk.errors import DefinitionError, InvalidArgument

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from nexus_sdk.authoring.context import Context
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.operations.child import ChildOperation
    from nexus_sdk.core.payload import Payload
    from nexus_sdk.core.program import Program

    EndT = TypeVarWithDefault("EndT", default=None)  # a body without a `complete` ends with None
    Body = Callable[Concatenate[Context, P], "Completes[R]"]
    CoroutineBody = Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]
else:
    EndT = TypeVar("EndT")

Completes: TypeAlias = AsyncGenerator[Operation[Any] | Completion[T], Any]
"""What an async generator workflow is annotated with: ``async def ship(ctx: Context) -> Completes[Receipt]``.

Its operations are yielded, and it ends with ``yield ctx.complete(receipt)``.
"""


class Workflow(Generic[P, R]):
    """What `@workflow` makes of an async generator or a coroutine function.

    Inside a workflow, a call builds a child workflow operation. Outside, a call is a bound call, to be started by
    `client.start` or `app.run`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        version: str,
        timeout_us: int | None,
        child_id: str | None = None,
        is_detached: bool = False,
        signature: Signature | None = None,
    ) -> None:
        self.fn = fn
        self.name = name
        self.version = version
        self.timeout_us = timeout_us
        self.signature: Signature = signature or Signature(fn, skip=1)
        self.is_generator: bool = inspect.isasyncgenfunction(fn)
        self._child_id = child_id
        self._is_detached = is_detached
        self.__name__: str = getattr(fn, "__name__", name)
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__wrapped__ = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ChildOperation[R]:
        """Inside a workflow: the child operation. Outside: a bound call."""
        arguments = self.signature.bind(args, kwargs)
        if running.get() is None:
            return cast("ChildOperation[R]", BoundCall(self, arguments))
        return operations.ChildOperation(
            self.name,
            self.version,
            arguments,
            instance_id=self._child_id,
            is_detached=self._is_detached,
            timeout_us=self.timeout_us,
            result_type=self.result_type,
        )

    def options(self, *, id: str | None = None, detached: bool = False) -> Workflow[P, R]:
        """The same workflow as a child with this id; detached: it outlives its parent."""
        if id is not None:
            check_instance_id(id)
        return Workflow(self.fn, self.name, self.version, self.timeout_us, id, detached, self.signature)

    @property
    def result_type(self) -> Any:
        """What `result()` is decoded to: the annotated result, `Any` where there is none."""
        annotated = self.signature.result_type
        return _completed_type(annotated) if self.is_generator else annotated

    def program(self, execution: Execution, arguments: Payload) -> Program:
        """A program for one run.

        Raises:
            PayloadError: the recorded arguments do not fit the signature.
        """
        from nexus_sdk.authoring.context import Context

        codec = execution.services.codec
        args, kwargs = self.signature.unbind(codec.decode(arguments) or {}, codec)
        body = self.fn(Context(execution, self.signature), *args, **kwargs)
        return GeneratorProgram(body) if self.is_generator else CoroutineProgram(body)

    def __repr__(self) -> str:
        return f"<workflow {self.name!r} version {self.version!r}>"


@dataclass(frozen=True, eq=False)
class BoundCall(Generic[R]):
    """A workflow with its arguments, called outside any workflow: something that can be started."""

    workflow: Workflow[Any, R]
    arguments: dict[str, Any]

    def __await__(self) -> Generator[Any, Any, R]:
        raise DefinitionError(
            f"workflow {self.workflow.name!r} cannot be awaited outside a workflow.",
            hint=f"Run it with app.run({self.workflow.__name__}, …), or start it with client.start(…).",
        )


class WorkflowDecorator:
    """What `@workflow(…)` with options returns."""

    def __init__(self, name: str | None, version: str, timeout: Duration | None) -> None:
        self._name = name
        self._version = version
        self._timeout = timeout

    @overload
    def __call__(self, fn: CoroutineBody[P, R]) -> Workflow[P, R]: ...
    @overload
    def __call__(self, fn: Body[P, EndT]) -> Workflow[P, EndT]: ...
    def __call__(self, fn: Callable[..., Any]) -> Workflow[Any, Any]:
        """Make the definition."""
        name = str(getattr(fn, "__name__", "")) if self._name is None else self._name
        check_function(fn, "workflow", name)
        if not inspect.isasyncgenfunction(fn) and not inspect.iscoroutinefunction(fn):
            raise DefinitionError(
                f"workflow {name!r} must be an async generator (async def with yield) or a coroutine function.",
                hint="Write `async def …(ctx, …)`; plain functions are activities.",
            )
        parameters = list(inspect.signature(fn).parameters.values())
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise DefinitionError(
                f"workflow {name!r} needs `ctx` as its first parameter.", hint=f"async def {name}(ctx: Context, …)"
            )
        check_defined_name(self._version, f"workflow {name!r}: version")
        try:
            timeout_us = optional_us(self._timeout, "timeout")
        except InvalidArgument as error:
            raise DefinitionError(f"workflow {name!r}: {error.message}", hint=error.hint) from None
        return Workflow(fn, name, self._version, timeout_us)


@overload
def workflow(fn: CoroutineBody[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(fn: Body[P, EndT], /) -> Workflow[P, EndT]: ...
@overload
def workflow(
    name: str | None = None, /, *, version: str = "1", timeout: Duration | None = None
) -> WorkflowDecorator: ...
@overload
def workflow(*, name: str | None = None, version: str = "1", timeout: Duration | None = None) -> WorkflowDecorator: ...
def workflow(fn: Any = None, /, *, name: str | None = None, version: str = "1", timeout: Duration | None = None) -> Any:
    """Make a workflow of an async generator or a coroutine function: `@workflow` or `@workflow(…)`.

    Args:
        name: what it is recorded and found by; the function's name by default.
        version: part of what an instance is bound to: it runs with the version it was started with.
        timeout: of one run, from its first turn.

    Raises:
        DefinitionError: neither an async generator nor a coroutine function, or an option makes no sense.
    """
    if isinstance(fn, str):
        fn, name = None, fn
    decorator = WorkflowDecorator(name, version, timeout)
    return decorator if fn is None else decorator(fn)


def _completed_type(annotated: Any) -> Any:
    """T of `Completes[T]`, as the annotation of an async generator; `Any` of any other."""
    yielded = next(iter(get_args(annotated)), Any)
    for one in (yielded, *get_args(yielded)):
        if get_origin(one) is Completion:
            (result,) = get_args(one)
            return Any if isinstance(result, TypeVar) else result
    return Any
