"""`ctx.saga()`: what completed is undone, newest first, if the block raises."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, CancelledError, CompensationFailed, Context, WaitTimedOut, activity, workflow
from tests.core.acts import book, other, unbook, work
from tests.core.driver import Driver, names


async def booked(name: str) -> Any:
    return await book(name)


def test_undos_run_newest_first() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            yield work("no undo")
            yield book("b")
            raise ValueError("no")

    driver = Driver(flow).play()
    assert driver.asked[3:] == ["unbook('b')", "unbook('a')"]
    assert driver.failure.type == "ValueError"


def test_undos_follow_completion_not_start() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.gather(book("a"), book("b"), book("c"))
            raise ValueError("no")

    driver = Driver(flow)
    driver.turn()
    for index in (1, 0, 2):
        driver.turn(driver.done(f"0.{index}", "abc"[index]))
    driver.play()
    assert driver.asked[3:] == ["unbook('c')", "unbook('a')", "unbook('b')"]


def test_the_result_is_what_an_undo_gets_and_a_failed_activity_has_none() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("good")
            yield book("bad")

    driver = Driver(flow).play(book=lambda what: ValueError() if what == "bad" else {"receipt": what})
    assert driver.asked[2:] == ["unbook({'receipt': 'good'})"]
    assert driver.failure.type == "ActivityFailed"


def test_ending_well_or_by_complete_undoes_nothing() -> None:
    @workflow
    async def well(ctx: Context):
        async with ctx.saga():
            yield book("a")
        yield work("after")

    @workflow
    async def completes(ctx: Context):
        async with ctx.saga():
            yield book("a")
            yield ctx.complete("done")

    @workflow
    async def completes_in_a_helper(ctx: Context):
        async def helper() -> None:
            async with ctx.saga():
                await book("b")
                await ctx.complete("done")

        async with ctx.saga():
            yield book("a")
            yield ctx.gather(helper())

    for flow in (well, completes, completes_in_a_helper):
        assert "unbook" not in "".join(Driver(flow).play().asked)


def test_undos_by_hand_take_their_place_in_the_order() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga() as saga:
            yield book("a")
            saga.add(other("by hand"))
            yield book("b")
            saga.add(ctx.gather(work("one"), work("two")))
            raise ValueError("no")

    driver = Driver(flow).play()
    assert driver.asked[2:] == ["work('one')", "work('two')", "unbook('b')", "other('by hand')", "unbook('a')"]


def test_a_nested_saga_that_ends_well_hands_its_undos_over() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            async with ctx.saga():
                yield book("b")
            yield book("c")
            raise ValueError("no")

    assert Driver(flow).play().asked[3:] == ["unbook('c')", "unbook('b')", "unbook('a')"]


def test_a_nested_saga_that_fails_undoes_its_own_only() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            try:
                async with ctx.saga():
                    yield book("b")
                    raise ValueError("inner")
            except ValueError:
                yield work("went on")
            yield book("c")

    driver = Driver(flow).play()
    assert driver.asked[2:] == ["unbook('b')", "work('went on')", "book('c')"]
    assert driver.live.end is not None


def test_every_undo_is_tried_and_those_that_failed_are_named() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.saga():
                for name in "abc":
                    yield book(name)
                raise ValueError("the reason")
        except CompensationFailed as error:
            yield ctx.complete(
                [str(error), str(error.__cause__), [(name, type(cause).__name__) for name, cause in error.failures]]
            )

    driver = Driver(flow).play(unbook=lambda booking: None if booking == "b" else OSError(f"stuck {booking}"))
    said, cause, failures = driver.result
    assert cause == "the reason"
    assert driver.asked[3:] == ["unbook('c')", "unbook('b')", "unbook('a')"]
    assert failures == [("undo of 'book'", "ActivityFailed")] * 2
    assert "2 undos" in said
    assert "stuck c" in said
    assert "stuck a" in said


def test_an_undo_that_cannot_even_be_built_counts_as_failed() -> None:
    @activity
    async def needs_two(one: Any, two: Any) -> Any: ...

    @activity(compensate=needs_two)
    async def wrong(item: Any) -> Any: ...

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            yield wrong("b")
            raise ValueError("no")

    driver = Driver(flow).play()
    assert driver.failure.type == "CompensationFailed"
    assert driver.asked[2:] == ["unbook('a')"]


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_what_is_in_flight_is_awaited_and_undone_if_it_completed(outcome: str) -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.gather(book("a"), book("slow"), work("fails"))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.0", "a"))
    driver.turn(driver.failed("0.2", ValueError()))
    assert "unbook" not in "".join(driver.asked), "the truth about the slow one is not known yet"
    driver.turn(driver.done("0.1", "slow") if outcome == "completed" else driver.failed("0.1", OSError()))
    driver.play()
    assert driver.asked[3:] == [*(["unbook('slow')"] if outcome == "completed" else []), "unbook('a')"]
    assert driver.failure.type == "ActivityFailed"


def test_a_cancel_that_the_worker_obeyed_leaves_nothing_to_undo() -> None:
    from nexus_sdk.core import events as e

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.gather(book("slow"), work("fails"))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.failed("0.1", ValueError()))
    driver.turn(e.ActivityCancelled("0.0"))
    assert driver.live.end is not None
    assert driver.asked == ["book('slow')", "work('fails')"]


def test_what_was_scheduled_and_cancelled_in_one_turn_never_ran() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            ctx.spawn(book("never sent")).cancel()
            raise ValueError("no")
        yield

    driver = Driver(flow)
    driver.turn()
    assert driver.failure.type == "ValueError"


def test_a_race_loser_that_completed_all_the_same_is_undone_if_the_saga_fails_later() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.race(book("slow"), ctx.sleep(1))
            yield work("more")

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    driver.turn(driver.done("0.0", "slow"))
    driver.turn(driver.failed("1", ValueError()))
    assert driver.asked[2:] == ["unbook('slow')"]


def test_it_is_shielded_from_timeouts() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.timeout("10s"), ctx.saga():
                yield book("a")
                yield book("b")
                raise ValueError("no")
        except ValueError:
            yield ctx.complete("undone")
        except WaitTimedOut:
            yield ctx.complete("struck")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("1", "a"))
    driver.turn(driver.done("2", "b"))
    driver.turn(after=11)
    driver.play()
    assert driver.asked[2:] == ["unbook('b')", "unbook('a')"]
    assert driver.result == "undone"


def test_a_timeout_of_the_block_is_a_reason_to_undo() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.saga(), ctx.timeout("10s"):
                yield book("a")
                yield ctx.sleep("1h")
        except WaitTimedOut:
            yield work("late")

    assert Driver(flow).play().asked == ["book('a')", "unbook('a')", "work('late')"]


def test_a_saga_around_helpers_undoes_what_they_did() -> None:
    async def fails() -> None:
        await book("c")
        raise ValueError("helper")

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.gather(booked("a"), booked("b"), fails())

    driver = Driver(flow).play()
    assert sorted(driver.asked[3:]) == ["unbook('a')", "unbook('b')", "unbook('c')"]


def test_a_saga_inside_a_helper_of_a_gather_that_fails_undoes_its_own() -> None:
    async def saga(ctx: Context) -> None:
        async with ctx.saga():
            await book("a")
            await work("long")

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(saga(ctx), other("fails"))
        except ActivityFailed:
            yield work("after")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.0.0", "a"))
    driver.turn(driver.failed("0.1", ValueError()))
    driver.play()
    assert driver.asked[3:] == ["unbook('a')", "work('after')"]


def test_spawned_helpers_are_stopped_and_their_clean_up_awaited_before_the_undos() -> None:
    async def background(ctx: Context) -> None:
        try:
            await ctx.gather(booked("background"), ctx.sleep("1h"))
        finally:
            await work("clean 1")
            await work("clean 2")

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            ctx.spawn(background(ctx))
            yield book("a")
            yield ctx.sleep(1)
            raise ValueError("no")

    driver = Driver(flow)
    driver.turn()
    driver.play()
    assert driver.asked[2:] == ["work('clean 1')", "work('clean 2')", "unbook('a')", "unbook('background')"] or (
        driver.asked[2:] == ["work('clean 1')", "work('clean 2')", "unbook('background')", "unbook('a')"]
    )


def test_continue_as_new_inside_a_saga_is_an_error_wherever_it_is_called() -> None:
    async def helper(ctx: Context) -> None:
        await ctx.continue_as_new()

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield ctx.continue_as_new()

    @workflow
    async def in_a_helper(ctx: Context):
        async with ctx.saga():
            yield ctx.gather(helper(ctx))

    @workflow
    async def in_an_older_helper(ctx: Context):
        async def waits() -> None:
            await ctx.sleep(1)
            await ctx.continue_as_new()

        spawned = ctx.spawn(waits())
        async with ctx.saga():
            yield spawned

    for workflow_ in (flow, in_a_helper, in_an_older_helper):
        failure = Driver(workflow_).play().failure
        assert failure.type == "DefinitionError"
        assert "saga" in failure.message


def test_an_undo_is_not_itself_undone() -> None:
    @activity(compensate=unbook)
    async def risky_undo(item: Any) -> Any: ...

    @activity(compensate=risky_undo)
    async def risky(item: Any) -> Any: ...

    @workflow
    async def flow(ctx: Context):
        async with ctx.saga():
            yield book("a")
            async with ctx.saga():
                yield risky("b")
                raise ValueError("no")

    driver = Driver(flow).play()
    assert driver.asked[2:] == ["risky_undo('b')", "unbook('a')"]


def test_a_cancelled_saga_is_undone_and_stays_cancelled() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            async with ctx.saga():
                yield book("a")
                yield ctx.wait_for_event("never")
        except CancelledError:
            yield work("told")
            raise

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0", "a"))
    driver.turn(driver.cancel())
    driver.play()
    assert driver.asked[1:] == ["unbook('a')", "work('told')"]
    assert names(driver.history)[-1] == "WorkflowCancelled"
