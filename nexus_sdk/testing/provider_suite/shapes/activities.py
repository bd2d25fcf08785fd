"""The activities of the shapes. Each notes that it ran: effects can be counted, and a crash may add at most one."""

from __future__ import annotations

import asyncio
from typing import Any

from nexus_sdk.authoring.activity import Activity, activity
from nexus_sdk.authoring.info import activity_info, heartbeat
from nexus_sdk.authoring.retry import Retry
from nexus_sdk.errors import ApplicationError

EFFECTS: list[str] = []
"""The idempotency key of each time an activity's function ran."""

MENDED: set[str] = set()
"""What somebody has repaired in the outside world."""

PATIENT = Retry(max_attempts=9, initial="10m", factor=1.0, jitter="none")


def _ran() -> int:
    """Note the effect; the number of the attempt."""
    EFFECTS.append(activity_info().idempotency_key)
    return activity_info().attempt


# --- what works -------------------------------------------------------------------------------------------------------


@activity
async def add_one(x: int) -> int:
    _ran()
    return x + 1


@activity
def double(x: int) -> int:
    """On a thread."""
    _ran()
    return 2 * x


@activity(local=True)
async def near(x: int) -> int:
    _ran()
    return x + 10


@activity
async def repeat(text: str) -> str:
    _ran()
    return text * 2


@activity
async def undo(x: int) -> int:
    _ran()
    return -x


@activity(compensate=undo)
async def book(x: int) -> int:
    _ran()
    return x


@activity(local=True)
async def undo_near(x: int) -> int:
    _ran()
    return -x


@activity(local=True, compensate=undo_near)
async def book_near(x: int) -> int:
    _ran()
    return x


# --- what does not, or not at once ------------------------------------------------------------------------------------


@activity(retry=Retry(max_attempts=9))
async def flaky(x: int) -> int:
    if _ran() == 1:
        raise ConnectionError("try again")
    return x


@activity(local=True, retry=Retry(max_attempts=9))
async def flaky_near(x: int) -> int:
    if _ran() == 1:
        raise ConnectionError("try again")
    return x


@activity(retry=PATIENT)
async def slow_to_succeed(x: int) -> int:
    """Ten minutes between attempts, twice."""
    if _ran() < 3:
        raise ConnectionError("not yet")
    return x


@activity(heartbeat_timeout="30s", retry=PATIENT)
async def counting(to: int) -> int:
    """One number per attempt: the next one goes on where this one's last heartbeat was."""
    _ran()
    number = int(activity_info().heartbeat_details or 0) + 1
    heartbeat(number)
    if number < to:
        raise ConnectionError("interrupted")
    return number


@activity
async def refused(x: int) -> int:
    """Fails once and for all."""
    _ran()
    raise ApplicationError(f"no {x}", type="Refused", details={"x": x}, retryable=False)


@activity
async def mendable(x: int) -> int:
    """Fails once and for all, until somebody mends the world."""
    _ran()
    if "mendable" not in MENDED:
        raise ApplicationError("broken", retryable=False)
    return x


@activity(compensate=refused)
async def book_for_good(x: int) -> int:
    """Its undo fails."""
    _ran()
    return x


@activity(timeout="10s", retry=PATIENT)
async def hanging(x: int) -> int:
    """The first attempt hangs until its time is up."""
    if _ran() == 1:
        await asyncio.get_running_loop().create_future()
    return x


@activity(heartbeat_timeout="30s", retry=PATIENT)
async def endless() -> None:
    """Alive until it is asked to stop."""
    _ran()
    while True:
        heartbeat()
        await asyncio.get_running_loop().create_future()


@activity
async def missing_argument() -> None:
    """Called with arguments that it does not have."""


@activity(task_queue="nobody's")
async def unserved() -> None:
    """No worker serves it: it stays where it is."""


@activity(task_queue="nobody's", compensate=undo)
async def book_nowhere(x: int) -> int:
    """As `unserved`, and a saga wants to know what became of it."""
    return x


SERVED: tuple[Activity[..., Any], ...] = (
    *(add_one, double, near, repeat, undo, book, undo_near, book_near),
    *(flaky, flaky_near, slow_to_succeed, counting, refused, mendable, book_for_good, hanging, endless),
    missing_argument,
)
