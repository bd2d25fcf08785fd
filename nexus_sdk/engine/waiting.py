"""Waiting on the engine's clock."""

from __future__ import annotations

import asyncio

from nexus_sdk.engine.environment import Clock


async def sleep_until(clock: Clock, when_us: int, *, is_background: bool = False) -> None:
    """Return when the clock says so."""
    done = asyncio.get_running_loop().create_future()
    timer = clock.call_at(when_us, lambda: None if done.done() else done.set_result(None), is_background=is_background)
    try:
        await done
    finally:
        timer.cancel()


async def sleep(clock: Clock, seconds: float, *, is_background: bool = False) -> None:
    """Return after so many seconds of the clock."""
    await sleep_until(clock, clock.now_us() + round(seconds * 1_000_000), is_background=is_background)
