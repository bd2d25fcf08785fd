"""The watchdog: what spins is stopped, what does not is left alone, and short blocks wake nobody."""

from __future__ import annotations

import time

import pytest

from nexus_sdk.errors import WorkflowSpinningError
from nexus_sdk.runtimes.watchdog import ThreadWatchdog


def spin_under(watchdog: ThreadWatchdog) -> None:
    with watchdog.watching("a"):
        while True:
            pass


def test_a_block_that_spins_is_stopped() -> None:
    with pytest.raises(WorkflowSpinningError):
        spin_under(ThreadWatchdog(0.05))


def test_it_stops_one_after_another_and_after_a_rest() -> None:
    watchdog = ThreadWatchdog(0.05)
    for _ in range(3):
        with pytest.raises(WorkflowSpinningError):
            spin_under(watchdog)
        while not watchdog._is_asleep:
            time.sleep(0)


def test_a_block_has_all_its_time_however_many_began_before_it() -> None:
    watchdog = ThreadWatchdog(0.2)
    for _ in range(3):
        with watchdog.watching("a"):
            pass
    began = time.monotonic()
    with pytest.raises(WorkflowSpinningError):
        spin_under(watchdog)
    assert time.monotonic() - began >= 0.2


def test_short_blocks_do_not_wake_it() -> None:
    watchdog = ThreadWatchdog(60.0)
    wakes = 0
    notify = watchdog._lock.notify

    def counted(n: int = 1) -> None:
        nonlocal wakes
        wakes += 1
        notify(n)

    watchdog._lock.notify = counted
    for _ in range(100):
        with watchdog.watching("a"):
            pass
    assert wakes <= 1
