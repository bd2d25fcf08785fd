"""`ctx.map`: one function over many items, so many at a time."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, InvalidArgument, workflow
from nexus_sdk.core import events as e
from tests.core.acts import clean, work
from tests.core.driver import Driver, names


@workflow
async def child(ctx: Context, item: int):
    yield work(item)


async def twice(item: int) -> int:
    try:
        return await work(item) + await work(item)
    finally:
        await clean(item)


@pytest.mark.parametrize("fn", [work, child, twice])
def test_it_takes_activities_children_and_helpers(fn: Any) -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.map(fn, [3, 1, 2])))

    expected = [6, 2, 4] if fn is twice else [3, 1, 2]
    assert Driver(flow).play(child=lambda item: item).result == expected


def test_no_more_run_at_a_time_than_allowed() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.map(twice, range(7), concurrency=3)))

    driver = Driver(flow)
    driver.turn()
    most = 0
    while driver.live.end is None:
        most = max(most, len(driver.under_way))
        path = next(iter(driver.under_way))
        driver.turn(driver.done(path, 1))
    assert most == 3
    assert driver.result == [2] * 7


def test_the_next_item_starts_when_one_is_done() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.map(work, "abc", concurrency=1)

    driver = Driver(flow)
    driver.turn()
    assert driver.asked == ["work('a')"]
    driver.turn(driver.done("0.0"))
    assert driver.asked == ["work('a')", "work('b')"]


def test_a_failure_stops_what_runs_and_begins_nothing_more() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.map(work, range(9), concurrency=2)
        except ActivityFailed:
            yield ctx.complete("failed")

    driver = Driver(flow)
    driver.turn()
    assert names(driver.turn(driver.failed("0.1", ValueError())))[1:] == [
        "ActivityCancelRequested 0.0",
        "WorkflowCompleted",
    ]
    assert driver.asked == ["work(0)", "work(1)"]


def test_exceptions_can_be_results_and_the_rest_goes_on() -> None:
    @workflow
    async def flow(ctx: Context):
        results = yield ctx.map(work, range(4), concurrency=2, return_exceptions=True)
        yield ctx.complete([each if isinstance(each, int) else each.type for each in results])

    assert Driver(flow).play(work=lambda item: OSError() if item % 2 else item).result == [0, "OSError", 2, "OSError"]


def test_a_function_that_raises_or_gives_nonsense_fails_its_item() -> None:
    def broken(item: int) -> Any:
        if item == 1:
            raise ValueError("cannot")
        return item if item == 2 else work(item)

    @workflow
    async def flow(ctx: Context):
        results = yield ctx.map(broken, range(4), return_exceptions=True)
        yield ctx.complete([each if isinstance(each, int) else type(each).__name__ for each in results])

    assert Driver(flow).play().result == [0, "ValueError", "DefinitionError", 3]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3"])
def test_a_senseless_concurrency_is_refused(wrong: Any) -> None:
    @workflow
    async def flow(ctx: Context):
        with pytest.raises(InvalidArgument, match="concurrency"):
            ctx.map(work, [1], concurrency=wrong)
        yield ctx.complete()

    assert Driver(flow).play().result is None


def test_items_may_come_from_a_generator() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.complete((yield ctx.map(work, (n * n for n in range(3)), concurrency=2)))

    assert Driver(flow).play().result == [0, 1, 4]


def test_children_of_a_map_have_their_own_ids() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.map(child, range(3))

    driver = Driver(flow)
    events = driver.turn()
    ids = [event.instance_id for event in events if isinstance(event, e.ChildScheduled)]
    assert ids == ["order-42/0.0", "order-42/0.1", "order-42/0.2"]


def test_what_a_map_starts_is_asked_for_by_the_line_of_the_map() -> None:
    @workflow
    async def flow(ctx: Context):
        yield ctx.map(work, range(3), concurrency=2)

    driver = Driver(flow)
    driver.turn()
    driver.turn(driver.done("0.0"))
    sites = [event.site for event in driver.history if isinstance(event, e.ActivityScheduled)]
    assert len(set(sites)) == 1
    assert sites[0] == f"test_map.py:{flow.fn.__code__.co_firstlineno + 2}"
