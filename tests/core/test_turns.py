"""Turns: which messages are used, which are left, and in what order things happen."""

from __future__ import annotations

from nexus_sdk import Context, workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.projection import Projection
from nexus_sdk.core.status import FINISHED, TRANSITIONS, Status, after
from tests.core.acts import work
from tests.core.driver import Driver, names


@workflow
async def collects(ctx: Context):
    seen = []
    for _ in range(3):
        seen.append((yield ctx.wait_for_event("e")))
    yield ctx.complete(seen)


def test_messages_are_applied_in_the_order_of_their_acceptance() -> None:
    driver = Driver(collects)
    driver.turn()
    late, early, middle = (
        driver.message(driver.event("e", text), ago=ago) for text, ago in (("late", 0), ("early", 9), ("middle", 5))
    )
    driver.turn(late, early, middle)
    assert driver.result == ["early", "middle", "late"]


def test_messages_of_one_moment_keep_their_numbers() -> None:
    driver = Driver(collects)
    messages = [driver.message(driver.event("e", number)) for number in range(3)]
    driver.turn(*reversed(messages))
    assert driver.result == [0, 1, 2]


def test_what_comes_after_the_end_is_left() -> None:
    driver = Driver(collects)
    messages = [driver.message(driver.event("e", number)) for number in range(5)]
    driver.turn(*messages)
    assert driver.last.used == tuple(messages[:3])
    assert driver.last.left == tuple(messages[3:])


def test_a_suspension_ends_the_turn_and_leaves_the_rest() -> None:
    driver = Driver(collects)
    driver.turn()
    first, suspend, second = (
        driver.message(event) for event in (driver.event("e", 1), e.WorkflowSuspended(), driver.event("e", 2))
    )
    events = driver.turn(first, suspend, second)
    assert names(events) == ["EventReceived", "EventAwaited 1", "WorkflowSuspended"]
    assert driver.last.left == (second,)
    assert driver.projection.status is Status.SUSPENDED


def test_a_message_that_means_nothing_is_used_up_unrecorded() -> None:
    driver = Driver(collects)
    driver.turn()
    meaningless = [driver.message(event) for event in (driver.done("9"), e.TimerFired("0"), e.LookRequested())]
    assert driver.turn(*meaningless[:1], meaningless[2]) == []
    assert driver.last.used == (meaningless[0], meaningless[2])


def test_a_second_outcome_of_one_activity_is_not_recorded() -> None:
    @workflow
    async def flow(ctx: Context):
        yield work(1)
        yield ctx.sleep(1)

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.done("0"), driver.done("0"))) == ["ActivityCompleted 0", "TimerStarted 1"]
    assert driver.turn(driver.done("0")) == []


def test_a_turn_without_anything_to_do_appends_nothing() -> None:
    driver = Driver(collects)
    driver.turn()
    assert driver.turn() == []
    assert driver.turn(after=1000) == []


def test_several_timers_and_inputs_of_a_late_turn_interleave_by_time() -> None:
    async def marks(ctx: Context, name: str, seconds: int) -> None:
        await ctx.sleep(seconds)
        await work(name)

    @workflow
    async def flow(ctx: Context):
        async def events() -> None:
            while True:
                await work(await ctx.wait_for_event("e"))

        yield ctx.gather(events(), marks(ctx, "at 2", 2), marks(ctx, "at 6", 6))

    driver = Driver(flow)
    driver.turn()
    driver.now_us += 10_000_000
    driver.turn(driver.message(driver.event("e", "at 4"), ago=6), driver.message(driver.done("0.0.1"), ago=5))
    assert driver.asked == ["work('at 2')", "work('at 4')", "work('at 6')"]


def test_a_termination_ends_it_without_any_code() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work(1)
        finally:
            yield work("never")

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(e.WorkflowTerminated("now"))) == ["WorkflowTerminated"]
    assert driver.projection.status is Status.TERMINATED


# --- status and projection ---


def test_nothing_happens_to_a_finished_instance() -> None:
    every = [kind for table in TRANSITIONS.values() for kind in table]
    for status in FINISHED:
        assert TRANSITIONS[status] == {}
        assert status.is_finished
    assert set(TRANSITIONS) == set(Status)
    assert e.WorkflowCompleted in every


def test_status_is_the_fold_of_the_history() -> None:
    blocked = e.WorkflowBlocked(Failure("X", "why"), "build-1")
    story = [
        (e.WorkflowStarted(), Status.RUNNING),
        (blocked, Status.BLOCKED),
        (e.WorkflowUnblocked("build-2"), Status.RUNNING),
        (e.WorkflowSuspended(), Status.SUSPENDED),
        (e.WorkflowResumed(), Status.RUNNING),
        (e.WorkflowCancelled("", "", "enough"), Status.CANCELLED),
        (e.WorkflowStarted(), Status.CANCELLED),
    ]
    status = Status.PENDING
    for event, expected in story:
        status = after(status, event)
        assert status is expected


def test_a_projection_knows_what_is_pending_and_why_it_is_blocked() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.race(ctx.gather(work(1), flow(), ctx.send_event("friend", "hi")), ctx.sleep(1))
        yield ctx.sleep(1)

    driver = Driver(flow)
    driver.turn()
    assert (list(driver.projection.activities), list(driver.projection.children)) == (["0.0.0"], ["0.0.1"])
    assert list(driver.projection.sends) == ["0.0.2"]
    driver.turn(after=1)
    assert driver.projection.cancelling == {"0.0.0"}
    assert list(driver.projection.stopping) == ["0.0.1"]
    fold = Projection()
    fold.extend([*driver.history, e.WorkflowBlocked(Failure("X", "why"), "build-1")])
    assert fold.status is Status.BLOCKED
    assert fold.failure is not None
    fold.extend([e.WorkflowUnblocked("build-2")])
    assert fold.failure is None
    assert fold.event_count == len(driver.history) + 2
