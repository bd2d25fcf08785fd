"""`@activity`: work that may fail, take long and touch the world."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypedDict, TypeVar, cast, overload

from nexus_sdk.authoring.duration import Duration, optional_us
from nexus_sdk.authoring.names import check_defined_name
from nexus_sdk.authoring.retry import Retry
from nexus_sdk.authoring.signature import Signature
from nexus_sdk.core import operations
from nexus_sdk.core.current import running
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError, InvalidArgument

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
UndoneT_co = TypeVar("UndoneT_co", covariant=True)
UndoneT_contra = TypeVar("UndoneT_contra", contravariant=True)

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from nexus_sdk.core.operation import Operation

    UndoneT = TypeVarWithDefault("UndoneT", default=Any)
else:
    UndoneT = TypeVar("UndoneT")

_UNSET: Any = object()


class CallOptions(TypedDict, total=False):
    """What may be said about one call of an activity. See `activity`."""

    retry: Retry
    timeout: Duration | None
    schedule_to_close: Duration | None
    heartbeat_timeout: Duration | None
    task_queue: str
    local: bool


_TAKEN = {
    "retry": ("a Retry(…)", "For example: retry=Retry(max_attempts=5)."),
    "local": ("True or False", "True runs it inside the orchestrator's own invocation."),
}
_OPTIONS = ("retry", "timeout", "schedule_to_close", "heartbeat_timeout", "task_queue", "local")


class Activity(Generic[P, R]):
    """What `@activity` makes of a function.

    Inside a workflow, a call builds an operation. Outside, awaiting a call runs the function.

    Attributes:
        fn: the raw function.
        name: what it is recorded and found by.
        is_async: whether it runs on the event loop; otherwise in a thread.
    """

    def __init__(
        self,
        fn: Callable[P, Any],
        name: str,
        options: ActivityOptions,
        compensate: Activity[Any, Any] | None,
        signature: Signature | None = None,
    ) -> None:
        self.fn = fn
        self.name = name
        self.activity_options = options
        self.compensate = compensate
        self.is_async: bool = inspect.iscoroutinefunction(fn)
        self.signature: Signature = signature or Signature(fn, skip=0)
        self.__name__: str = getattr(fn, "__name__", name)
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__wrapped__ = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Operation[R]:
        """Inside a workflow: the operation. Outside: an awaitable that runs the function."""
        arguments = self.signature.bind(args, kwargs)
        if running.get() is None:
            return cast("Operation[R]", DirectCall(self, args, kwargs))
        return operations.ActivityOperation(
            self.name, arguments, self.activity_options, self.signature.result_type, self.compensate
        )

    def options(
        self,
        *,
        retry: Retry = _UNSET,
        timeout: Duration | None = _UNSET,
        schedule_to_close: Duration | None = _UNSET,
        heartbeat_timeout: Duration | None = _UNSET,
        task_queue: str = _UNSET,
        compensate: Compensation[R] | None = _UNSET,
        local: bool = _UNSET,
    ) -> Activity[P, R]:
        """The same activity with other options, for one call: ``charge.options(timeout="5s")(order)``."""
        given = {
            "retry": retry,
            "timeout": timeout,
            "schedule_to_close": schedule_to_close,
            "heartbeat_timeout": heartbeat_timeout,
            "task_queue": task_queue,
            "local": local,
        }
        options = make_options(
            f"activity {self.name!r}",
            {name: value for name, value in given.items() if value is not _UNSET},
            self.activity_options,
        )
        undo = self.compensate if compensate is _UNSET else _checked_compensate(compensate, f"activity {self.name!r}")
        return Activity(self.fn, self.name, options, undo, self.signature)

    def __repr__(self) -> str:
        return f"<activity {self.name!r}>"


class DirectCall(Generic[R]):
    """A call of an activity outside any workflow: awaiting it runs the function, as in a unit test."""

    def __init__(self, activity: Activity[Any, R], args: Any, kwargs: Any) -> None:
        self._activity = activity
        self._args = args
        self._kwargs = kwargs

    def __await__(self) -> Generator[Any, Any, R]:
        result = self._activity.fn(*self._args, **self._kwargs)
        if inspect.isawaitable(result):
            return (yield from result.__await__())  # type: ignore[no-any-return]
        return cast("R", result)

    def __repr__(self) -> str:
        return f"<call of {self._activity!r} outside a workflow: await it to run the function>"


class Compensation(Protocol[UndoneT_contra]):
    """An activity that can undo: called with the result of another, it makes an operation."""

    @property
    def activity_options(self) -> ActivityOptions:
        """See `Activity`."""
        ...

    def __call__(self, result: UndoneT_contra, /) -> Operation[Any]:
        """The undo of `result`."""
        ...


class Returning(Protocol[P, R_co, UndoneT_co]):
    """A function that returns an `R_co` which is an `UndoneT_co`, too.

    Python has no type for "both". A protocol with two overloads is one: a function has to fit each of them.
    """

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(  # type: ignore[overload-cannot-match]  # it is here to be fitted, not to be called
        self, *args: P.args, **kwargs: P.kwargs
    ) -> UndoneT_co: ...  # pyright: ignore[reportOverlappingOverload]
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call it."""
        ...


