"""What a workflow may not do: foreign awaits, wrong yields, forgotten operations, those used twice; with lines."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from nexus_sdk import Context, DefinitionError, IllegalAwaitError, IllegalYieldError, UnusedOperationError, workflow
from nexus_sdk.errors import ReadOnlyError, UnknownQuery
from tests.core.acts import clean, other, work
from tests.core.driver import Driver


def line(flow: Any, offset: int) -> str:
    """The line so many lines below the decorator."""
    return f"test_rules.py:{flow.fn.__code__.co_firstlineno + offset}"


class Custom:
    def __await__(self) -> Any:
        yield "something of its own"


class Future:
    _asyncio_future_blocking = True

    def __await__(self) -> Any:
        yield self


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        (lambda: asyncio.sleep(1), "asyncio"),
        (lambda: asyncio.sleep(0), "awaits nothing"),
        (Custom, "awaits str 'something of its own'"),
        (Future, "awaits Future"),
    ],
)
@pytest.mark.parametrize("where", ["generator", "coroutine", "helper", "gathered helper", "inner generator"])
def test_a_foreign_await_is_told_with_its_line(foreign: Any, told: str, where: str) -> None:
    async def helper() -> None:
        await foreign()

    async def inner() -> Any:
        await foreign()
        yield 1

    @workflow
    async def generator(ctx: Context):
        yield work(1)
        if where == "helper":
            await helper()
        if where == "gathered helper":
            yield ctx.gather(helper())
        if where == "inner generator":
            async for _ in inner():
                pass
        await foreign()

    @workflow
    async def coroutine(ctx: Context) -> None:
        await work(1)
        await foreign()

    driver = Driver(coroutine if where == "coroutine" else generator)
    driver.turn()
    with pytest.raises(IllegalAwaitError) as caught:
        driver.turn(driver.done("0"))
    first = helper.__code__.co_firstlineno
    lines = {
        "generator": line(generator, 10),
        "coroutine": line(coroutine, 3),
        "helper": f"test_rules.py:{first + 1}",
        "gathered helper": f"test_rules.py:{first + 1}",
        "inner generator": f"test_rules.py:{first + 4}",
    }
    # A custom awaitable is blamed where it yields: that is the line in the user's own code.
    expected = "test_rules.py:" if foreign in (Custom, Future) else lines[where]
    assert str(caught.value).startswith("[NX202] order-42: ")
    assert expected in str(caught.value)
    assert told in str(caught.value)
    assert "ctx.sleep" in str(caught.value)


def test_a_real_future_is_told_too() -> None:
    loop = asyncio.new_event_loop()

    @workflow
    async def flow(ctx: Context):
        await loop.create_future()
        yield

    try:
        with pytest.raises(IllegalAwaitError, match="awaits Future"):
            Driver(flow).turn()
    finally:
        loop.close()


def test_the_words_of_every_python_for_a_missing_loop_are_known() -> None:
    @workflow
    async def flow(ctx: Context):
        raise RuntimeError("There is no current event loop in thread 'worker'.")
        yield

    with pytest.raises(IllegalAwaitError, match="uses asyncio inside a workflow"):
        Driver(flow).turn()


async def coroutine_function() -> None: ...


@pytest.mark.parametrize(
    ("make", "told"),
    [(lambda: 42, "int 42"), (lambda: None, "nothing"), (lambda: "text", "str 'text'"), (lambda: work, "Activity")],
)
def test_a_wrong_yield_is_told_with_its_line(make: Any, told: str) -> None:
    @workflow
    async def flow(ctx: Context):
        yield work(1)
        yield make()

    driver = Driver(flow)
    driver.turn()
    with pytest.raises(IllegalYieldError) as caught:
        driver.turn(driver.done("0"))
    assert f"{line(flow, 3)} yields {told}" in str(caught.value)
    assert "Yield an operation" in str(caught.value)


def test_a_yielded_coroutine_is_told() -> None:
    @workflow
    async def flow(ctx: Context):
        coroutine = coroutine_function()
        try:
            yield coroutine
        finally:
            coroutine.close()

    driver = Driver(flow)
    driver.is_thorough = False
    with pytest.raises(IllegalYieldError, match="yields coroutine") as caught:
        driver.turn()
    assert "await an async def helper" in str(caught.value)
    next(driver.live.main.program.frames()).f_locals["coroutine"].close()  # type: ignore[union-attr]


# --- unused and doubly used operations ---


@pytest.mark.parametrize("shape", ["dropped", "kept", "kept until complete", "in a helper", "spawned helper"])
def test_a_forgotten_yield_is_told_with_its_line(shape: str) -> None:
    async def helper() -> None:
        operation = work("forgotten")
        await other(1)
        del operation

    @workflow
    async def flow(ctx: Context):
        if shape == "in a helper":
            yield ctx.gather(helper())
        if shape == "spawned helper":
            yield ctx.spawn(helper())
        if shape == "dropped":
            work("forgotten")
        else:
            forgotten = work("forgotten")
        yield other(2)
        if shape == "kept until complete":
            yield ctx.complete("done")
        assert shape != "kept" or forgotten is not None

    driver = Driver(flow)
    with pytest.raises(UnusedOperationError) as caught:
        driver.play()
    expected = f"test_rules.py:{helper.__code__.co_firstlineno + 1}"
    if "helper" not in shape:
        expected = line(flow, 7 if shape == "dropped" else 9)
    assert f"the activity 'work' built at {expected}" in str(caught.value)
    assert "forgotten `yield`" in str(caught.value)


def test_an_exception_that_leaves_the_body_wins_over_a_forgotten_yield() -> None:
    @workflow
    async def flow(ctx: Context):
        work("forgotten")
        kept = work("kept")
        raise ValueError(f"{kept is None}")
        yield

    assert Driver(flow).play().failure.type == "ValueError"


def test_what_a_body_had_built_when_somebody_else_ended_the_run_is_nobodys_fault() -> None:
    async def helper(ctx: Context) -> None:
        await ctx.complete("done")

    @workflow
    async def flow(ctx: Context):
        later = work("later")
        yield ctx.gather(helper(ctx))
        yield later

    assert Driver(flow).play().result == "done"


def test_an_operation_may_be_used_in_a_finally_after_complete() -> None:
    @workflow
    async def flow(ctx: Context):
        tidy = clean("x")
        try:
            yield ctx.complete("done")
        finally:
            yield tidy

    driver = Driver(flow).play()
    assert driver.result == "done"
    assert driver.asked == ["clean('x')"]


def test_a_forgotten_gather_is_named_and_not_what_is_in_it() -> None:
    @workflow
    async def flow(ctx: Context):
        ctx.gather(work(1), ctx.race(work(2)))
        yield work(3)

    with pytest.raises(UnusedOperationError, match="the gather built at"):
        Driver(flow).turn()


def test_using_an_operation_twice_is_told_and_cannot_be_swallowed() -> None:
    @workflow
    async def flow(ctx: Context):
        operation = work(1)
        yield operation
        with suppress(BaseException):
            yield ctx.gather(operation)

    driver = Driver(flow)
    driver.turn()
    with pytest.raises(UnusedOperationError, match=r"'work' built at test_rules\.py.*is used twice"):
        driver.turn(driver.done("0"))


@pytest.mark.parametrize("how", ["gather", "race"])
def test_passing_an_operation_on_twice_is_using_it_twice(how: str) -> None:
    @workflow
    async def flow(ctx: Context):
        operation = work(1)
        yield getattr(ctx, how)(operation, operation)

    with pytest.raises(UnusedOperationError, match="is used twice"):
        Driver(flow).turn()


# --- outside, and queries ---


def test_operations_need_a_running_workflow() -> None:
    kept: list[Context] = []

    @workflow
    async def flow(ctx: Context):
        kept.append(ctx)
        yield work(1)

    Driver(flow).turn()
    for build in (lambda ctx: ctx.sleep(1), lambda ctx: ctx.wait_for_event("e"), lambda ctx: ctx.complete(1)):
        with pytest.raises(DefinitionError, match="outside a running workflow"):
            build(kept[0])


@workflow
async def asked(ctx: Context):
    seen: list[Any] = []
    ctx.on_query("seen", lambda: list(seen))
    ctx.on_query("add", lambda a, b=1: a + b)
    ctx.on_query("work", lambda: work(1))
    ctx.on_query("sleep", lambda: ctx.sleep(1))
    ctx.on_query("spawn", lambda: ctx.spawn(work(1)))
    ctx.on_query("status", lambda: ctx.set_status("x"))
    ctx.on_query("patched", lambda: ctx.patched("x"))
    ctx.on_query("child", lambda: asked())
    while True:
        seen.append((yield ctx.wait_for_event("e")))


def test_queries_answer_from_the_present_state() -> None:
    driver = Driver(asked)
    driver.turn(driver.event("e", 1))
    driver.turn(driver.event("e", 2))
    assert driver.live.query("seen", []) == [1, 2]
    assert driver.live.query("add", [2]) == 3
    assert driver.live.query("add", [2, 5]) == 7
    with pytest.raises(UnknownQuery, match="there are: add, child"):
        driver.live.query("other", [])


@pytest.mark.parametrize("name", ["work", "sleep", "spawn", "status", "patched", "child"])
def test_a_query_may_not_do_durable_work(name: str) -> None:
    driver = Driver(asked)
    driver.turn()
    with pytest.raises(ReadOnlyError, match="read-only"):
        driver.live.query(name, [])
    driver.turn(driver.event("e", "and it goes on"))
    assert driver.live.query("seen", []) == ["and it goes on"]


@pytest.mark.parametrize(
    "reach", [lambda: asyncio.get_running_loop(), lambda: asyncio.timeout(1), lambda: asyncio.sleep(1)]
)
async def test_the_event_loop_of_the_worker_cannot_be_seen(reach: Any) -> None:
    @workflow
    async def flow(ctx: Context):
        found = reach()
        if hasattr(found, "__aenter__"):
            async with found:
                pass
        await found
        yield

    with pytest.raises(IllegalAwaitError, match="uses asyncio inside a workflow"):
        Driver(flow).turn()
    assert asyncio.get_running_loop().is_running()
