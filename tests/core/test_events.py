"""External events and the waits for them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel

from nexus_sdk import Context, InvalidArgument, PayloadError, WaitTimedOut, workflow
from nexus_sdk.core import events as e
from tests.core.acts import work
from tests.core.driver import Driver, names


class Decision(BaseModel):
    by: str
    yes: bool


@workflow
async def three(ctx: Context):
    seen = []
    for _ in range(3):
        seen.append((yield ctx.wait_for_event("e")))
    yield ctx.complete(seen)


def test_events_before_the_wait_are_kept_in_order() -> None:
    driver = Driver(three)
    driver.turn(driver.event("e", 1), driver.event("e", 2))
    driver.turn(driver.event("e", 3))
    assert driver.result == [1, 2, 3]


def test_events_before_the_first_turn_of_a_delayed_start_are_kept() -> None:
    start_us = 1_800_000_000_000_000 + 10_000_000
    driver = Driver(three, start_at_us=start_us)
    assert names(driver.turn(driver.event("e", 1))) == ["EventReceived"]
    driver.turn(driver.event("e", 2), after=5)
    assert names(driver.turn(after=5))[0] == "WorkflowStarted"
    driver.turn(driver.event("e", 3))
    assert driver.result == [1, 2, 3]


def test_names_do_not_mix() -> None:
    @workflow
    async def flow(ctx: Context):
        a = yield ctx.wait_for_event("a")
        b = yield ctx.wait_for_event("b")
        yield ctx.complete([a, b, (yield ctx.wait_for_event("a"))])

    driver = Driver(flow)
    driver.turn(driver.event("b", "b1"), driver.event("a", "a1"), driver.event("c", "c"), driver.event("a", "a2"))
    assert driver.result == ["a1", "b1", "a2"]


def test_two_waits_for_one_name_are_served_in_the_order_they_began() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.gather(ctx.wait_for_event("e"), ctx.wait_for_event("e"))))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.event("e", "first"))
    driver.turn(driver.event("e", "second"))
    assert driver.result == ["first", "second"]


def test_equal_events_are_two_events() -> None:
    driver = Driver(three)
    driver.turn(*(e.EventReceived("e", driver.event("e", "same").payload) for _ in range(3)))
    assert driver.result == ["same"] * 3


def test_a_wait_that_was_given_up_leaves_the_event_to_the_next_in_line() -> None:
    @workflow
    async def flow(ctx: Context):
        first = ctx.spawn(ctx.wait_for_event("e"))
        second = ctx.spawn(ctx.wait_for_event("e"))
        yield ctx.sleep(1)
        first.cancel()
        yield ctx.complete((yield second))

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    driver.turn(driver.event("e", "x"))
    assert driver.result == "x"


def test_an_event_is_decoded_to_the_type_of_its_wait() -> None:
    @workflow
    async def flow(ctx: Context):
        decision = yield ctx.wait_for_event("decision", Decision)
        assert isinstance(decision, Decision)
        yield ctx.complete(decision.by)

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.event("decision", {"by": "me", "yes": True}))
    assert driver.result == "me"


@pytest.mark.parametrize("comes_first", [True, False])
def test_an_event_that_does_not_fit_raises_at_the_wait_and_is_consumed(comes_first: bool) -> None:
    @workflow
    async def flow(ctx: Context):
        refused = 0
        while True:
            try:
                decision = yield ctx.wait_for_event("decision", Decision)
            except PayloadError:
                refused += 1
                continue
            yield ctx.complete([refused, decision.by])

    driver = Driver(flow)
    bad, good = driver.event("decision", {"by": 1}), driver.event("decision", {"by": "me", "yes": False})
    if comes_first:
        driver.turn(bad, good)
    else:
        driver.turn()
        driver.turn(bad)
        driver.turn(good)
    assert driver.result == [1, "me"]


def test_a_wait_times_out() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.wait_for_event("e", timeout="10s")
        except WaitTimedOut as error:
            yield ctx.complete(str(error))

    driver = Driver(flow)
    driver.turn()
    assert driver.turn(after=9) == []
    assert names(driver.turn(after=1)) == ["TimerFired 0", "WorkflowCompleted"]
    assert "no event 'e' came in time (test_events.py:" in driver.result


def test_an_event_after_the_timeout_waits_for_the_next_wait() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.wait_for_event("e", timeout=timedelta(seconds=1))
        except WaitTimedOut:
            yield work(1)
            yield ctx.complete((yield ctx.wait_for_event("e")))

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    driver.turn(driver.event("e", "late"))
    driver.play()
    assert driver.result == "late"


def test_an_event_in_time_takes_the_timeout_away() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.wait_for_event("e", timeout=10)
        yield ctx.wait_for_event("another")

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.event("e"), after=1)
    assert driver.live.next_deadline_us() is None


@pytest.mark.parametrize(("ago", "wins"), [(3.0, "event"), (2.0, "event"), (1.0, "timer")])
def test_an_event_in_time_beats_a_late_timer_and_ties_go_to_the_event(ago: float, wins: str) -> None:
    @workflow
    async def flow(ctx: Context):
        winner = yield ctx.race(event=ctx.wait_for_event("e"), timer=ctx.sleep(8))
        yield ctx.complete(winner.name)

    driver = Driver(flow)
    driver.turn()
    driver.now_us += 10_000_000  # nobody looked for ten seconds: the timer was due two seconds ago
    driver.turn(driver.message(driver.event("e"), ago=ago))
    assert driver.result == wins


@pytest.mark.parametrize("wrong", ["", None, 3])
def test_a_wait_needs_a_name(wrong: object) -> None:
    @workflow
    async def flow(ctx: Context):
        with pytest.raises(InvalidArgument, match="name"):
            ctx.wait_for_event(wrong)  # type: ignore[arg-type]
        yield ctx.complete()

    assert Driver(flow).play().result is None


def test_an_event_to_another_instance_is_done_when_it_is_accepted() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.send_event("other", "hello", {"n": 1})))

    driver = Driver(flow)
    sent = driver.turn()[-1]
    assert isinstance(sent, e.EventSent)
    assert (sent.target, sent.name) == ("other", "hello")
    driver.turn(e.EventDelivered("0"))
    assert driver.result is None


@pytest.mark.parametrize("code", ["NX301", "NX303"])
def test_a_refused_event_raises_what_its_code_says(code: str) -> None:
    from nexus_sdk.core.failure import Failure
    from nexus_sdk.errors import Codes

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.send_event("other", "hello")
        except Exception as error:
            yield ctx.complete(type(error).__name__)

    driver = Driver(flow)
    driver.turn()
    driver.turn(e.EventRefused("0", Failure("X", "gone", code=code)))
    assert driver.result == Codes.all[code].__name__
