"""`ctx.spawn`: start now, wait later; and groups inside groups."""

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
        await clean(f"{name} again")


def test_a_spawned_operation_runs_before_it_is_waited_for() -> None:
    @workflow
    async def flow(ctx: Context):
        early = ctx.spawn(work("early"))
        between = yield other("between")
        yield ctx.complete([between, (yield early)])

    driver = Driver(flow)
    assert names(driver.turn())[1:] == ["ActivityScheduled 0", "ActivityScheduled 1"]
    driver.turn(driver.done("0", "E"))
    driver.turn(driver.done("1", "B"))
    assert driver.result == ["B", "E"]


def test_a_spawned_operation_may_be_awaited_any_number_of_times() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(tidy("x"))
        first = yield spawned
        second = await spawned
        both = yield ctx.gather(spawned, spawned)
        winner = yield ctx.race(spawned, ctx.sleep(9))
        yield ctx.complete([first, second, *both, winner.value, spawned.is_done])

    assert Driver(flow).play().result == ["x", "x", "x", "x", "x", True]


def test_the_failure_of_a_spawned_operation_is_raised_where_it_is_awaited_every_time() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(work("x"))
        yield ctx.sleep(1)
        seen = 0
        for _ in range(2):
            try:
                yield spawned
            except ActivityFailed:
                seen += 1
        yield ctx.complete(seen)

    assert Driver(flow).play(work=ValueError()).result == 2


def test_a_cancelled_spawned_helper_is_over_after_its_clean_up() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(tidy("x"))
        yield ctx.sleep(1)
        spawned.cancel("enough")
        before = spawned.is_done
        try:
            yield spawned
        except CancelledError as error:
            yield ctx.complete([error.reason, before, spawned.is_done])

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    driver.play()
    assert driver.asked[1:] == ["clean('x')", "clean('x again')"]
    assert driver.result == ["enough", False, True]


def test_a_second_cancel_leaves_the_clean_up_alone() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(tidy("x"))
        yield ctx.sleep(1)
        spawned.cancel()
        yield ctx.sleep(1)
        spawned.cancel()

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    driver.turn(after=1)
    assert driver.live.end is None, "the end of the body, too, waits for the clean-up"
    driver.play()
    assert driver.asked == ["work('x')", "clean('x')", "clean('x again')"]


def test_the_end_of_the_body_cancels_what_it_spawned_once_however_deep() -> None:
    async def outer(ctx: Context) -> None:
        try:
            await ctx.gather(tidy("a"), ctx.gather(tidy("b")), ctx.map(tidy, ["c"]))
        finally:
            await clean("outer")

    @workflow
    async def flow(ctx: Context):
        ctx.spawn(outer(ctx))
        ctx.spawn(ctx.gather(tidy("d")))
        yield ctx.sleep(1)
        yield ctx.complete("done")

    driver = Driver(flow)
    driver.turn()
    driver.turn(after=1)
    assert driver.live.end is None
    driver.play()
    assert driver.result == "done"
    for name in "abcd":
        assert f"clean('{name}')" in driver.asked
        assert f"clean('{name} again')" in driver.asked
    assert "clean('outer')" in driver.asked
    assert "ActivityCancelRequested" not in "".join(names(driver.history[-12:]))


def test_a_helper_that_was_cancelled_before_it_started_never_starts() -> None:
    @workflow
    async def flow(ctx: Context):
        spawned = ctx.spawn(tidy("x"))
        spawned.cancel()
        with pytest.raises(CancelledError):
            yield spawned
        yield ctx.complete("never started")

    driver = Driver(flow).play()
    assert driver.result == "never started"
    assert driver.asked == []


def test_a_fiber_that_cancels_itself_is_interrupted_at_its_next_step() -> None:
    @workflow
    async def flow(ctx: Context):
        box: list[Any] = []

        async def helper() -> str:
            box[0].cancel()
            try:
                await work("x")
            except CancelledError:
                return await other("still here")
            return "not cancelled"

        box.append(ctx.spawn(helper()))
        yield ctx.complete((yield box[0]))

    assert Driver(flow).play().result == "still here"


def test_helpers_spawn_helpers() -> None:
    async def leaf(ctx: Context, name: str) -> str:
        return await work(name)

    async def branch(ctx: Context, name: str) -> list[str]:
        left, right = ctx.spawn(leaf(ctx, f"{name}l")), ctx.spawn(leaf(ctx, f"{name}r"))
        return [await left, await right]

    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.gather(branch(ctx, "a"), branch(ctx, "b"))))

    driver = Driver(flow).play()
    assert driver.result == [["al", "ar"], ["bl", "br"]]


GROUPS = {
    "gather": lambda ctx, make: ctx.gather(make(1), make(2)),
    "race": lambda ctx, make: ctx.race(make(1), make(2)),
    "map": lambda ctx, make: ctx.map(make, [1, 2], concurrency=1),
    "spawn": lambda ctx, make: ctx.spawn(make(1)),
}


@pytest.mark.parametrize("inner", GROUPS)
@pytest.mark.parametrize("outer", GROUPS)
@pytest.mark.parametrize("ending", ["finishes", "fails", "is cancelled", "times out"])
def test_groups_nest_in_every_combination(outer: str, inner: str, ending: str) -> None:
    @workflow
    async def flow(ctx: Context):
        def nested(_: int) -> Any:
            return GROUPS[inner](ctx, lambda number: tidy(str(number)))

        try:
            async with ctx.timeout("1h"):
                yield GROUPS[outer](ctx, nested)
        except ActivityFailed:
            yield other("failed")
        except CancelledError:
            yield other("cancelled")
        except Exception as error:
            yield other(type(error).__name__)
        yield ctx.complete("over")

    driver = Driver(flow)
    driver.turn()
    if ending == "is cancelled":
        driver.turn(driver.cancel())
    elif ending == "times out":
        driver.turn(after=3600)
    driver.play(work=ValueError("no")) if ending == "fails" else driver.play()
    assert driver.result == "over"
    told = {"finishes": [], "fails": ["failed"], "is cancelled": ["cancelled"], "times out": ["WaitTimedOut"]}
    assert [asked.split("'")[1] for asked in driver.asked if asked.startswith("other")] == told[ending]
    for number in "12":
        started = driver.asked.count(f"work('{number}')")
        assert driver.asked.count(f"clean('{number}')") == started
        # What was spawned went on, and may be cut short at the end of the body.
        assert driver.asked.count(f"clean('{number} again')") == started or "spawn" in (outer, inner)
