"""What a worker does not serve is left to others: soon, then later and later; and they go first."""

from __future__ import annotations

from nexus_sdk.engine.courtesy import LATEST_SECONDS, REMEMBERED_MAX, SOON_SECONDS, Courtesy
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.environment import SeededRandomness

SECOND = 1_000_000


def new_courtesy(seed: int = 0) -> tuple[Courtesy, FakeClock]:
    clock = FakeClock()
    return Courtesy(clock, SeededRandomness(seed)), clock


def test_each_time_that_nobody_took_it_it_is_left_for_about_twice_as_long() -> None:
    courtesy, clock = new_courtesy()
    longest = SOON_SECONDS
    for _ in range(12):
        waited = (courtesy.leave("order", 3) - clock.now_us()) / SECOND
        assert longest / 2 <= waited <= longest
        longest = min(2 * longest, LATEST_SECONDS)
    assert longest == LATEST_SECONDS


def test_what_has_moved_on_begins_anew() -> None:
    courtesy, clock = new_courtesy()
    for _ in range(5):
        courtesy.leave("order", 3)
    assert courtesy.leave("order", 4) - clock.now_us() <= SOON_SECONDS * SECOND


def test_it_looks_again_a_little_later_than_the_others() -> None:
    courtesy, clock = new_courtesy()
    left_us = courtesy.leave("order", 3)
    assert courtesy.when_to_look(left_us) > left_us
    assert courtesy.when_to_look(left_us + 1) == left_us + 1
    clock.jump_to(left_us + 10 * SECOND)
    assert courtesy.when_to_look(left_us) == left_us


def test_what_two_workers_leave_to_each_other_does_not_fall_due_at_one_moment() -> None:
    one, two = new_courtesy(1)[0], new_courtesy(2)[0]
    assert one.leave("a", 1) != two.leave("b", 1)


def test_it_does_not_remember_for_ever() -> None:
    courtesy, _ = new_courtesy()
    for number in range(REMEMBERED_MAX + 10):
        courtesy.leave(f"order-{number}", 1)
    assert len(courtesy._left) == REMEMBERED_MAX
