"""Cancellation arrives once, at the yield of the main body; the workflow may answer it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from nexus_sdk import CancelledError, Context, workflow
from nexus_sdk.core import events as e
from tests.core.acts import book, clean, other, work
from tests.core.driver import START_US, Driver, names


async def tidy(name: str) -> str:
    try:
        return await work(name)
    finally:
        await clean(name)
        await clean(f"{name} again")


def test_it_is_raised_at_the_yield_and_what_was_waited_for_is_cancelled() -> None:
    @workflow
    async def flow(ctx: Context):
        yield work("x")

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.cancel("enough"))) == [
        "CancelRequested",
        "ActivityCancelRequested 0",
        "WorkflowCancelled",
    ]
    assert isinstance(driver.live.end, e.WorkflowCancelled)
    assert driver.live.end.reason == "enough"


def test_finally_and_except_do_durable_work() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            try:
                yield work("x")
            except CancelledError as error:
                yield other(error.reason)
                raise
        finally:
            yield clean("x")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel("enough"))
    driver.play()
    assert driver.asked == ["work('x')", "other('enough')", "clean('x')"]
    assert driver.is_cancelled


def test_swallowing_it_lets_the_workflow_go_on_and_it_does_not_come_again() -> None:
    @workflow
    async def flow(ctx: Context):
        with suppress(CancelledError):
            yield work("x")
        yield work("y")
        yield ctx.complete("went on")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    assert names(driver.turn(driver.cancel("again"))) == ["CancelRequested"]
    driver.play()
    assert driver.result == "went on"


def test_another_exception_in_its_place_fails_the_workflow() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work("x")
        except CancelledError:
            raise ValueError("no") from None

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    assert driver.failure.type == "ValueError"


def test_together_with_the_start_it_strikes_at_the_first_step() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work("x")
        finally:
            yield clean("x")

    driver = Driver(flow)
    driver.turn(driver.cancel())
    driver.play()
    assert driver.is_cancelled
    assert driver.asked == ["work('x')", "clean('x')"]


def test_before_a_delayed_start_no_code_runs() -> None:
    @workflow
    async def flow(ctx: Context):
        yield work("x")

    driver = Driver(flow, start_at_us=START_US + 10_000_000)
    assert names(driver.turn(driver.cancel("early"))) == ["CancelRequested", "WorkflowCancelled"]
    assert driver.asked == []


def test_during_a_gather_it_is_raised_after_the_clean_up_of_the_helpers() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(tidy("a"), ctx.map(tidy, ["b", "c"]), ctx.race(tidy("d"), work("e")))
        except CancelledError:
            yield other("after")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    driver.play()
    for name in "abcd":
        assert f"clean('{name} again')" in driver.asked
    assert driver.asked[-1] == "other('after')"


def test_a_failure_during_that_clean_up_does_not_replace_it() -> None:
    async def messy() -> None:
        try:
            await work("x")
        finally:
            raise ValueError("mess")

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(messy(), tidy("a"))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    driver.play()
    assert driver.is_cancelled


def test_it_goes_to_the_main_body_and_not_to_spawned_helpers() -> None:
    async def helper() -> str:
        try:
            return await work("helper")
        except CancelledError:
            return "cancelled"

    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(helper())
        try:
            yield ctx.sleep(9)
        except CancelledError:
            yield ctx.complete((yield spawned))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    driver.play()
    assert driver.result == "helper"


def test_during_compensation_it_is_deferred_to_the_next_step() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.saga():
                yield book("a")
                yield book("b")
                raise ValueError("no")
        except ValueError:
            pass
        try:
            yield work("after")
        except CancelledError:
            yield other("cancelled")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0", "a"))
    driver.turn(driver.done("1", "b"))
    assert names(driver.turn(driver.cancel())) == ["CancelRequested"]
    driver.turn(driver.done("2"))
    driver.turn(driver.done("3"))
    assert driver.asked[2:] == ["unbook('b')", "unbook('a')", "work('after')", "other('cancelled')"]


def test_deferred_it_strikes_at_complete_which_then_does_not_happen() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.saga():
                yield book("a")
                raise ValueError("no")
        except ValueError:
            pass
        try:
            yield ctx.complete("never")
        except CancelledError:
            yield clean("x")
            yield clean("y")
            raise

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0", "a"))
    driver.turn(driver.cancel())
    driver.play()
    assert driver.asked[2:] == ["clean('x')", "clean('y')"]
    assert driver.is_cancelled


def test_a_compensation_that_a_cancel_began_runs_to_its_end() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            yield work("long")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0", "a"))
    driver.turn(driver.cancel())
    driver.turn(driver.cancel("again"))
    driver.play()
    assert driver.asked == ["book('a')", "work('long')", "unbook('a')"]
    assert driver.is_cancelled


def test_after_complete_it_is_ignored() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.complete("done")
        finally:
            yield clean("x")
            yield clean("y")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    driver.play()
    assert driver.result == "done"
    assert driver.asked == ["clean('x')", "clean('y')"]


@pytest.mark.parametrize("is_meant", [True, False])
def test_a_parents_cancel_reaches_only_its_own_child(is_meant: bool) -> None:
    @workflow
    async def flow(ctx: Context):
        yield work("x")

    mine = e.ParentRef("parent", "run-1", "0")
    driver = Driver(flow, parent=mine)
    driver.turn()
    asking = mine if is_meant else e.ParentRef("parent", "run-2", "0")
    driver.turn(e.CancelRequested("the parent ended", asking))
    assert driver.is_cancelled == is_meant


def test_a_message_for_another_run_is_used_up_unrecorded() -> None:
    @workflow
    async def flow(ctx: Context):
        yield work("x")

    driver = Driver(flow)
    driver.turn()
    message = driver.message(driver.cancel(), run_id="run-0")
    assert driver.turn(message) == []
    assert driver.last.used == (message,)


def test_what_is_scheduled_and_cancelled_in_one_turn_is_recorded_as_both() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(work("x"))
        spawned.cancel()
        yield ctx.sleep(1)

    driver = Driver(flow)
    assert names(driver.turn())[1:] == ["ActivityScheduled 0", "ActivityCancelRequested 0", "TimerStarted 1"]
