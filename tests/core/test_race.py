"""`ctx.race`: the first to finish."""

from __future__ import annotations

import pytest

from nexus_sdk import ActivityFailed, Context, InvalidArgument, workflow
from tests.core.acts import clean, other, work
from tests.core.driver import Driver, names


async def tidy(name: str) -> str:
    try:
        return await work(name)
    finally:
        await clean(name)


def test_the_winner_is_told_by_index_name_and_value() -> None:
    @workflow
    async def flow(ctx: Context):
        winner = yield ctx.race(work("a"), work("b"), named=work("c"))
        yield ctx.complete([winner.index, winner.name, winner.value])

    for path, told in {"0.0": [0, None, "v"], "0.1": [1, None, "v"], "0.2": [2, "named", "v"]}.items():
        driver = Driver(flow)
        driver.turn()
        driver.turn(driver.done(path, "v"))
        assert driver.result == told


def test_losers_are_cancelled() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.race(work("a"), ctx.sleep(9), ctx.wait_for_event("e"))

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.done("0.0")))[1:] == [
        "TimerCancelled 0.1",
        "EventWaitCancelled 0.2",
        "WorkflowCompleted",
    ]


def test_a_spawned_loser_goes_on() -> None:
    @workflow
    async def flow(ctx: Context):
        slow = ctx.spawn(tidy("slow"))
        winner = yield ctx.race(slow, ctx.sleep(1))
        yield ctx.complete([winner.index, (yield slow)])

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    assert "ActivityCancelRequested 0.0" not in names(driver.history)
    driver.play()
    assert driver.result == [1, "slow"]


def test_a_losing_wait_consumes_no_event() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.race(ctx.wait_for_event("e"), work("quick"))
        yield ctx.complete((yield ctx.wait_for_event("e")))

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.1"), driver.event("e", "kept"))
    assert driver.result == "kept"


def test_a_kept_event_wins_at_once_and_the_rest_is_not_begun() -> None:
    @workflow
    async def flow(ctx: Context):
        winner = yield ctx.race(ctx.wait_for_event("e"), work("b"), tidy("c"))
        yield ctx.complete(winner.value)

    driver = Driver(flow)
    driver.turn(driver.event("e", 1))
    assert driver.result == 1 if driver.live.end else names(driver.history)


def test_a_failure_that_comes_first_is_raised() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.race(work("a"), ctx.sleep(9))
        except ActivityFailed as error:
            yield ctx.complete(error.type)

    assert Driver(flow).play(work=KeyError("x")).result == "KeyError"


def test_a_race_is_over_when_its_losers_have_cleaned_up() -> None:
    @workflow
    async def flow(ctx: Context):
        winner = yield ctx.race(tidy("a"), fast=work("b"))
        yield other(winner.name)

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.1"))
    assert driver.asked == ["work('b')", "work('a')", "clean('a')"]
    driver.turn(driver.done("0.0.1"))
    assert driver.asked[3:] == ["other('fast')"]


def test_who_finishes_while_losing_has_lost() -> None:
    async def stubborn() -> str:
        try:
            return await work("a")
        except BaseException:
            return "finished all the same"

    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.race(stubborn(), work("b"))).index)

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.1"))
    assert driver.result == 1


def test_two_that_finish_in_one_turn_are_told_apart_by_acceptance() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.race(work("a"), work("b"))).index)

    driver = Driver(flow)
    driver.turn()
    later = driver.message(driver.done("0.0"))
    earlier = driver.message(driver.done("0.1"), ago=1)
    driver.turn(later, earlier)
    assert driver.result == 1


def test_a_race_of_nobody_is_refused() -> None:
    @workflow
    async def flow(ctx: Context):
        with pytest.raises(InvalidArgument, match="never ends"):
            yield ctx.race()
        yield ctx.complete("refused")

    assert Driver(flow).play().result == "refused"
