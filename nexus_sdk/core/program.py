"""Programs: workflow code, driven by hand. No event loop; to suspend is simply not to resume.

`resume` gives the program a value or an error and says what surfaced. An async generator and a coroutine are the two
shapes of Python workflows; anything else with a `resume` (a state machine, say) can be a program as well.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncGenerator, Coroutine, Iterator
from enum import Enum, auto
from types import CodeType, FrameType
from typing import Any, Protocol


class Surfaced(Enum):
    """How a program came back from a resumption."""

    YIELDED = auto()
    AWAITED = auto()
    RETURNED = auto()
    RAISED = auto()


YIELDED, AWAITED, RETURNED, RAISED = Surfaced


class Program(Protocol):
    """Workflow code that can be resumed."""

    def resume(self, value: Any, error: BaseException | None) -> tuple[Surfaced, Any]:
        """Go on with a value, or with an error raised at the suspended line; what surfaced, and with what.

        The first resumption has the value None.
        """

    def dispose(self) -> None:
        """Free a program that will not be resumed again."""

    def frames(self) -> Iterator[FrameType]:
        """The suspended frames, outermost first: where it stands."""


def _do_nothing(_: AsyncGenerator[Any, Any]) -> None:
    """The finalizer does nothing: a suspended workflow must not run its `finally` blocks when it is dropped."""


class Stage:
    """Where workflow code runs, around *every* resumption.

    Async generators first iterated in here are freed, when dropped, without running their `finally` blocks: a user's
    own inner async generator may be first iterated in a later resumption. And the running event loop, if there is one,
    cannot be seen in here: `asyncio.create_task` in a body fails loudly.
    """

    __slots__ = ("_events", "_hooks", "_loop")

    def __enter__(self) -> None:
        self._hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, _do_nothing)
        self._events: Any = sys.modules.get("asyncio.events")  # not imported: then no loop runs
        if self._events is not None:
            self._loop = self._events._get_running_loop()
            self._events._set_running_loop(None)

    def __exit__(self, *_: object) -> None:
        if self._events is not None:
            self._events._set_running_loop(self._loop)
        sys.set_asyncgen_hooks(*self._hooks)


class CoroutineProgram:
    """A coroutine: a workflow of the second shape, or a helper that runs in a fiber of its own."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def resume(self, value: Any, error: BaseException | None) -> tuple[Surfaced, Any]:
        """See `Program.resume`."""
        try:
            if error is None:
                return AWAITED, self._coroutine.send(value)
            return AWAITED, self._coroutine.throw(error)
        except StopIteration as stop:
            return RETURNED, stop.value
        except BaseException as raised:
            return RAISED, raised

    def dispose(self) -> None:
        """Close it, innermost first. Its `finally` blocks run, with every operation in them inert.

        Left to a later collection they would run inside another workflow's step.
        """
        _close_chain(self._coroutine)

    def frames(self) -> Iterator[FrameType]:
        """See `Program.frames`."""
        return _frames_of(self._coroutine)


class GeneratorProgram:
    """An async generator: the headline shape. `yield op` and `await op` surface alike."""

    __slots__ = ("_generator", "_sending")

    def __init__(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generator = generator
        self._sending: Any = None  # the `asend` in progress while the body is suspended in an `await`

    def resume(self, value: Any, error: BaseException | None) -> tuple[Surfaced, Any]:
        """See `Program.resume`."""
        try:
            if self._sending is not None:
                if error is None:
                    return AWAITED, self._sending.send(value)
                return AWAITED, self._sending.throw(error)
            sending = self._generator.asend(value) if error is None else self._generator.athrow(error)
            surfaced = sending.send(None)
            self._sending = sending
            return AWAITED, surfaced
        except StopIteration as stop:
            self._sending = None
            return YIELDED, stop.value
        except StopAsyncIteration:
            return RETURNED, None
        except BaseException as raised:
            return RAISED, raised

    def dispose(self) -> None:
        """Close the helper coroutines it awaits and drop the generator itself: its own `finally` blocks do not run."""
        _close_chain(getattr(self._generator, "ag_await", None))
        self._sending = None

    def frames(self) -> Iterator[FrameType]:
        """See `Program.frames`."""
        return _frames_of(self._generator)


_DRIVERS = ("async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper")
"""What stands between an `await` and the generator or coroutine that it drives, by the name of its type."""


def _chain_of(awaitable: Any) -> Iterator[Any]:
    while awaitable is not None:
        yield awaitable
        if type(awaitable).__name__ in _DRIVERS:
            # Only the collector sees through these: the first thing they hold is what they drive.
            awaitable = next(iter(gc.get_referents(awaitable)), None)
        else:
            names = ("cr_await", "ag_await", "gi_yieldfrom")
            awaitable = next((link for name in names if (link := getattr(awaitable, name, None)) is not None), None)


def _frames_of(awaitable: Any) -> Iterator[FrameType]:
    for link in _chain_of(awaitable):
        frame = getattr(link, "cr_frame", None) or getattr(link, "ag_frame", None) or getattr(link, "gi_frame", None)
        if frame is not None:
            yield frame


def _close_chain(awaitable: Any) -> None:
    for link in reversed([link for link in _chain_of(awaitable) if hasattr(link, "cr_await")]):
        try:
            link.close()
        except BaseException:
            # A `finally` that raises, or goes on awaiting, in code that is being thrown away: nobody can be told.
            continue


Site = tuple[CodeType, int]
"""A place in the source: code object and instruction offset. The line is computed only when somebody asks."""


_OWN = ("nexus_sdk.core", "nexus_sdk.authoring")


def site_of(frame: FrameType | None) -> Site | None:
    """The nearest frame outside this package, going outwards; None when the package itself asked."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(_OWN):
            return frame.f_code, frame.f_lasti
        if name == "nexus_sdk.core.execution":
            return None  # whatever drives the execution did not ask for anything
        frame = frame.f_back
    return None


_LINES: dict[tuple[int, int], tuple[str, CodeType]] = {}
_LINES_KEPT = 4096


def line_of(site: Site | None) -> str:
    """A site as people write it: ``orders.py:31``; empty where unknown."""
    if site is None:
        return ""
    code, offset = site
    known = _LINES.get((id(code), offset))
    if known is None:
        if len(_LINES) >= _LINES_KEPT:
            _LINES.clear()
        line = next((line for start, end, line in code.co_lines() if start <= offset < end), code.co_firstlineno)
        name = code.co_filename.replace(chr(92), "/").rpartition("/")[2]
        known = _LINES[id(code), offset] = f"{name}:{line}", code  # kept, so that its id stays its own
    return known[0]
