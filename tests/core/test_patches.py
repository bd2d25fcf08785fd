"""`ctx.patched`: new code beside runs that began with the old."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import Context, NonDeterminismError, activity, workflow
from nexus_sdk.core import events as e
from tests.core.acts import other, work
from tests.core.driver import Driver, names


@workflow(name="flow")
async def old(ctx: Context):
    yield work("old")
    yield work("end")


@workflow(name="flow")
async def patched(ctx: Context):
    if ctx.patched("faster"):
        yield other("new")
    else:
        yield work("old")
    yield work("end")


@workflow(name="flow")
async def patch_removed(ctx: Context):
    yield other("new")
    yield work("end")


def decisions(driver: Driver) -> list[tuple[str, bool]]:
    return [(event.change_id, event.is_patched) for event in driver.history if isinstance(event, e.PatchDecided)]


def test_a_new_run_takes_the_changed_path_and_records_it() -> None:
    driver = Driver(patched).play()
    assert driver.asked == ["other('new')", "work('end')"]
    assert decisions(driver) == [("faster", True)]


def test_an_old_run_that_passed_there_takes_the_old_path_and_records_that() -> None:
    driver = Driver(old)
    driver.turn()
    driver.deploy(patched)
    driver.turn(driver.done("0"))
    assert decisions(driver) == [("faster", False)]
    driver.play()
    assert driver.asked == ["work('old')", "work('end')"]


def test_an_old_run_that_has_not_come_there_yet_takes_the_changed_path() -> None:
    @workflow(name="flow")
    async def later(ctx: Context):
        yield work("old")
        yield work("new end") if ctx.patched("end") else work("end")

    driver = Driver(old)
    driver.turn()
    driver.deploy(later)
    driver.play()
    assert driver.asked == ["work('old')", "work('new end')"]
    assert decisions(driver) == [("end", True)]


def test_false_stays_false_at_every_later_replay_also_where_it_would_be_live() -> None:
    @workflow(name="flow")
    async def twice(ctx: Context):
        yield other("new") if ctx.patched("faster") else work("old")
        yield other("new end") if ctx.patched("faster") else work("end")

    driver = Driver(old)
    driver.turn()
    driver.deploy(twice)
    driver.play()
    assert driver.asked == ["work('old')", "work('end')"]
    assert decisions(driver) == [("faster", False)]


def test_asking_again_gives_the_same_answer_and_one_record() -> None:
    @workflow
    async def flow(ctx: Context):
        answers = [ctx.patched("x"), ctx.patched("x")]
        yield ctx.sleep(1)
        yield ctx.complete([*answers, ctx.patched("x"), ctx.patched("y")])

    driver = Driver(flow).play()
    assert driver.result == [True] * 4
    assert decisions(driver) == [("x", True), ("y", True)]


def test_a_patch_may_be_removed_once_no_run_took_the_old_path() -> None:
    driver = Driver(patched)
    driver.turn()
    driver.deploy(patch_removed)
    driver.play()
    assert driver.asked == ["other('new')", "work('end')"]


def test_removed_too_early_it_is_a_mismatch() -> None:
    driver = Driver(old)
    driver.turn()
    driver.deploy(patched)
    driver.turn(driver.done("0"))
    with pytest.raises(
        NonDeterminismError, match=r"history has activity 'work'.*the code now asks for activity 'other'"
    ):
        driver.fresh(patch_removed)


def test_patches_on_patches_decide_each_for_itself() -> None:
    def flow(*, second: bool) -> Any:
        @workflow(name="flow")
        async def flow(ctx: Context):
            if ctx.patched("first"):
                yield other("first")
            if second and ctx.patched("second"):
                yield other("second")
            yield work("end")

        return flow

    driver = Driver(flow(second=False))
    driver.turn()
    driver.turn(driver.done("0"))
    driver.deploy(flow(second=True))
    driver.play()
    assert driver.asked == ["other('first')", "work('end')"]
    assert decisions(driver) == [("first", True), ("second", False)]


def test_a_patch_in_a_helper_is_decided_once_for_the_run() -> None:
    async def helper(ctx: Context, name: str) -> Any:
        return await (other(name) if ctx.patched("x") else work(name))

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(helper(ctx, "a"), helper(ctx, "b"))

    driver = Driver(flow).play()
    assert decisions(driver) == [("x", True)]


def test_the_custom_status_is_not_compared() -> None:
    @workflow(name="flow")
    async def quiet(ctx: Context):
        yield work(1)
        yield work(2)

    @workflow(name="flow")
    async def talkative(ctx: Context):
        ctx.set_status("begun")
        yield work(1)
        ctx.set_status({"at": "one"})
        yield work(2)

    driver = Driver(talkative)
    driver.turn()
    assert driver.live.ledger.custom_status == driver.fresh().ledger.custom_status
    driver.turn(driver.done("0"))
    driver.fresh(quiet).dispose()
    driver = Driver(quiet)
    driver.turn()
    driver.deploy(talkative)
    assert names(driver.turn(driver.done("0"))) == ["ActivityCompleted 0", "CustomStatusSet", "ActivityScheduled 1"]


def test_the_recorded_time_limit_of_an_activity_counts_when_the_code_has_another() -> None:
    @activity(name="slow", schedule_to_close="1h")
    async def slow_for_an_hour() -> None: ...

    @activity(name="slow", schedule_to_close="1s")
    async def slow_for_a_second() -> None: ...

    @workflow(name="patient")
    async def before(ctx: Context) -> Any:
        yield slow_for_an_hour()

    @workflow(name="patient")
    async def after(ctx: Context) -> Any:
        yield slow_for_a_second()

    driver = Driver(before)
    driver.turn()
    assert driver.fresh(after).next_deadline_us() == driver.live.next_deadline_us()
