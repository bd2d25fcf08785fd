"""Repeating what the store could not do just now. Every verb of the port is idempotent, so that nothing happens twice.

For what must not be given up: an outcome, a next attempt, a delivery to be given back. To give it up would leave it to
the end of the lease, and then it counts as an attempt whose worker was lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.waiting import sleep
from nexus_sdk.errors import StoreUnavailable

T = TypeVar("T")

BACKOFF_SECONDS = (0.05, 0.2, 1.0, 5.0)
"""Delays between tries while the store is unavailable; the last one repeats."""


async def until_available(
    call: Callable[[], Awaitable[T]], environment: Environment, *, instance_id: str, what: str
) -> T:
    """What `call` returns, or raises other than `StoreUnavailable`; the same call again as long as it raises that.

    Args:
        what: who waits, for the log: "a turn of order-42".
    """
    attempt = 0
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            fields = {"instance_id": instance_id, "hint": error.hint}
            environment.say("warning", f"{what} waits for the store: {error.message}", fields)
            await sleep(environment.clock, BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)])
            attempt += 1
