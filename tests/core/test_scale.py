"""Many steps and wide fans: memory stays linear and small, nothing is quadratic."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nexus_sdk import Context, workflow
from tests.core.acts import work
from tests.core.driver import Driver


@contextmanager
def memory() -> Iterator[list[int]]:
    """Bytes that are held at the end, and were not at the start."""
    held: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        yield held
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()


@workflow
async def child(ctx: Context, number: int):
    yield work(number)


@workflow
async def wide(ctx: Context, width: int, kind: str):
    match kind:
        case "children":
            yield ctx.gather(*(child(number) for number in range(width)))
        case "activities":
            yield ctx.map(work, range(width))
        case "helpers":
            yield ctx.map(_helper, range(width))
    yield ctx.complete("done")


async def _helper(number: int) -> Any:
    return await work(number)


@workflow
async def long(ctx: Context, steps: int):
    for number in range(steps):
        yield work(number)


def _held_by_wide(width: int, kind: str) -> int:
    driver = Driver(wide, width, kind)
    driver.is_thorough = False
    driver.turn()
    assert len(driver.under_way) == width
    driver.live.dispose()
    with memory() as held:
        driver.live = driver.fresh()
    return held[0]


def test_the_memory_of_a_wide_gather_is_linear() -> None:
    for kind, width in {"children": 10_000, "activities": 3_000, "helpers": 3_000}.items():
        small, large = _held_by_wide(width // 10, kind), _held_by_wide(width, kind)
        assert large < 12 * small, kind
        assert large < width * 4_000, f"{kind}: {large // width} bytes each"


def test_a_fan_in_of_thousands_in_one_turn_is_one_turn() -> None:
    driver = Driver(wide, 10_000, "activities")
    driver.is_thorough = False
    driver.turn()
    driver.turn(*(driver.done(path) for path in list(driver.under_way)))
    assert driver.result == "done"


def test_a_long_sequence_leaves_next_to_nothing_behind() -> None:
    driver = Driver(long, 10_000)
    driver.is_thorough = False
    driver.turn()
    for number in range(9_999):
        driver.turn(driver.done(str(number)))
    driver.live.dispose()
    with memory() as held:
        driver.live = driver.fresh()
    assert held[0] < 100_000, "what is behind it does not stay in memory"
    driver.turn(driver.done("9999"))
    assert driver.live.end is not None


def test_deadlines_that_are_over_do_not_pile_up_in_a_sequence() -> None:
    @workflow
    async def flow(ctx: Context):
        for number in range(3_000):
            yield work.options(schedule_to_close="1h")(number)

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    for number in range(2_999):
        driver.turn(driver.done(str(number)))
    driver.live.dispose()
    with memory() as held:
        driver.live = driver.fresh()
    assert held[0] < 100_000


def test_thousands_of_events_are_read_in_linear_time() -> None:
    @workflow
    async def flow(ctx: Context):
        total = 0
        for number in range(5_000):
            total += yield ctx.wait_for_event("even" if number % 2 == 0 else "odd")
        yield ctx.complete(total)

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn(*(driver.event("odd" if number % 2 else "even", number) for number in range(5_000)))
    assert driver.result == sum(range(5_000))
