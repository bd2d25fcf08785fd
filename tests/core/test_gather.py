"""`ctx.gather`: everything, in order."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, CancelledError, Context, workflow
from tests.core.acts import clean, other, work
from tests.core.driver import Driver, names


async def tidy(name: str) -> str:
    try:
        return await work(name)
    finally:
        await clean(name)


def test_results_come_in_the_order_of_the_arguments_not_of_completion() -> None:
    @workflow
    async def flow(ctx: Context):
        results = yield ctx.gather(work("a"), tidy("b"), ctx.sleep(1), work("d"))
        yield ctx.complete(results)

    driver = Driver(flow)
    assert names(driver.turn())[1:] == [
        "ActivityScheduled 0.0",
        "TimerStarted 0.2",
        "ActivityScheduled 0.3",
        "ActivityScheduled 0.1.0",
    ]
    driver.turn(driver.done("0.3", "D"), driver.done("0.1.0", "B"))
    driver.turn(after=1)
    driver.turn(driver.done("0.0", "A"))
    driver.play()
    assert driver.result == ["A", "B", None, "D"]


def test_the_first_failure_is_raised_and_what_was_started_is_cancelled() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(work("a"), work("b"), ctx.sleep(9), ctx.wait_for_event("e"))
        except ActivityFailed as error:
            yield ctx.complete(error.message)

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.failed("0.1", ValueError("no")))) == [
        "ActivityFailed 0.1",
        "ActivityCancelRequested 0.0",
        "TimerCancelled 0.2",
        "EventWaitCancelled 0.3",
        "WorkflowCompleted",
    ]
    assert driver.result == "no"


def test_a_result_after_the_failure_is_not_recorded() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(work("a"), work("b"))
        except ActivityFailed:
            yield ctx.sleep(1)

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.failed("0.1", ValueError()))
    assert driver.turn(driver.done("0.0", "late")) == []


def test_a_failing_gather_waits_for_the_clean_up_of_its_helpers() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(tidy("a"), tidy("b"), work("c"))
        except ActivityFailed:
            yield other("after")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.failed("0.2", ValueError()))
    assert driver.asked[3:] == ["clean('a')", "clean('b')"]
    driver.turn(driver.done("0.0.1"))
    assert driver.asked[5:] == []
    driver.turn(driver.done("0.1.1"))
    assert driver.asked[5:] == ["other('after')"]


def test_a_failure_during_the_clean_up_does_not_hide_the_first() -> None:
    async def messy() -> None:
        try:
            await work("a")
        finally:
            raise ValueError("mess")

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(messy(), work("b"))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.failed("0.1", KeyError("first")))
    assert driver.failure.type == "ActivityFailed"


def test_exceptions_can_be_results() -> None:
    async def raises() -> None:
        raise LookupError("helper")

    @workflow
    async def flow(ctx: Context):
        results = yield ctx.gather(work("a"), work("b"), raises(), return_exceptions=True)
        yield ctx.complete([each if isinstance(each, str) else type(each).__name__ for each in results])

    driver = Driver(flow).play(work=lambda item: ValueError() if item == "a" else item)
    assert driver.result == ["ActivityFailed", "b", "LookupError"]


def test_a_cancelled_element_is_a_result_too_when_exceptions_are() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(work("spawned"))
        spawned.cancel()
        results = yield ctx.gather(spawned, work("b"), return_exceptions=True)
        yield ctx.complete([type(each).__name__ for each in results])

    assert Driver(flow).play().result == ["CancelledError", "str"]


def test_a_cancelled_element_is_raised_otherwise() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(work("spawned"))
        spawned.cancel("enough")
        try:
            yield ctx.gather(spawned, work("b"))
        except CancelledError as error:
            yield ctx.complete(error.reason)

    assert Driver(flow).play().result == "enough"


def test_an_outlaw_is_never_a_result() -> None:
    class Outlaw(BaseException):
        pass

    async def raises() -> None:
        raise Outlaw

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(raises(), return_exceptions=True)

    assert Driver(flow).play().failure.type == "Outlaw"


def test_an_empty_gather_and_an_empty_map_are_done_at_once() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete([(yield ctx.gather()), (yield ctx.map(work, []))])

    driver = Driver(flow)
    assert names(driver.turn()) == ["WorkflowStarted", "WorkflowCompleted"]
    assert driver.result == [[], []]


@pytest.mark.parametrize("wrong", [1, None, work, tidy, "text"])
def test_what_cannot_be_run_is_refused_before_anything_starts(wrong: Any) -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(work("a"), wrong)
        except Exception as error:
            yield ctx.complete(str(error))

    # The refused gather used nothing: what was built for it is as unused as it looks.
    with pytest.raises(Exception, match="activity 'work' built at test_gather"):
        Driver(flow).turn()

    @workflow
    async def alone(ctx: Context):
        try:
            yield ctx.gather(wrong)
        except Exception as error:
            yield ctx.complete(str(error))

    assert "takes operations and called async def helpers" in Driver(alone).play().result


def test_thousands_of_elements_that_settle_at_once_need_no_recursion() -> None:
    async def at_once(number: int) -> int:
        return number

    @workflow
    async def flow(ctx: Context):
        done = ctx.spawn(at_once(1))
        yield done
        yield ctx.gather(*(done for _ in range(5_000)))
        yield ctx.gather(*(at_once(n) for n in range(5_000)))
        yield ctx.gather(*(ctx.wait_for_event("kept") for _ in range(2_000)))
        yield ctx.complete(sum((yield ctx.map(at_once, range(5_000)))))

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn(*(driver.event("kept", n) for n in range(2_000)))
    assert driver.result == sum(range(5_000))


def test_operations_are_used_by_what_they_are_passed_to() -> None:
    @workflow
    async def flow(ctx: Context):
        async with ctx.saga() as saga:
            saga.add(ctx.gather(work("undo"), other("undo")))  # never run: the saga ends well
            yield ctx.sleep(1)
        del saga
        yield ctx.sleep(1)

    assert Driver(flow).play().result is None


def test_a_gather_that_has_failed_before_all_was_started_starts_no_more() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.gather(
                work(object()), work("b"), tidy("c"), ctx.gather(work("d"), ctx.race(work("e"), tidy("f")))
            )
        except Exception as error:
            yield ctx.complete(type(error).__name__)

    driver = Driver(flow)
    assert names(driver.turn()) == ["WorkflowStarted", "WorkflowCompleted"]
    assert driver.result == "PayloadError"
