"""Code and history disagree: each kind of edit is told with instance, operation, both sites, and both sides."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest

from nexus_sdk import Context, NonDeterminismError, workflow
from tests.core.acts import other, work
from tests.core.driver import Driver


@workflow
async def child(ctx: Context, item: int = 0):
    yield work(item)


@workflow
async def second_child(ctx: Context, item: int = 0):
    yield work(item)


async def helper(name: str) -> Any:
    return await work(name)


def steps(*makes: Any) -> Any:
    """A workflow of these steps, each a function of `ctx`."""

    @workflow(name="flow")
    async def flow(ctx: Context):
        for make in makes:
            yield make(ctx)

    return flow


def work_(ctx: Context) -> Any:
    return work(1)


def other_(ctx: Context) -> Any:
    return other(2)


def timer(ctx: Context) -> Any:
    return ctx.sleep(1)


def wait(ctx: Context) -> Any:
    return ctx.wait_for_event("approved")


EDITS = {
    "an activity renamed": (
        [work_],
        [other_],
        "operation 0",
        "history has activity 'work'",
        "asks for activity 'other'",
    ),
    "an activity became a timer": ([work_], [timer], "operation 0", "has activity 'work'", "asks for a timer"),
    "a timer became an activity": ([timer], [work_], "operation 0", "has a timer", "asks for activity 'work'"),
    "a timer became a wait": ([timer], [wait], "operation 0", "has a timer", "asks for a wait for event 'approved'"),
    "a wait for another event": (
        [wait],
        [lambda ctx: ctx.wait_for_event("rejected")],
        "operation 0",
        "has a wait for event 'approved'",
        "asks for a wait for event 'rejected'",
    ),
    "a child became another": (
        [lambda ctx: child(1)],
        [lambda ctx: second_child(1)],
        "operation 0",
        "has child workflow 'child'",
        "asks for child workflow 'second_child'",
    ),
    "an activity became a child": ([work_], [lambda ctx: child(1)], "operation 0", "has activity", "child workflow"),
    "an event to somebody became a side effect": (
        [lambda ctx: ctx.send_event("friend", "hi")],
        [lambda ctx: ctx.side_effect(lambda: 1)],
        "operation 0",
        "has event 'hi' to 'friend'",
        "asks for a side effect",
    ),
    "an event of another name": (
        [lambda ctx: ctx.send_event("friend", "hi")],
        [lambda ctx: ctx.send_event("friend", "bye")],
        "operation 0",
        "has event 'hi' to 'friend'",
        "asks for event 'bye' to 'friend'",
    ),
    "a step inserted in front": ([work_], [timer, work_], "operation 0", "has activity 'work'", "asks for a timer"),
    "a step removed": ([work_, other_], [other_], "operation 0", "has activity 'work'", "asks for activity 'other'"),
    "all steps removed": ([work_], [], "", "has activity 'work'", "asks for the end of the workflow"),
    "one step became a gather": (
        [work_],
        [lambda ctx: ctx.gather(work(1))],
        "operation 0.0",
        "has activity 'work'",
        "asks for activity 'work'",
    ),
    "a gather grew": (
        [lambda ctx: ctx.gather(work(1))],
        [lambda ctx: ctx.gather(work(1), other(2))],
        "operation 0.1",
        "history has nothing here",
        "asks for activity 'other'",
    ),
    "a gather shrank": (
        [lambda ctx: ctx.gather(work(1), other(2))],
        [lambda ctx: ctx.gather(work(1))],
        "operation 0.1",
        "has activity 'other'",
        "asks for nothing more",
    ),
    "a gather reordered": (
        [lambda ctx: ctx.gather(work(1), other(2))],
        [lambda ctx: ctx.gather(other(2), work(1))],
        "operation 0.0",
        "has activity 'work'",
        "asks for activity 'other'",
    ),
    "an operation became a helper": (
        [lambda ctx: ctx.gather(work(1), work(2))],
        [lambda ctx: ctx.gather(helper("a"), work(2))],
        "operation 0.1",
        "has activity 'work'",
        "asks for activity 'work'",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_told(edit: str) -> None:
    old, new, operation, has, asks = EDITS[edit]
    driver = Driver(steps(*old))
    driver.turn()
    with pytest.raises(NonDeterminismError) as caught:
        driver.fresh(steps(*new))
    told = str(caught.value)
    assert told.startswith("[NX201] order-42, ")
    assert operation in told
    assert has in told
    assert asks in told
    assert re.search(r"test_mismatch\.py:\d+", told)
    assert "ctx.patched" in told


def test_a_step_inserted_behind_what_was_recorded_is_no_mismatch() -> None:
    driver = Driver(steps(work_))
    driver.turn()
    driver.deploy(steps(work_, other_))
    driver.play()
    assert driver.asked == ["work(1)", "other(2)"]


def test_both_sites_are_named_when_they_differ() -> None:
    @workflow(name="flow")
    async def old(ctx: Context):
        yield work(1)

    @workflow(name="flow")
    async def new(ctx: Context):
        yield other(1)

    driver = Driver(old)
    driver.turn()
    with pytest.raises(NonDeterminismError) as caught:
        driver.fresh(new)
    old_line, new_line = (flow.fn.__code__.co_firstlineno + 2 for flow in (old, new))
    assert f"operation 0 (test_mismatch.py:{new_line})" in str(caught.value)
    assert f"(recorded at test_mismatch.py:{old_line})" in str(caught.value)


def test_an_outcome_of_something_that_was_not_asked_for_is_told() -> None:
    driver = Driver(steps(work_, other_))
    driver.turn()
    driver.turn(driver.done("0"))
    driver.batches[1] = type(driver.batches[1])(driver.batches[1].header, driver.batches[1].events[:1], b"", b"")
    with pytest.raises(NonDeterminismError, match="history has"):
        driver.fresh(steps())
    driver.is_thorough = False


@pytest.mark.parametrize(
    ("old_end", "new_end", "has", "asks"),
    [
        ("completes", "fails", "has the end of the workflow", "asks for the failure of the workflow"),
        ("fails", "completes", "has the failure of the workflow", "asks for the end of the workflow"),
        ("continues", "completes", "has continue_as_new", "asks for the end of the workflow"),
        ("completes", "goes on", "has the end of the workflow", "asks for a timer"),
        ("goes on", "completes", "has a timer", "asks for the end of the workflow"),
    ],
)
def test_another_end_is_told(old_end: str, new_end: str, has: str, asks: str) -> None:
    def ends(how: str) -> Any:
        @workflow(name="flow")
        async def flow(ctx: Context):
            yield work(1)
            if how == "fails":
                raise ValueError("no")
            if how == "continues":
                yield ctx.continue_as_new()
            if how == "goes on":
                yield ctx.sleep(1)
            yield ctx.complete()

        return flow

    driver = Driver(ends(old_end))
    driver.turn()
    driver.turn(driver.done("0"))
    with pytest.raises(NonDeterminismError) as caught:
        driver.fresh(ends(new_end))
    assert has in str(caught.value)
    assert asks in str(caught.value)


def test_a_cancellation_that_no_longer_happens_is_told() -> None:
    @workflow(name="flow")
    async def races(ctx: Context):
        yield ctx.race(work(1), ctx.sleep(9))
        yield ctx.sleep(1)

    @workflow(name="flow")
    async def gathers(ctx: Context):
        yield ctx.gather(work(1), ctx.sleep(9))

    driver = Driver(races)
    driver.turn()
    driver.turn(driver.done("0.0"))
    with pytest.raises(NonDeterminismError) as caught:
        driver.fresh(gathers)
    assert "history has the end of a timer" in str(caught.value)
    assert "operation 0.1" in str(caught.value)


def test_user_code_cannot_swallow_it() -> None:
    @workflow(name="flow")
    async def swallows(ctx: Context):
        with suppress(BaseException):
            ctx.spawn(other(1))
        with suppress(BaseException):
            yield other(1)
        yield work(1)

    driver = Driver(steps(work_))
    driver.turn()
    with pytest.raises(NonDeterminismError):
        driver.fresh(swallows)


def test_the_function_of_a_new_side_effect_is_not_run_to_tell_that_it_is_new() -> None:
    ran: list[int] = []
    driver = Driver(steps(work_))
    driver.turn()
    with pytest.raises(NonDeterminismError, match="asks for a side effect"):
        driver.fresh(steps(lambda ctx: ctx.side_effect(lambda: ran.append(1))))
    assert ran == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda ctx: work(1), lambda ctx: work({"other": "arguments"})),
        (lambda ctx: ctx.sleep(1), lambda ctx: ctx.sleep(2)),
        (lambda ctx: work(1), lambda ctx: work.options(timeout="1s")(1)),
        (lambda ctx: ctx.send_event("a", "hi"), lambda ctx: ctx.send_event("b", "hi")),
    ],
)
def test_arguments_lengths_and_options_are_not_compared(old: Any, new: Any) -> None:
    driver = Driver(steps(old))
    driver.turn()
    replayed = driver.fresh(steps(new))
    assert replayed.pending.keys() == driver.live.pending.keys()
    replayed.dispose()


def test_the_recorded_moment_counts_when_the_code_sleeps_for_another_length_now() -> None:
    driver = Driver(steps(timer))
    driver.turn()
    driver.deploy(steps(lambda ctx: ctx.sleep(100)))
    driver.turn(after=1)
    assert driver.live.end is not None
