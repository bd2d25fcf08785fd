"""Exceptions of every odd shape that leave a body, or pass through gather, race and finally."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, workflow
from nexus_sdk.core import events as e
from tests.core.acts import clean, work
from tests.core.driver import Driver, names


class TwoArguments(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even this fails")


class Outlaw(BaseException):
    pass


def chained() -> BaseException:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    return error


ODD = [
    pytest.param(lambda: ValueError(), "ValueError", "", id="no message"),
    pytest.param(lambda: ValueError("text"), "ValueError", "text", id="a message"),
    pytest.param(lambda: TwoArguments(7, "seven"), "TwoArguments", "(7, 'seven')", id="two arguments"),
    pytest.param(chained, "ValueError", "outer", id="chained"),
    pytest.param(
        lambda: ExceptionGroup("many", [ValueError("a"), KeyError("b")]), "ExceptionGroup", "many", id="group"
    ),
    pytest.param(
        lambda: BaseExceptionGroup("worse", [Outlaw("a")]), "BaseExceptionGroup", "worse", id="a group of outlaws"
    ),
    pytest.param(lambda: Outlaw("base"), "Outlaw", "base", id="BaseException"),
    pytest.param(lambda: SystemExit(3), "SystemExit", "3", id="SystemExit"),
    pytest.param(lambda: GeneratorExit("by hand"), "GeneratorExit", "by hand", id="GeneratorExit"),
    pytest.param(lambda: StopIteration("oops"), "RuntimeError", "StopIteration", id="StopIteration"),
    pytest.param(lambda: Mute(), "Mute", "", id="no text at all"),
]


@pytest.mark.parametrize(("make", "type_", "message"), ODD)
@pytest.mark.parametrize("where", ["generator", "coroutine", "after a step", "helper", "gathered helper", "finally"])
def test_an_odd_exception_fails_the_workflow_as_itself(make: Any, type_: str, message: str, where: str) -> None:
    async def helper() -> None:
        await work("h")
        raise make()

    @workflow
    async def generator(ctx: Context):
        if where == "after a step":
            yield work(1)
        if where == "helper":
            await helper()
        if where == "gathered helper":
            yield ctx.gather(helper(), work("w"))
        if where == "finally":
            try:
                yield ctx.complete("never")
            finally:
                yield clean(1)
                raise make()
        raise make()

    @workflow
    async def coroutine(ctx: Context) -> None:
        raise make()

    driver = Driver(coroutine if where == "coroutine" else generator).play()
    assert driver.failure.type == type_
    assert message in driver.failure.message


def test_a_failure_tells_its_cause() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work(1)
        except ActivityFailed as error:
            raise LookupError("could not") from error

    failure = Driver(flow).play(work=TwoArguments(7, "seven")).failure
    assert failure.type == "LookupError"
    assert failure.cause is not None
    assert failure.cause.type == "ActivityFailed"


def test_a_stop_async_iteration_does_not_look_like_an_end() -> None:
    @workflow
    async def generator(ctx: Context):
        yield work(1)
        raise StopAsyncIteration

    @workflow
    async def coroutine(ctx: Context) -> None:
        await work(1)
        raise StopAsyncIteration

    assert Driver(generator).play().failure.type == "RuntimeError"
    assert Driver(coroutine).play().failure.type == "StopAsyncIteration"


def test_raising_inside_finally_replaces_what_was_under_way() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work(1)
        finally:
            raise ValueError("from finally")

    failure = Driver(flow).play(work=KeyError("first")).failure
    assert failure.type == "ValueError"
    assert failure.cause is not None
    assert failure.cause.type == "ActivityFailed"


def test_what_an_activity_raised_can_be_asked_for_by_class_and_name() -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            yield work(1)
        except ActivityFailed as error:
            yield ctx.complete(
                [error.type, error.message, error.attempts, error.is_type(LookupError), error.is_type(ValueError)]
            )

    assert Driver(flow).play(work=KeyError("k")).result == ["KeyError", "'k'", 3, True, False]


def test_keyboard_interrupt_is_the_operators_and_not_the_workflows() -> None:
    @workflow
    async def flow(ctx: Context):
        raise KeyboardInterrupt
        yield

    driver = Driver(flow)
    with pytest.raises(KeyboardInterrupt):
        driver.turn()
    assert names(driver.history) == ["WorkflowCreated"]


def test_the_function_of_a_map_may_raise_anything() -> None:
    def exits(item: int) -> Any:
        raise SystemExit(item)

    @workflow
    async def flow(ctx: Context):
        yield ctx.map(exits, [1, 2])

    assert Driver(flow).play().failure.type == "SystemExit"


def test_a_side_effect_may_raise_anything() -> None:
    def exits() -> None:
        raise SystemExit(1)

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.side_effect(exits)
        except ActivityFailed as error:
            yield ctx.complete(error.type)

    driver = Driver(flow).play()
    assert driver.result == "SystemExit"
    assert isinstance(driver.history[2], e.SideEffectRecorded)
