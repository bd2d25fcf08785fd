"""Exceptions of every odd shape, raised by activities and by workflows: all arrive as data, none breaks the worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_sdk import ActivityFailed, CancelledError, Context, Retry, WorkflowFailed, activity, workflow
from tests.scenarios.odd_exceptions import MORE

ONCE = Retry(max_attempts=1)


class TwoArguments(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot say")


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lambda")
        self.hold = lambda: None


class Foundation(BaseException):
    pass


class LikeCtrlC(KeyboardInterrupt):
    pass


def chained() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


def grouped() -> None:
    raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("more", [OSError("two")])])


def noted() -> None:
    error = ValueError("see the note")
    error.add_note("a note")
    raise error


def cyclic() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one


def raising(error: BaseException) -> Any:
    def go() -> None:
        raise error

    return go


ODD: dict[str, tuple[Any, str, str | None]] = {
    **MORE,
    "no message": (raising(ValueError()), "ValueError", ""),
    "two arguments": (raising(TwoArguments(7, "seven")), "TwoArguments", "7: seven"),
    "chained": (chained, "ValueError", "outer"),
    "group": (grouped, "ExceptionGroup", "several (2 sub-exceptions)"),
    "noted": (noted, "ValueError", "see the note"),
    "cyclic": (cyclic, "ValueError", "one"),
    "str raises": (raising(Speechless()), "Speechless", "<its __str__ raises RuntimeError; its arguments are ()>"),
    "unpicklable": (raising(Unpicklable()), "Unpicklable", "holds a lambda"),
    "base exception": (raising(Foundation("deep")), "Foundation", "deep"),
    "system exit": (raising(SystemExit(3)), "SystemExit", "3"),
    "keyboard interrupt": (raising(LikeCtrlC()), "LikeCtrlC", ""),
    "generator exit": (raising(GeneratorExit()), "GeneratorExit", ""),
    "stop iteration": (raising(StopIteration(5)), "StopIteration", "5"),
    "stop async iteration": (raising(StopAsyncIteration()), "StopAsyncIteration", ""),
    "asyncio cancelled": (raising(asyncio.CancelledError("me")), "CancelledError", "me"),
    "our cancelled": (raising(CancelledError("me too")), "CancelledError", "me too"),
    "surrogates": (raising(ValueError("\udcff")), "ValueError", "\\udcff"),
    "not text": (raising(ValueError(b"\xff", 1)), "ValueError", "(b'\\xff', 1)"),
    "multi-line": (raising(ValueError("a\nb")), "ValueError", "a\nb"),
}


@activity(retry=ONCE)
async def odd_async(name: str) -> None:
    ODD[name][0]()


@activity(retry=ONCE)
def odd_threaded(name: str) -> None:
    ODD[name][0]()


@activity(retry=ONCE, local=True)
async def odd_local(name: str) -> None:
    ODD[name][0]()


KINDS = {"async": odd_async, "threaded": odd_threaded, "local": odd_local}


@workflow
async def calling(ctx: Context, kind: str, name: str) -> list[Any]:
    try:
        await KINDS[kind](name)
    except ActivityFailed as error:
        return [error.type, error.message, error.attempts, str(error) != ""]
    return []


@workflow
async def odd_itself(ctx: Context, name: str):
    if name == "never":
        yield ctx.sleep(1)
    ODD[name][0]()


@workflow
async def fine(ctx: Context):
    yield ctx.complete("fine")


@pytest.mark.parametrize("kind", KINDS)
async def test_odd_exceptions_of_activities_arrive_as_data(kind: str, environment: Any) -> None:
    env = await environment(calling, fine, odd_async, odd_threaded, odd_local)
    for name, (_, type_name, message) in ODD.items():
        if name == "stop iteration" and kind != "threaded":  # Python turns it into one when it leaves a coroutine
            type_name, message = "RuntimeError", "coroutine raised StopIteration"
        found = await env.run(calling, kind, name)
        assert found == [type_name, found[1] if message is None else message, 1, True], name
        assert isinstance(found[1], str)
    assert await env.run(fine) == "fine"
    assert [said for said in env.said if said[0] == "error"] == []


NOT_IN_WORKFLOWS = {"keyboard interrupt", "our cancelled", "generator exit", "stop iteration", "stop async iteration"}
"""A real interrupt of the process; a cancellation; what Python itself uses to end a generator."""


@pytest.mark.parametrize("name", sorted(ODD.keys() - NOT_IN_WORKFLOWS))
async def test_an_odd_exception_of_a_workflow_fails_it_and_nothing_else(name: str, environment: Any) -> None:
    env = await environment(odd_itself, fine, store="memory://")
    _, type_name, message = ODD[name]
    with pytest.raises(WorkflowFailed) as caught:
        await env.run(odd_itself, name)
    assert caught.value.failure.type == type_name
    assert message in (None, caught.value.failure.message)
    assert "hunter2" not in repr(caught.value.failure) + str(caught.value)
    assert await env.run(fine) == "fine"


@pytest.mark.parametrize("name", ["generator exit", "stop iteration", "stop async iteration"])
async def test_what_python_ends_generators_with_fails_the_workflow_too(name: str, environment: Any) -> None:
    env = await environment(odd_itself, fine, store="memory://")
    with pytest.raises(WorkflowFailed):
        await env.run(odd_itself, name)


async def test_details_that_cannot_be_encoded_become_their_text(environment: Any) -> None:
    from nexus_sdk import ApplicationError

    @activity(retry=ONCE)
    async def detailed() -> None:
        raise ApplicationError("odd", details={"it": ODD})

    @workflow
    async def reading(ctx: Context) -> Any:
        try:
            await detailed()
        except ActivityFailed as error:
            return [type(error.details).__name__, "could not be encoded" in error.__notes__[0]]

    env = await environment(reading, detailed)
    assert await env.run(reading) == ["str", True]


async def test_the_cause_chain_and_the_group_are_kept(environment: Any) -> None:
    @workflow
    async def looking(ctx: Context) -> list[Any]:
        seen: list[Any] = []
        for name in ("chained", "group", "noted"):
            try:
                await odd_async(name)
            except ActivityFailed as error:
                cause = error.failure.cause
                notes = list(getattr(error, "__notes__", ()))
                seen.append([cause.type if cause else None, [f.type for f in error.failure.group], notes])
        return seen

    env = await environment(looking, odd_async)
    assert await env.run(looking) == [
        ["KeyError", [], []],
        [None, ["ValueError", "ExceptionGroup"], []],
        [None, [], ["a note"]],
    ]


async def test_the_traceback_text_names_the_users_line(environment: Any) -> None:
    @workflow
    async def looking(ctx: Context) -> Any:
        try:
            await odd_threaded("chained")
        except ActivityFailed as error:
            return error.traceback

    env = await environment(looking, odd_threaded)
    text = await env.run(looking)
    assert "test_odd_exceptions.py" in text
    assert 'raise ValueError("outer")' in text
