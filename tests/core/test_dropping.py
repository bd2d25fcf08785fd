"""A suspended workflow is dropped: no `finally` of an async generator runs, those of coroutines run inert."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nexus_sdk import Context, workflow
from nexus_sdk.core.program import Stage
from tests.core.acts import clean, work
from tests.core.driver import Driver, names

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    leaks: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: leaks.append(repr(unraisable.exc_value))
    ran.clear()
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert leaks == []


class Scope:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __aenter__(self) -> None:
        await work(f"enter {self.name}")

    async def __aexit__(self, *_: object) -> None:
        ran.append(f"exit {self.name}")
        await clean(self.name)


@asynccontextmanager
async def scope(name: str) -> AsyncIterator[None]:
    await work(f"enter {name}")
    try:
        yield
    finally:
        ran.append(f"exit {name}")
        await clean(name)


@workflow
async def at_a_yield(ctx: Context):
    try:
        yield work(1)
        yield work(2)
    finally:
        ran.append("body")
        yield clean("body")


@workflow
async def at_an_await(ctx: Context):
    try:
        await work(1)
        await work(2)
    finally:
        ran.append("body")
        await clean("body")
    yield ctx.complete()


@workflow
async def in_nested_async_with(ctx: Context):
    try:
        async with Scope("outer"), scope("inner"), ctx.timeout("1h"), ctx.saga():
            yield work(1)
            await work(2)
    finally:
        ran.append("body")
        yield clean("body")


async def numbers(name: str) -> AsyncIterator[Any]:
    try:
        yield await work(f"{name} 1")
        await work(f"{name} 2")
        yield 2
    finally:
        ran.append(f"generator {name}")
        await clean(name)


@workflow
async def in_an_inner_generator(ctx: Context):
    try:
        async for outer in numbers("outer"):
            async for inner in numbers("inner"):
                yield work([outer, inner])
                await work("again")
    finally:
        ran.append("body")
        yield clean("body")


@workflow
async def in_an_inner_generator_by_hand(ctx: Context):
    inner = numbers("by hand")
    first = await anext(inner)
    yield work(first)
    second = await anext(inner, "default")
    yield work(second)


@pytest.mark.parametrize(
    "flow", [at_a_yield, at_an_await, in_nested_async_with, in_an_inner_generator, in_an_inner_generator_by_hand]
)
def test_no_finally_of_an_async_generator_runs_however_it_is_suspended(flow: Any) -> None:
    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    while driver.live.end is None:
        cold = driver.fresh()
        ran.clear()  # what the replay itself passed
        cold.dispose()
        del cold
        gc.collect()
        assert ran == [], f"dropped at {list(driver.under_way)}"
        path = next(iter(driver.under_way))
        driver.turn(driver.done(path, path))


def test_the_undisturbed_run_reaches_every_finally_once() -> None:
    driver = Driver(in_an_inner_generator)
    driver.is_thorough = False
    driver.play()
    assert driver.live.end is not None
    assert ran == ["generator inner", "generator inner", "generator outer", "body"]


async def helper(ctx: Context, name: str) -> None:
    try:
        await work(name)
    finally:
        ran.append(f"helper {name}")
        ctx.log.info("cleaning up")
        ctx.set_status("cleaning up")
        ctx.spawn(clean("spawned"))
        ctx.spawn(helper(ctx, "another helper"))
        await ctx.gather(clean("gathered"), helper(ctx, "gathered helper"))
        ran.append("never")


@workflow
async def awaits_a_helper(ctx: Context):
    await helper(ctx, "a")


@workflow
async def gathers_helpers(ctx: Context):
    yield ctx.gather(helper(ctx, "a"), helper(ctx, "b"))


@workflow
async def spawns_a_helper(ctx: Context):
    ctx.spawn(helper(ctx, "a"))
    yield ctx.sleep("1h")


@workflow
async def is_a_coroutine(ctx: Context) -> None:
    await helper(ctx, "a")


@workflow
async def helper_behind_a_generator(ctx: Context):
    async def inner() -> AsyncIterator[None]:
        await helper(ctx, "a")
        yield

    async for _ in inner():
        yield work(1)


@pytest.mark.parametrize(
    "flow", [awaits_a_helper, gathers_helpers, spawns_a_helper, is_a_coroutine, helper_behind_a_generator]
)
def test_the_finally_of_a_coroutine_runs_inert_when_it_is_dropped(flow: Any) -> None:
    driver = Driver(flow)
    first = driver.turn()
    ran.clear()
    driver.live.dispose()
    assert "helper a" in ran, "it is closed by dispose, not by a later collection"
    assert "never" not in ran
    assert driver.live.ledger.take_log() == []
    assert names(driver.history) == ["WorkflowCreated", *names(first)]
    driver.live = driver.fresh()
    gc.collect()


def test_a_dropped_helper_is_closed_under_its_own_workflow_and_not_in_anothers_step() -> None:
    @workflow
    async def bystander(ctx: Context):
        gc.collect()
        yield work(1)

    victim = Driver(helper_behind_a_generator)
    victim.turn()
    execution = victim.fresh()
    execution.dispose()
    del execution
    assert names(Driver(bystander).turn()) == ["WorkflowStarted", "ActivityScheduled 0"]


def test_a_helper_that_swallows_being_dropped_cannot_hold_the_worker() -> None:
    async def stubborn(ctx: Context) -> None:
        for _ in range(3):
            try:
                await work("x")
            except BaseException:
                ran.append("swallowed")

    @workflow
    async def flow(ctx: Context):
        yield ctx.gather(stubborn(ctx))

    driver = Driver(flow)
    driver.turn()
    ran.clear()
    driver.live.dispose()
    assert ran == ["swallowed"] * 3
    driver.live = driver.fresh()


def test_helpers_that_were_built_and_not_started_are_closed_with_the_fault() -> None:
    async def never() -> None:
        await work("never")

    @workflow
    async def old(ctx: Context):
        yield ctx.gather(work(1))

    @workflow(name="old")
    async def new(ctx: Context):
        yield ctx.gather(ctx.sleep(1), never(), ctx.gather(never(), work(2)), ctx.race(never()))

    driver = Driver(old)
    driver.turn()
    with pytest.raises(Exception, match="NX201"):
        driver.fresh(new)
    gc.collect()


def test_the_hooks_of_the_host_come_back() -> None:
    def own(_: Any) -> None: ...

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=own)
    try:
        with Stage():
            assert sys.get_asyncgen_hooks().finalizer is not own
        Driver(at_a_yield).turn()
        assert sys.get_asyncgen_hooks().finalizer is own
    finally:
        sys.set_asyncgen_hooks(*before)
