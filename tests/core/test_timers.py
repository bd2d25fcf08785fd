"""Durable timers, `ctx.timeout` blocks, and the timeout of a whole workflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nexus_sdk import Context, InvalidArgument, WaitTimedOut, workflow
from nexus_sdk.core import events as e
from tests.core.acts import clean, other, work
from tests.core.driver import START_US, Driver, names


async def tidy(name: str) -> str:
    try:
        return await work(name)
    finally:
        await clean(name)


def test_a_timer_fires_when_due_and_not_before() -> None:
    @workflow
    async def flow(ctx: Context):
        before = ctx.now()
        yield ctx.sleep("1h30m")
        yield ctx.complete((ctx.now() - before).total_seconds())

    driver = Driver(flow)
    started = driver.turn()[-1]
    assert isinstance(started, e.TimerStarted)
    assert started.due_us == START_US + 5400 * 1_000_000
    assert driver.turn(after=5399) == []
    driver.turn(after=1)
    assert driver.result == 5400


@pytest.mark.parametrize("when", [datetime(2001, 1, 1, tzinfo=UTC), datetime(1950, 1, 1, tzinfo=UTC)])
def test_a_moment_in_the_past_is_now(when: datetime) -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.sleep_until(when)

    driver = Driver(flow)
    driver.turn()
    assert driver.live.next_deadline_us() == START_US
    assert names(driver.turn()) == ["TimerFired 0", "WorkflowCompleted"]


def test_what_is_here_already_comes_before_a_timer_of_the_past() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.wait_for_event("go")
        winner = yield ctx.race(event=ctx.wait_for_event("e"), timer=ctx.sleep_until(datetime(2001, 1, 1, tzinfo=UTC)))
        yield ctx.complete(winner.name)

    together, apart = Driver(flow), Driver(flow)
    for driver in (together, apart):
        driver.turn()
    together.turn(together.event("go"), together.event("e"))
    apart.turn(apart.event("go"))
    apart.turn(apart.event("e"))
    assert together.result == apart.result == "event"


def test_sleep_until_takes_any_time_zone_but_needs_one() -> None:
    @workflow
    async def flow(ctx: Context):
        with pytest.raises(InvalidArgument, match="time zone"):
            ctx.sleep_until(datetime(2030, 1, 1))
        yield ctx.sleep_until(ctx.now() + timedelta(seconds=5))

    driver = Driver(flow)
    driver.turn()
    assert driver.live.next_deadline_us() == START_US + 5_000_000


def test_a_loop_of_zero_sleeps_takes_a_turn_for_each() -> None:
    @workflow
    async def flow(ctx: Context):
        for _ in range(3):
            yield ctx.sleep(0)

    driver = Driver(flow)
    driver.turn()
    for _ in range(2):
        assert names(driver.turn())[0].startswith("TimerFired")
        assert driver.live.end is None
    driver.turn()
    assert driver.live.end is not None


def test_timers_fire_in_the_order_of_their_moments_and_then_of_their_start() -> None:
    order: list[str] = []

    async def sleeper(ctx: Context, name: str, seconds: int) -> None:
        await ctx.sleep(seconds)
        await work(name)

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(sleeper(ctx, "c", 3), sleeper(ctx, "a", 1), sleeper(ctx, "b1", 2), sleeper(ctx, "b2", 2))

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=10)
    assert driver.asked == ["work('a')", "work('b1')", "work('b2')", "work('c')"]
    assert order == []


# --- ctx.timeout ---


@workflow
async def bounded(ctx: Context):
    try:
        async with ctx.timeout("10s"):
            yield ctx.gather(tidy("a"), work("b"))
            yield ctx.sleep("1h")
    except WaitTimedOut as error:
        yield other("timed out")
        yield ctx.complete(str(error))
    yield ctx.complete("in time")


def test_a_block_that_is_quick_enough_is_left_alone() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.timeout("10s"):
            yield work("a")
        yield ctx.sleep("1h")

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.done("1"), after=9))[1:] == ["TimerCancelled 0", "TimerStarted 2"]
    assert driver.turn(after=5) == []


def test_a_block_that_takes_too_long_raises_after_the_clean_up_of_its_helpers() -> None:
    driver = Driver(bounded)
    driver.turn()
    assert names(driver.turn(after=10)) == [
        "TimerFired 0",
        "ActivityCancelRequested 1.0.0",
        "ActivityCancelRequested 1.1",
        "ActivityScheduled 1.0.1",
    ] or names(driver.turn())
    assert driver.asked[2:] == ["clean('a')"]
    driver.play()
    assert driver.asked[3:] == ["other('timed out')"]
    assert "longer than the 10s" in driver.result


def test_a_timeout_can_be_caught_inside_its_block() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.timeout("1s"):
            try:
                yield ctx.sleep("1h")
            except WaitTimedOut:
                yield work("inside")
            yield ctx.sleep("2h")  # the time was up once; it is not up again
        yield ctx.complete("went on")

    driver = Driver(flow).play()
    assert driver.result == "went on"
    assert driver.now_us == START_US + 7_201 * 1_000_000


@pytest.mark.parametrize(("inner", "outer", "told"), [(1, 5, "inner"), (5, 1, "outer"), (3, 3, "outer")])
def test_of_nested_blocks_the_shorter_one_is_raised(inner: int, outer: int, told: str) -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.timeout(outer):
                try:
                    async with ctx.timeout(inner):
                        yield ctx.sleep("1h")
                except WaitTimedOut:
                    if inner < outer:
                        yield ctx.complete("inner")
                    raise
        except WaitTimedOut:
            yield ctx.complete("outer")

    assert Driver(flow).play().result == told


def test_both_blocks_late_the_inner_error_passes_and_the_outer_does_not_strike_again() -> None:
    @workflow
    async def flow(ctx: Context):
        seen: list[str] = []
        try:
            async with ctx.timeout(2), ctx.timeout(1):
                yield ctx.gather(tidy("a"))
        except WaitTimedOut as error:
            seen.append(str(error))
        yield other("after")
        yield ctx.complete(seen)

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=10)
    driver.play()
    assert "the 1s" in driver.result[0]
    assert driver.asked[-1] == "other('after')"


def test_a_timeout_reaches_only_the_fiber_of_its_block() -> None:
    async def bounded_helper(ctx: Context) -> Any:
        try:
            async with ctx.timeout(1):
                await ctx.sleep(9)
        except WaitTimedOut:
            return "bounded"

    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.gather(bounded_helper(ctx), ctx.sleep(5), work("x"))))

    assert Driver(flow).play().result == ["bounded", None, "x"]


def test_an_event_in_time_beats_a_late_timeout_block() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.timeout(8):
            yield ctx.complete((yield ctx.wait_for_event("e")))

    driver = Driver(flow)
    driver.turn()
    driver.now_us += 10_000_000
    driver.turn(driver.message(driver.event("e", "in time"), ago=2))
    assert driver.result == "in time"


def test_an_activity_has_a_deadline_for_all_its_attempts() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work.options(schedule_to_close="5s")("x")
        except Exception as error:
            yield ctx.complete([type(error).__name__, error.type])

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(after=5)) == ["TimerFired 0", "ActivityCancelRequested 0", "WorkflowCompleted"]
    assert driver.result == ["ActivityFailed", "TimedOut"]


# --- the timeout of a workflow ---


def test_a_workflow_past_its_timeout_fails_with_that_after_its_clean_up() -> None:
    @workflow(timeout="1m")
    async def flow(ctx: Context):
        try:
            yield ctx.sleep("1h")
        finally:
            yield clean("x")

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=60)
    assert driver.live.end is None
    driver.play()
    assert driver.failure.type == "WaitTimedOut"


def test_a_timeout_during_the_clean_up_of_a_cancel_changes_nothing() -> None:
    @workflow(timeout="1m")
    async def flow(ctx: Context):
        try:
            yield ctx.sleep("1h")
        finally:
            yield clean("x")
            yield clean("y")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel("enough"), after=59)
    driver.turn(after=1)
    driver.play()
    assert driver.is_cancelled
    assert driver.asked == ["clean('x')", "clean('y')"]


def test_a_workflow_in_time_is_not_kept_by_its_timeout() -> None:
    @workflow(timeout="1m")
    async def flow(ctx: Context):
        yield work("x")
        yield ctx.complete("in time")

    assert Driver(flow).play().result == "in time"
