"""The environment of an ordinary process: system clock, threads, chance, structlog."""

from __future__ import annotations

import random
import threading
import uuid
from typing import Any

from nexus_sdk.engine.environment import Environment
from nexus_sdk.runtimes.clock import SystemClock
from nexus_sdk.runtimes.threads import DaemonThreads
from nexus_sdk.runtimes.watchdog import ThreadWatchdog


class SystemRandomness:
    """Real chance."""

    def token(self) -> str:
        """See `Randomness.token`."""
        return uuid.uuid4().hex

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
