"""What the engine is given: time, threads, randomness, a watchdog. It has none of its own.

So a fake clock, a simulator and a function host are only other arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Cancellable(Protocol):
    """Something that was arranged and can be called off."""

    def cancel(self) -> None:
        """Call it off; no effect when it has happened."""


class Clock(Protocol):
    """The only source of time."""

    def now_us(self) -> int:
        """Microseconds since the epoch."""

    def call_at(self, when_us: int, callback: Callable[[], Any], *, is_background: bool = False) -> Cancellable:
        """Call `callback` on the event loop when that time has come (at once, if it has).

        Background calls (sweeps, the prolonging of leases) move nothing on by themselves: a clock that jumps when
        everybody waits does not jump for them.
        """


class Randomness(Protocol):
    """The only source of chance."""

    def token(self) -> str:
        """A new unique id."""

    def fraction(self) -> float:
        """Evenly drawn from [0, 1)."""


class Watchdog(Protocol):
    """Stops workflow code that spins: outside the event loop, which can do nothing while it does."""

    def watch(self, instance_id: str, block: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `block`; raises `WorkflowSpinningError` when it takes too long."""


class LogSink(Protocol):
    """Where lines of `ctx.log`, and the engine's own, are said."""

    def __call__(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Say one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything of the kind, in one place."""

    clock: Clock
    executor: Executor
    randomness: Randomness
    watchdog: Watchdog
    say: LogSink
