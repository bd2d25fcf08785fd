"""The two shapes of workflow, and how each of them ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from nexus_sdk import CancelledError, Context, workflow
from nexus_sdk.core import events as e
from tests.core.acts import clean, other, work
from tests.core.driver import Driver, names


def test_an_async_generator_yields_its_steps_and_completes() -> None:
    @workflow
    async def flow(ctx: Context, item: int):
        first = yield work(item)
        second = yield other(first + 1)
        yield ctx.complete([first, second])

    driver = Driver(flow, 1)
    assert names(driver.turn()) == ["WorkflowStarted", "ActivityScheduled 0"]
    assert names(driver.turn(driver.done("0", 10))) == ["ActivityCompleted 0", "ActivityScheduled 1"]
    assert names(driver.turn(driver.done("1", 20))) == ["ActivityCompleted 1", "WorkflowCompleted"]
    assert driver.result == [10, 20]


def test_a_coroutine_awaits_its_steps_and_returns() -> None:
    @workflow
    async def flow(ctx: Context, item: int) -> list[int]:
        return [await work(item), await other(item + 1)]

    driver = Driver(flow, 1).play()
    assert driver.result == [1, 2]
    assert driver.asked == ["work(1)", "other(2)"]


def test_yield_and_await_mean_the_same_in_one_body() -> None:
    async def helper(item: str) -> Any:
        return [await work(item), await other(item)]

    @workflow
    async def flow(ctx: Context):
        a = yield work("a")
        b = await work("b")
        c = await helper("c")
        d = yield ctx.gather(work("d"), other("e"))
        await ctx.sleep(1)
        yield ctx.sleep(1)
        await ctx.complete([a, b, c, d])

    assert Driver(flow).play().result == ["a", "b", ["c", "c"], ["d", "e"]]


def test_a_failure_is_raised_at_the_line_that_asked_whichever_way() -> None:
    @workflow
    async def flow(ctx: Context):
        seen = []
        try:
            yield work(1)
        except Exception as error:
            seen.append(str(error))
        try:
            await other(2)
        except Exception as error:
            seen.append(str(error))
            seen.append((yield work(3)))
        yield ctx.complete(seen)

    def answer(item: int) -> Any:
        return ValueError("one") if item == 1 else item

    driver = Driver(flow).play(work=answer, other=KeyError("two"))
    assert "ValueError: one" in driver.result[0]
    assert "KeyError" in driver.result[1]
    assert driver.result[2] == 3


def test_falling_off_the_end_completes_with_nothing() -> None:
    @workflow
    async def flow(ctx: Context):
        yield work(1)

    @workflow
    async def coroutine(ctx: Context) -> None:
        await work(1)

    assert Driver(flow).play().result is None
    assert Driver(coroutine).play().result is None


def test_a_body_without_any_step_ends_in_its_first_turn() -> None:
    @workflow
    async def flow(ctx: Context):
        return
        yield

    @workflow
    async def coroutine(ctx: Context) -> str:
        return "at once"

    driver = Driver(flow)
    assert names(driver.turn()) == ["WorkflowStarted", "WorkflowCompleted"]
    assert Driver(coroutine).play().result == "at once"


def test_complete_in_the_middle_runs_finally_blocks_with_their_durable_work() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            try:
                yield ctx.complete("done")
                yield work("never")
            finally:
                yield clean("inner")
        finally:
            await clean("outer")

    driver = Driver(flow).play()
    assert driver.result == "done"
    assert driver.asked == ["clean('inner')", "clean('outer')"]


def test_complete_inside_a_helper_ends_the_workflow() -> None:
    async def deep(ctx: Context) -> None:
        try:
            await ctx.complete("from the depth")
        finally:
            await clean("deep")

    async def helper(ctx: Context) -> None:
        await deep(ctx)
        await work("never")

    @workflow
    async def flow(ctx: Context):
        try:
            await helper(ctx)
            yield work("never")
        finally:
            yield clean("body")

    driver = Driver(flow).play()
    assert driver.result == "from the depth"
    assert driver.asked == ["clean('deep')", "clean('body')"]


def test_complete_inside_a_gathered_helper_ends_the_workflow_after_everybodys_clean_up() -> None:
    async def quick(ctx: Context) -> None:
        await work("first")
        try:
            await ctx.complete("early")
        finally:
            await clean("quick")

    async def slow(ctx: Context) -> None:
        try:
            await other("slow")
        finally:
            await clean("slow")

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(quick(ctx), slow(ctx))
            yield work("never")
        finally:
            yield clean("body")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.0.0"))
    assert "ActivityCancelRequested 0.1.0" in names(driver.history)
    driver.play()
    assert driver.result == "early"
    assert sorted(driver.asked[2:4]) == ["clean('quick')", "clean('slow')"]
    assert driver.asked[4:] == ["clean('body')"]


def test_complete_in_the_clean_up_of_a_helper_that_is_being_cancelled_does_not_hang() -> None:
    async def helper(ctx: Context) -> None:
        try:
            await ctx.complete("first")
        finally:
            await ctx.complete("second")

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(helper(ctx), work("x"))

    assert Driver(flow).play().result == "second"


def test_complete_in_the_clean_up_of_a_spawned_helper_comes_too_late() -> None:
    async def helper(ctx: Context) -> None:
        try:
            await ctx.sleep("1h")
        finally:
            await ctx.complete("too late")

    @workflow
    async def flow(ctx: Context) -> str:
        ctx.spawn(helper(ctx))
        await work("x")
        return "in time"

    assert Driver(flow).play().result == "in time"


def test_swallowing_the_unwinding_changes_nothing() -> None:
    @workflow
    async def flow(ctx: Context):
        with suppress(BaseException):
            yield ctx.complete("first")
        yield work("after")

    driver = Driver(flow).play()
    assert driver.result == "first"
    assert driver.asked == ["work('after')"]


def test_returning_something_else_after_complete_changes_nothing() -> None:
    @workflow
    async def flow(ctx: Context) -> str:
        try:
            await ctx.complete("completed")
        except BaseException:
            return "returned"

    assert Driver(flow).play().result == "completed"


def test_an_exception_while_unwinding_wins_over_complete() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.complete("done")
        finally:
            raise ValueError("in finally")

    driver = Driver(flow).play()
    assert (driver.failure.type, driver.failure.message) == ("ValueError", "in finally")


def test_a_result_that_cannot_be_encoded_is_raised_at_complete() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.complete(object())
        except Exception as error:
            yield ctx.complete(type(error).__name__)

    @workflow
    async def coroutine(ctx: Context) -> Any:
        return object()

    assert Driver(flow).play().result == "PayloadError"
    assert Driver(coroutine).play().failure.type == "PayloadError"


def test_arguments_that_cannot_be_encoded_are_raised_at_the_yield() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work(object())
        except Exception as error:
            yield work(type(error).__name__)

    assert Driver(flow).play().asked == ["work('PayloadError')"]


def test_a_helper_can_be_a_context_manager_and_an_inner_generator() -> None:
    class Resource:
        async def __aenter__(self) -> Any:
            return await work("open")

        async def __aexit__(self, *_: object) -> None:
            await clean("close")

    async def steps(count: int):
        for number in range(count):
            await ctx_sleep()
            yield await work(number)

    @workflow
    async def flow(ctx: Context):
        nonlocal ctx_sleep
        ctx_sleep = lambda: ctx.sleep(1)  # noqa: E731
        seen = []
        async with Resource() as opened:
            async for step in steps(2):
                seen.append(step)
        yield ctx.complete([opened, *seen])

    ctx_sleep: Any = None
    driver = Driver(flow).play()
    assert driver.result == ["open", 0, 1]
    assert driver.asked == ["work('open')", "work(0)", "work(1)", "clean('close')"]


def test_the_end_stops_what_still_runs() -> None:
    @workflow
    async def flow(ctx: Context):
        ctx.spawn(work("long"))
        ctx.spawn(ctx.sleep("1h"))
        ctx.spawn(ctx.wait_for_event("never"))
        yield other("x")

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.done("3")))[1:] == [
        "ActivityCancelRequested 0",
        "TimerCancelled 1",
        "EventWaitCancelled 2",
        "WorkflowCompleted",
    ]


def test_nothing_moves_a_finished_run() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete(1)

    driver = Driver(flow).play()
    assert driver.turn(driver.event("late"), driver.cancel()) == []
    assert [message.event for message in driver.last.left] == [driver.event("late"), driver.cancel()]


@pytest.mark.parametrize("shape", ["generator", "coroutine"])
def test_cancelled_error_raised_by_the_body_itself_ends_it_as_cancelled(shape: str) -> None:
    @workflow
    async def generator(ctx: Context):
        yield work(1)
        raise CancelledError("enough")

    @workflow
    async def coroutine(ctx: Context) -> None:
        await work(1)
        raise CancelledError("enough")

    driver = Driver(generator if shape == "generator" else coroutine).play()
    assert isinstance(driver.live.end, e.WorkflowCancelled)
    assert driver.live.end.reason == "enough"
