"""An event loop of a simulated world: one thread, no real time, and the same order of everything in every process.

It has no selector: when nothing is ready, it asks the world what happens next. The one rule: **nothing that it makes
is ordered by where it lies in memory**; tasks and futures are numbered, so that sets of them are always gone through
alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from typing import Any


class SimulatedLoop(asyncio.BaseEventLoop):
    """See the module.

    Attributes:
        on_idle: called when nothing is ready; it must make something ready, or raise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_idle: Callable[[], None] = _stuck
        self._made = 0
        self._selector = self  # what BaseEventLoop asks for what has come from outside
        self.set_task_factory(lambda loop, coro, **options: NumberedTask(coro, loop=loop, **options))

    def next_number(self) -> int:
        """Of the next task or future."""
        self._made += 1
        return self._made

    def create_future(self) -> asyncio.Future[Any]:
        """A numbered one."""
        return NumberedFuture(loop=self)

    def time(self) -> float:
        """The loop keeps no time: clocks are arguments here."""
        return 0.0

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it at once: there is one thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Without the questions that only other threads, or somebody who looks for mistakes, would have to be asked."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def _run_once(self) -> None:
        """What is ready now; with nothing that waits for a real time, which is the rule, there is no more to it."""
        if self._scheduled or self._stopping:  # type: ignore[attr-defined]
            super()._run_once()  # type: ignore[misc]
            return
        ready = self._ready  # type: ignore[attr-defined]
        if not ready:
            self.on_idle()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    # --- what BaseEventLoop leaves open -----------------------------------------------------------------------------

    def select(self, timeout: float | None) -> list[Any]:
        """Wait for something from outside; there is no outside."""
        if timeout is None and not self._stopping:  # type: ignore[attr-defined]
            self.on_idle()
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        """Nobody sleeps in another thread."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number."""

    number: int

    def __new__(cls, coro: Any, *, loop: SimulatedLoop, **options: Any) -> NumberedTask:
        """Numbered before it is initialised: by then it lies in sets already."""
        self = super().__new__(cls)
        self.number = loop.next_number()
        return self

    def __hash__(self) -> int:
        return self.number


class NumberedFuture(asyncio.Future[Any]):
    """A future whose hash is its number."""

    number: int

    def __new__(cls, *, loop: SimulatedLoop) -> NumberedFuture:
        """Numbered."""
        self = super().__new__(cls)
        self.number = loop.next_number()
        return self

    def __hash__(self) -> int:
        return self.number


def _stuck() -> None:
    raise RuntimeError("the simulated loop has nothing to do, and nobody to ask.")
