"""`ctx.continue_as_new` and child workflows."""

from __future__ import annotations

import pytest

from nexus_sdk import CancelledError, ChildWorkflowFailed, Context, workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Identity
from tests.core.acts import clean, work
from tests.core.driver import Driver, names, value_of


@workflow
async def again(ctx: Context, number: int = 0):
    yield ctx.wait_for_event("go")
    yield ctx.continue_as_new(number + 1)


def test_the_next_run_gets_its_arguments_by_name() -> None:
    driver = Driver(again, 3)
    driver.turn()
    end = driver.turn(driver.event("go"))[-1]
    assert isinstance(end, e.ContinuedAsNew)
    assert value_of(end.arguments) == {"number": 4}
    assert end.next_run_id == "next-1"


def test_unread_events_are_carried_over_in_order() -> None:
    driver = Driver(again)
    kept = [driver.event("b", 1), driver.event("a", 2), driver.event("b", 3)]
    driver.turn(*kept)
    driver.turn(driver.event("go"))
    assert list(driver.live.unread()) == kept


def test_carried_events_are_read_first() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete([await ctx.wait_for_event("e") for _ in range(3)])

    box = Driver(again)
    driver = Driver(flow, carried=(box.event("e", 1), box.event("e", 2)))
    driver.turn(driver.event("e", 3))
    driver.play()
    assert driver.result == [1, 2, 3]


def test_an_event_that_was_read_is_not_carried() -> None:
    driver = Driver(again)
    driver.turn(driver.event("go"))
    assert list(driver.live.unread()) == []


@workflow
async def tidies(ctx: Context):
    try:
        yield ctx.continue_as_new()
    finally:
        yield clean("x")


def test_a_cancel_that_came_too_late_for_this_run_is_carried_to_the_next() -> None:
    driver = Driver(tidies)
    driver.turn()
    driver.turn(driver.cancel("enough"))
    driver.play()
    assert isinstance(driver.live.end, e.ContinuedAsNew)
    assert driver.live.unread() == (e.CancelRequested("enough"),)


def test_a_carried_cancel_strikes_at_the_first_step_of_the_next_run() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.continue_as_new()
        except CancelledError as error:
            yield clean(error.reason)
            raise

    driver = Driver(flow, carried=(e.CancelRequested("enough"),)).play()
    assert driver.is_cancelled
    assert driver.asked == ["clean('enough')"]


def test_a_delivered_cancel_is_not_carried() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.sleep(9)
        except CancelledError:
            yield ctx.continue_as_new()

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.cancel())
    assert isinstance(driver.live.end, e.ContinuedAsNew)
    assert driver.live.unread() == ()


def test_the_timeout_of_this_run_is_not_carried_to_the_next() -> None:
    @workflow(timeout="1m")
    async def flow(ctx: Context):
        try:
            yield ctx.continue_as_new()
        finally:
            yield clean("x")

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=60)
    driver.play()
    assert isinstance(driver.live.end, e.ContinuedAsNew)
    assert driver.live.unread() == ()


def test_what_is_outstanding_is_cancelled() -> None:
    @workflow
    async def flow(ctx: Context):
        ctx.spawn(work("x"))
        ctx.spawn(child(1))
        ctx.spawn(child.options(detached=True)(2))
        yield ctx.sleep(1)
        yield ctx.continue_as_new()

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(after=1))[1:] == ["ActivityCancelRequested 0", "ChildCancelRequested 1", "ContinuedAsNew"]


def test_wrong_arguments_are_a_type_error_at_that_line() -> None:
    @workflow
    async def flow(ctx: Context, number: int = 0):
        try:
            yield ctx.continue_as_new(1, 2)
        except TypeError as error:
            yield ctx.complete(str(error))

    assert "too many positional arguments" in Driver(flow).play().result


# --- children ---


@workflow
async def child(ctx: Context, item: int) -> None:
    await work(item)


def test_a_child_has_the_id_of_its_parent_and_its_place() -> None:
    @workflow
    async def flow(ctx: Context):
        yield child(1)
        yield ctx.gather(child(2), child.options(id="mine")(3))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.child_done("0"))
    ids = [event.instance_id for event in driver.history if isinstance(event, e.ChildScheduled)]
    assert ids == ["order-42/0", "order-42/1.0", "mine"]


def test_ids_of_children_differ_from_run_to_run_and_stay_short_enough() -> None:
    def identity(instance_id: str, run: int) -> Identity:
        return Identity(instance_id, f"run-{run}", run, "flow", "1")

    assert identity("order", 1).child_id("3.0") == "order/3.0"
    assert identity("order", 2).child_id("3.0") == "order/r2/3.0"
    deep = identity("x" * 250, 2).child_id("3.0.1")
    assert len(deep) <= 256
    assert deep == identity("x" * 250, 2).child_id("3.0.1") != identity("x" * 250, 2).child_id("3.0.2")


def test_the_outcome_of_a_child_comes_back() -> None:
    @workflow
    async def flow(ctx: Context):
        good = yield child(1)
        try:
            yield child(2)
        except ChildWorkflowFailed as error:
            yield ctx.complete([good, error.instance_id, error.type, error.is_type(LookupError)])

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.child_done("0"))
    driver.turn(driver.child_failed("1", KeyError("k")))
    assert driver.result == [None, "order-42/1", "KeyError", True]


@pytest.mark.parametrize("detached", [False, True])
def test_a_losing_child_is_asked_to_stop_and_not_awaited_unless_detached(detached: bool) -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.race(child.options(detached=detached)(1), work("quick"))
        yield ctx.sleep(1)

    driver = Driver(flow)
    driver.turn()
    asked = names(driver.turn(driver.done("0.1")))[1:]
    assert asked == [*([] if detached else ["ChildCancelRequested 0.0"]), "TimerStarted 1"]
    assert driver.turn(driver.child_failed("0.0", CancelledError())) == []


@pytest.mark.parametrize("end", ["completes", "fails", "is cancelled"])
def test_however_a_parent_ends_its_attached_children_are_cancelled(end: str) -> None:
    @workflow
    async def flow(ctx: Context):
        ctx.spawn(child(1))
        ctx.spawn(child.options(detached=True)(2))
        yield ctx.sleep(1)
        if end == "fails":
            raise ValueError("no")
        yield ctx.complete()

    driver = Driver(flow)
    driver.turn()
    events = driver.turn(driver.cancel()) if end == "is cancelled" else driver.turn(after=1)
    assert [name for name in names(events) if name.startswith("Child")] == ["ChildCancelRequested 0"]
