"""`@workflow` and `@activity`: what they take, refuse and make."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nexus_sdk import Activity, Context, DefinitionError, InvalidArgument, Retry, Workflow, activity, workflow
from nexus_sdk.authoring.registry import Registry


async def asynchronous(item: int) -> int:
    """Doubles."""
    return 2 * item


def plain(item: int) -> int:
    return 3 * item


async def generator(ctx: Context, item: int = 1) -> AsyncIterator[Any]:
    yield item


async def coroutine(ctx: Context, item: int = 1) -> int:
    return item


class Callable_:
    def __call__(self, item: int) -> int:
        return item


def test_the_name_is_that_of_the_function_unless_given() -> None:
    assert activity(plain).name == "plain"
    assert activity(name="other")(plain).name == "other"
    assert activity("other")(plain).name == "other"
    assert activity()(plain).name == "plain"
    assert workflow(generator).name == "generator"
    assert workflow(name="other", version="2")(coroutine).name == "other"
    assert workflow("other")(coroutine).version == "1"


def test_a_definition_looks_like_its_function() -> None:
    made = activity(asynchronous)
    assert (made.__name__, made.__doc__, made.__module__) == ("asynchronous", "Doubles.", __name__)
    assert made.fn is asynchronous
    assert made.is_async
    assert not activity(plain).is_async
    assert repr(made) == "<activity 'asynchronous'>"
    assert repr(workflow(coroutine)) == "<workflow 'coroutine' version '1'>"


def test_nothing_is_registered_by_decorating() -> None:
    activity(name="twice")(plain)
    activity(name="twice")(asynchronous)
    workflow(name="twice")(generator)
    workflow(name="twice")(coroutine)
    assert not Registry().workflows
    assert not Registry().activities


@pytest.mark.parametrize(
    "wrong", [plain, lambda ctx: None, int, 42, functools.partial(coroutine), staticmethod(coroutine)]
)
def test_a_workflow_is_an_async_generator_or_a_coroutine_function(wrong: Any) -> None:
    with pytest.raises(DefinitionError):
        workflow(wrong)
    if wrong is plain:
        with pytest.raises(DefinitionError, match=r"workflow 'plain' must be an async generator.*or a coroutine"):
            workflow(wrong)


def test_a_plain_generator_is_no_workflow_and_no_activity() -> None:
    def numbers(ctx: Context) -> Any:
        yield 1

    for decorator in (workflow, activity):
        with pytest.raises(DefinitionError, match="numbers"):
            decorator(numbers)
    with pytest.raises(DefinitionError, match="is a generator"):
        activity(generator)


def test_a_workflow_needs_its_context() -> None:
    async def none() -> None: ...

    async def keyword(*, ctx: Context) -> None: ...

    async def several(*ctx: Context) -> None: ...

    for wrong in (none, keyword, several):
        with pytest.raises(DefinitionError, match="needs `ctx`"):
            workflow(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [int, 42, None, staticmethod(plain), lambda item: item, functools.partial(plain, 1)])
def test_an_activity_is_a_function_with_a_name(wrong: Any) -> None:
    with pytest.raises(DefinitionError):
        activity()(wrong)


def test_what_has_no_name_of_its_own_can_be_given_one() -> None:
    assert activity(name="double")(lambda item: 2 * item).name == "double"
    made = activity(name="partial")(functools.partial(plain))
    with pytest.raises(TypeError, match="missing a required argument"):
        made()
    assert activity(name="callable")(Callable_()).name == "callable"


@pytest.mark.parametrize("name", ["", "nexus:own"])
def test_reserved_and_empty_names_are_refused(name: str) -> None:
    if name:
        with pytest.raises(DefinitionError, match="name"):
            activity(name=name)(plain)
        with pytest.raises(DefinitionError, match="name"):
            workflow(name=name)(coroutine)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "soon"},
        {"timeout": -1},
        {"schedule_to_close": "x"},
        {"heartbeat_timeout": object()},
        {"retry": 3},
        {"retry": None},
        {"task_queue": ""},
        {"task_queue": " "},
        {"task_queue": 3},
        {"task_queue": "nexus:turns"},
        {"local": "yes"},
        {"unknown": 1},
    ],
)
def test_wrong_options_are_refused_where_they_are_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=f"activity.*{next(iter(wrong))}"):
        activity(name="charge", **wrong)(plain)
    if "unknown" not in wrong:
        with pytest.raises(DefinitionError, match="activity 'plain'"):
            activity(plain).options(**wrong)


@pytest.mark.parametrize("wrong", [{"version": ""}, {"version": 2}, {"timeout": "soon"}, {"timeout": -1}])
def test_wrong_options_of_a_workflow_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="workflow 'coroutine'"):
        workflow(**wrong)(coroutine)


def test_a_compensation_is_an_activity() -> None:
    undo = activity(plain)
    assert activity(compensate=undo)(asynchronous).compensate is undo
    for wrong in (plain, "plain", 3):
        with pytest.raises(DefinitionError, match="compensate"):
            activity(compensate=wrong)(asynchronous)
    assert activity(compensate=undo)(asynchronous).options(compensate=None).compensate is None


def test_options_make_another_definition_and_leave_the_first_alone() -> None:
    first = activity(timeout="1m", retry=Retry(max_attempts=5))(plain)
    second = first.options(timeout="5s", task_queue="gpu", local=True)
    assert (second.name, second.fn) == (first.name, first.fn)
    assert second.activity_options.start_to_close_us == 5_000_000
    assert second.activity_options.task_queue == "gpu"
    assert second.activity_options.local
    assert second.activity_options.retry.max_attempts == 5
    assert first.activity_options.start_to_close_us == 60_000_000
    assert not first.activity_options.local
    assert first.options(timeout=None).activity_options.start_to_close_us is None


def test_options_of_a_child_check_its_id() -> None:
    made = workflow(coroutine)
    assert made.options(id="mine").name == "coroutine"
    with pytest.raises(InvalidArgument):
        made.options(id="nexus:mine")


# --- outside a workflow ---


async def test_a_call_outside_a_workflow_runs_the_function_when_awaited() -> None:
    assert await activity(asynchronous)(4) == 8
    assert await activity(plain)(item=4) == 12
    assert activity(plain).fn(1) == 3


async def test_a_call_outside_a_workflow_raises_what_the_function_raises() -> None:
    @activity
    async def fails() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await fails()


def test_a_wrong_call_is_a_type_error_at_once() -> None:
    for call in (lambda: activity(plain)(), lambda: activity(plain)(1, 2), lambda: workflow(coroutine)(1, 2)):
        with pytest.raises(TypeError, match=r"(plain|coroutine)\(\)"):
            call()


async def test_a_workflow_cannot_be_awaited_outside() -> None:
    bound: Any = workflow(coroutine)(5)
    assert bound.arguments == {"item": 5}
    with pytest.raises(DefinitionError, match="cannot be awaited outside a workflow") as caught:
        await bound
    assert "app.run(coroutine" in str(caught.value)


# --- registries ---


def test_a_registry_finds_definitions_by_name_and_version() -> None:
    one, two = workflow(name="flow")(coroutine), workflow(name="flow", version="2")(generator)
    registry = Registry([one, two], [activity(plain)])
    assert registry.workflow("flow", "1") is one
    assert registry.latest("flow") is two
    assert registry.workflow("flow", "3") is None
    assert registry.activity("plain") is not None
    assert registry.activity("other") is None
    with pytest.raises(DefinitionError, match=r"(?s)no workflow is called 'flw'.*'flow'"):
        registry.latest("flw")


def test_two_definitions_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match="two workflows are called 'flow' in version '1'"):
        Registry([workflow(name="flow")(coroutine), workflow(name="flow")(generator)])
    with pytest.raises(DefinitionError, match="two activities are called 'do'"):
        Registry([], [activity(name="do")(plain), activity(name="do")(asynchronous)])


def test_the_same_function_twice_is_one_definition() -> None:
    made = activity(plain)
    registry = Registry([workflow(coroutine), workflow(coroutine)], [made, made.options(timeout="1s")])
    assert list(registry.workflows) == [("coroutine", "1")]
    assert list(registry.activities) == ["plain"]


def test_compensations_are_served_along() -> None:
    undo_undo = activity(name="undo undo")(plain)
    undo = activity(name="undo", compensate=undo_undo, task_queue="back office")(plain)
    registry = Registry([], [activity(compensate=undo)(asynchronous)])
    assert set(registry.activities) == {"asynchronous", "undo", "undo undo"}
    assert registry.task_queues == {"default", "back office"}


@pytest.mark.parametrize("wrong", [plain, "plain", None, coroutine])
def test_what_is_no_definition_is_refused(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="workflows="):
        Registry([wrong])
    with pytest.raises(DefinitionError, match="activities="):
        Registry([], [wrong])


def test_the_build_follows_the_code() -> None:
    def flow(number: int) -> Workflow[Any, Any]:
        if number == 1:

            async def body(ctx: Context) -> int:
                return 1

        else:

            async def body(ctx: Context) -> int:
                return ctx.run + 2

        return workflow(name="flow")(body)

    assert Registry([flow(1)]).build == Registry([flow(1)]).build != Registry([flow(2)]).build
    assert isinstance(activity(plain), Activity)
