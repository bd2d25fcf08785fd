"""What a worker does not serve is left to others: soon, then later and later; and they go first."""

from __future__ import annotations

from nexus_sdk.engine.courtesy import LATEST_SECONDS, REMEMBERED_MAX, SOON_SECONDS, Courtesy
from nexus_sdk.testing.clock import FakeClock

SECOND = 1_000_000


def test_each_time_that_nobody_took_it_it_is_left_for_twice_as_long() -> None:
    clock = FakeClock()
    courtesy = Courtesy(clock)
    waits = [(courtesy.leave("order", 3) - clock.now_us()) / SECOND for _ in range(12)]
    assert waits[:4] == [SOON_SECONDS, 2 * SOON_SECONDS, 4 * SOON_SECONDS, 8 * SOON_SECONDS]
    assert waits[-1] == LATEST_SECONDS


def test_what_has_moved_on_begins_anew() -> None:
    clock = FakeClock()
    courtesy = Courtesy(clock)
    for _ in range(5):
        courtesy.leave("order", 3)
    assert courtesy.leave("order", 4) - clock.now_us() == SOON_SECONDS * SECOND


def test_it_looks_again_a_little_later_than_the_others() -> None:
    clock = FakeClock()
    courtesy = Courtesy(clock)
    left_us = courtesy.leave("order", 3)
    assert courtesy.is_left(left_us)
    assert courtesy.after(left_us) > left_us
    assert not courtesy.is_left(left_us + 1)
    clock.jump_to(left_us + 10 * SECOND)
    assert not courtesy.is_left(left_us)


def test_it_does_not_remember_for_ever() -> None:
    courtesy = Courtesy(FakeClock())
    for number in range(REMEMBERED_MAX + 10):
        courtesy.leave(f"order-{number}", 1)
    assert len(courtesy._left) == REMEMBERED_MAX