class ActivityDecorator(Generic[UndoneT_contra]):
    """What `@activity(…)` with options returns: it takes functions whose result `compensate` accepts."""

    def __init__(self, name: str | None, options: ActivityOptions, compensate: Activity[Any, Any] | None) -> None:
        self._name = name
        self._options = options
        self._compensate = compensate

    # Both overloads name the result in the same way, up to its R. Otherwise mypy takes an async function that returns
    # something with an `Any` in it (a bare `dict`, say) for ambiguous, and the definition for `Any`.
    @overload
    def __call__(
        self,
        fn: Returning[P, Coroutine[Any, Any, R], UndoneT_contra | Coroutine[Any, Any, UndoneT_contra]],
    ) -> Activity[P, R]: ...
    @overload
    def __call__(self, fn: Returning[P, R, UndoneT_contra | Coroutine[Any, Any, UndoneT_contra]]) -> Activity[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> Activity[Any, Any]:
        """Make the definition."""
        name = str(getattr(fn, "__name__", "")) if self._name is None else self._name
        check_function(fn, "activity", name)
        return Activity(fn, name, self._options, self._compensate)


# `Coroutine`, not `Awaitable`: an async function then fits both of the first two overloads as the same type. See
# `ActivityDecorator.__call__`.
@overload
def activity(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Activity[P, R]: ...
@overload
def activity(fn: Callable[P, R], /) -> Activity[P, R]: ...
@overload
def activity(
    name: str | None = None,
    /,
    *,
    retry: Retry = ...,
    timeout: Duration | None = None,
    schedule_to_close: Duration | None = None,
    heartbeat_timeout: Duration | None = None,
    task_queue: str = "default",
    compensate: Compensation[UndoneT] | None = None,
    local: bool = False,
) -> ActivityDecorator[UndoneT]: ...
@overload
def activity(
    *,
    name: str | None = None,
    retry: Retry = ...,
    timeout: Duration | None = None,
    schedule_to_close: Duration | None = None,
    heartbeat_timeout: Duration | None = None,
    task_queue: str = "default",
    compensate: Compensation[UndoneT] | None = None,
    local: bool = False,
) -> ActivityDecorator[UndoneT]: ...
def activity(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    compensate: Any = None,
    **options: Any,
) -> Any:
    """Make an activity of a function: `@activity` or `@activity(…)`.

    Args:
        name: what it is recorded by; the function's name by default.
        retry: see `Retry`; `Retry()` by default.
        timeout: of one attempt, start to close.
        schedule_to_close: of all attempts and waits together.
        heartbeat_timeout: an attempt that is silent for this long is given up.
        task_queue: where it is put.
        compensate: an activity that undoes it, given this one's result; used by `ctx.saga()`.
        local: run inside the orchestrator's own invocation, without a queue hop.

    Raises:
        DefinitionError: an option or the function makes no sense.
    """
    if isinstance(fn, str):
        fn, name = None, fn
    known = getattr(fn, "__name__", None) if name is None else name
    what = "@activity" if known is None else f"activity {shown(known)}"
    chosen = make_options(what, options, ActivityOptions())
    decorator: ActivityDecorator[Any] = ActivityDecorator(name, chosen, _checked_compensate(compensate, what))
    return decorator if fn is None else decorator(fn)


def make_options(what: str, given: dict[str, Any], base: ActivityOptions) -> ActivityOptions:
    """Options as users name them, laid over `base`.

    Raises:
        DefinitionError: an unknown option, or a value that makes no sense.
    """
    changes: dict[str, Any] = {}
    try:
        for key, value in given.items():
            match key:
                case "timeout":
                    changes["start_to_close_us"] = optional_us(value, "timeout")
                case "schedule_to_close":
                    changes["schedule_to_close_us"] = optional_us(value, "schedule_to_close")
                case "heartbeat_timeout":
                    changes["heartbeat_us"] = optional_us(value, "heartbeat_timeout")
                case "retry" if isinstance(value, Retry):
                    changes["retry"] = value.policy()
                case "task_queue":
                    changes["task_queue"] = check_defined_name(value, "task_queue")
                case "local" if isinstance(value, bool):
                    changes["local"] = value
                case "retry" | "local":
                    taken, hint = _TAKEN[key]
                    raise InvalidArgument(f"{key} takes {taken}, got {shown(value)}.", hint=hint)
                case _:
                    raise InvalidArgument(
                        f"there is no option {shown(key)}.", hint=f"There are: {', '.join(_OPTIONS)}."
                    )
    except (InvalidArgument, DefinitionError) as error:
        raise DefinitionError(f"{what}: {error.message}", hint=error.hint) from None
    return replace(base, **changes)


def check_function(fn: Any, kind: str, name: str) -> None:
    """Refuse what cannot be an activity or workflow.

    Raises:
        DefinitionError: not a function, or no name for it.
    """
    if not callable(fn) or isinstance(fn, staticmethod | classmethod | type) or _is_definition(fn):
        raise DefinitionError(
            f"@{kind} takes a function, got {shown(fn)}.", hint=f"Write @{kind} directly above `def` or `async def`."
        )
    if name in ("", "<lambda>"):
        raise DefinitionError(f"@{kind} needs a name for {shown(fn)}.", hint=f'Give one: @{kind}(name="…").')
    check_defined_name(name, f"the name of @{kind}")
    if kind == "activity" and (inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn)):
        raise DefinitionError(
            f"activity {name!r} is a generator; an activity is a plain or async function.",
            hint="Return a value. If it yields operations, it is a workflow: decorate it with @workflow.",
        )


def _is_definition(fn: Any) -> bool:
    return isinstance(getattr(fn, "signature", None), Signature)


def _checked_compensate(compensate: Any, what: str) -> Activity[Any, Any] | None:
    if compensate is not None and not isinstance(compensate, Activity):
        raise DefinitionError(
            f"{what}: compensate= takes an activity, got {shown(compensate)}.",
            hint="Decorate it with @activity first.",
        )
    return compensate
