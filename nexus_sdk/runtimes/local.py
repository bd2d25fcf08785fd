"""The environment of an ordinary process: system clock, threads, chance, structlog."""

from __future__ import annotations

import os
import random
import threading
from typing import Any

from nexus_sdk.engine.environment import Environment
from nexus_sdk.runtimes.clock import SystemClock
from nexus_sdk.runtimes.threads import DaemonThreads
from nexus_sdk.runtimes.watchdog import ThreadWatchdog

TOKENS_DRAWN = 256


class SystemRandomness:
    """Real chance. Drawn from the system in stocks, because each turn needs some; a forked process draws its own."""

    def __init__(self) -> None:
        self._tokens: list[str] = []
        self._drawn_in = 0

    def token(self) -> str:
        """See `Randomness.token`."""
        if self._drawn_in != os.getpid():
            self._tokens, self._drawn_in = [], os.getpid()
        try:
            return self._tokens.pop()
        except IndexError:
            drawn = os.urandom(16 * TOKENS_DRAWN).hex()
            self._tokens += [drawn[start : start + 32] for start in range(32, len(drawn), 32)]
            return drawn[:32]

    def fraction(self) -> float:
        """See `Randomness.fraction`."""
        return random.random()


def say(level: str, event: str, fields: dict[str, Any]) -> None:
    """Say a line through structlog, as the application has configured it."""
    import structlog

    method = "exception" if level == "exception" else level
    getattr(structlog.get_logger("nexus"), method)(event, **fields)


def local_environment(*, threads: int = 100, spin_seconds: float = 10.0) -> Environment:
    """What a worker in an ordinary process is given.

    Args:
        threads: so many synchronous activities run at a time.
        spin_seconds: a workflow that runs so long without yielding is stopped.
    """
    executor = DaemonThreads(threads, "nexus activity")
    return Environment(SystemClock(), executor, SystemRandomness(), ThreadWatchdog(spin_seconds), say)


def is_main_thread() -> bool:
    """Whether signals can be handled here."""
    return threading.current_thread() is threading.main_thread()
