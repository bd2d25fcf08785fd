"""Mocks answer in place of the function, and of nothing else; calls are noted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_sdk import (
    ActivityFailed,
    ApplicationError,
    ChildWorkflowFailed,
    Context,
    InvalidArgument,
    Retry,
    WorkflowFailed,
    activity,
    activity_info,
    heartbeat,
    workflow,
)
from nexus_sdk.testing import MockExhausted, WorkflowEnvironment
from tests.testing.orders import ORDER, Order, charge, fulfil, pack, pack_all, print_label, print_poster, refund


@workflow
async def paying(ctx: Context, order: Order) -> Any:
    return await charge(order)


@workflow
async def paying_twice(ctx: Context, order: Order) -> Any:
    return [await charge(order), await charge(order)]


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_an_order_that_nobody_approves_is_refunded():
    async with WorkflowEnvironment([fulfil], [charge, refund, print_label], clock="manual") as env:
        env.mock(charge, returns={"ok": True})
        env.mock(refund)
        handle = await env.start(fulfil, ORDER)
        await env.advance("25h")
        with pytest.raises(WorkflowFailed, match="nobody approved"):
            await handle.result()
        assert env.calls(refund) == [({"ok": True},)]
        assert env.calls(charge) == [(ORDER,)]
        assert env.calls(print_label) == [("lamp",), ("shade",)]


async def test_what_is_mocked_need_not_be_served():
    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, returns={"ok": True})
        assert await env.run(paying, ORDER) == {"ok": True}


async def test_a_mock_that_raises_is_retried_as_the_real_one_is():
    async with WorkflowEnvironment([paying]) as env:
        began = env.now
        env.mock(charge, raises=ConnectionError("no line"))
        with pytest.raises(WorkflowFailed, match="failed after 5 attempts: ConnectionError: no line"):
            await env.run(paying, ORDER)
        assert len(env.calls(charge)) == 5
        assert env.now - began == timedelta(seconds=1 + 2 + 4 + 8)


async def test_a_class_of_exceptions_is_raised_too():
    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, raises=TimeoutError)
        with pytest.raises(WorkflowFailed, match="TimeoutError"):
            await env.run(paying, ORDER)


async def test_a_failure_that_may_not_be_retried_is_not():
    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, raises=ApplicationError("card declined", type="Declined", retryable=False))
        with pytest.raises(WorkflowFailed, match="after 1 attempt: Declined"):
            await env.run(paying, ORDER)
        assert len(env.calls(charge)) == 1


async def test_a_sequence_answers_one_attempt_after_another():
    async with WorkflowEnvironment([paying_twice]) as env:
        env.mock(charge, sequence=[ConnectionError("no line"), {"number": 1}, TimeoutError, {"number": 2}])
        assert await env.run(paying_twice, ORDER) == [{"number": 1}, {"number": 2}]
        assert len(env.calls(charge)) == 4


async def test_a_sequence_that_is_used_up_is_told_to_the_test_though_the_workflow_could_swallow_it():
    @workflow
    async def swallowing(ctx: Context) -> list[str]:
        types = []
        for _ in range(3):
            try:
                types.append(str(await charge(ORDER)))
            except ActivityFailed as error:
                types.append(error.type)
        return types

    async with WorkflowEnvironment([swallowing]) as env:
        env.mock(charge, sequence=[{"ok": True}])
        handle = await env.start(swallowing)
        with pytest.raises(MockExhausted, match=r"activity 'charge' was called .* has 1 item"):
            await handle.result()
        assert await handle.result() == ["{'ok': True}", "MockExhausted", "MockExhausted"]


async def test_a_function_answers_with_the_decoded_arguments():
    seen: list[Any] = []

    async def later(order: Order) -> dict[str, Any]:
        seen.append(order)
        await asyncio.sleep(0)
        return {"paid": order.total}

    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, calls=lambda whatever_it_is_called: {"id": whatever_it_is_called.id})
        assert await env.run(paying, ORDER) == {"id": "42"}
        env.mock(charge, calls=later)
        assert await env.run(paying, ORDER) == {"paid": 1.0}
        assert seen == [ORDER]


async def test_a_function_may_ask_who_calls_it_and_beat():
    def answer(order: Order) -> dict[str, Any]:
        heartbeat("half")
        if activity_info().attempt == 1:
            raise ConnectionError
        return {"attempt": activity_info().attempt, "details": activity_info().heartbeat_details}

    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, calls=answer)
        assert await env.run(paying, ORDER) == {"attempt": 2, "details": "half"}


async def test_the_latest_mock_counts_and_one_may_come_in_the_middle():
    async with WorkflowEnvironment([paying_twice], clock="manual") as env:
        env.mock(charge, sequence=[{"n": 1}, ConnectionError])
        handle = await env.start(paying_twice, ORDER)
        await env.settle()
        env.mock(charge, returns={"n": "new"})
        await env.advance("1s")
        assert await handle.result() == [{"n": 1}, {"n": "new"}]


async def test_timeouts_reach_a_mock():
    async def hanging(order: Order) -> None:
        await asyncio.get_running_loop().create_future()

    async with WorkflowEnvironment([paying]) as env:
        env.mock(charge, calls=hanging)
        with pytest.raises(WorkflowFailed, match="TimedOut"):
            await env.run(paying, ORDER)


# --- codec and signature ----------------------------------------------------------------------------------------------


class Receipt(BaseModel):
    number: int


@activity
async def typed(order: Order, copies: int = 1) -> Receipt:
    raise AssertionError("never")


async def test_results_go_through_the_codec():
    @workflow
    async def typing(ctx: Context) -> str:
        receipt = await typed(ORDER)
        return type(receipt).__name__

    async with WorkflowEnvironment([typing]) as env:
        env.mock(typed, returns={"number": 7})
        assert await env.run(typing) == "Receipt"
        env.mock(typed, returns=Receipt(number=7))
        assert await env.run(typing) == "Receipt"
        env.mock(typed, returns={"number": "seven"})
        with pytest.raises(WorkflowFailed, match="number"):
            await env.run(typing)
        env.mock(typed, returns=object())
        with pytest.raises(WorkflowFailed, match="PayloadError"):
            await env.run(typing)


async def test_arguments_are_checked_as_for_the_real_one():
    @workflow
    async def calling(ctx: Context) -> Any:
        return await ctx.call("typed", {"id": 1, "items": []})

    async with WorkflowEnvironment([calling]) as env:
        env.mock(typed, returns={"number": 7})
        with pytest.raises(WorkflowFailed, match=r"argument 'order'.*id"):
            await env.run(calling)
        assert env.calls(typed) == []  # the function would not have been called either


# --- names, queues, local ---------------------------------------------------------------------------------------------


async def test_a_name_stands_for_its_activity():
    async with WorkflowEnvironment([paying], [charge]) as env:
        env.mock("charge", returns={"by": "name"})
        assert await env.run(paying, ORDER) == {"by": "name"}
        assert env.calls("charge") == env.calls(charge) == [(ORDER,)]


async def test_an_activity_that_only_has_a_name_takes_any_arguments():
    @workflow
    async def calling(ctx: Context) -> Any:
        return [await ctx.call("elsewhere", 1, "two"), await charge(ORDER)]

    async with WorkflowEnvironment([calling]) as env:
        env.mock("elsewhere", calls=lambda number, text: f"{number} {text}")
        env.mock("charge", returns={})
        assert await env.run(calling) == ["1 two", {}]
        assert env.calls("elsewhere") == [(1, "two")]
        assert env.calls("charge") == [(ORDER.model_dump(),)]


async def test_what_is_mocked_is_served_on_its_queue():
    @workflow
    async def posting(ctx: Context) -> str:
        return await print_poster("lamp")

    async with WorkflowEnvironment([posting]) as env:
        handle = await env.start(posting)
        await env.settle()
        env.mock(print_poster, returns="a poster")  # after it was asked for
        assert await handle.result() == "a poster"


async def test_local_activities_are_mocked_too():
    @workflow
    async def nearby(ctx: Context) -> Any:
        return await charge.options(local=True)(ORDER)

    async with WorkflowEnvironment([nearby]) as env:
        env.mock(charge, sequence=[ConnectionError, {"ok": 1}])
        assert await env.run(nearby) == {"ok": 1}


async def test_plain_functions_are_mocked_on_the_event_loop_in_the_order_of_their_calls():
    seen: list[str] = []

    @workflow
    async def printing(ctx: Context) -> Any:
        return await ctx.map(print_label, [str(i) for i in range(50)])

    async with WorkflowEnvironment([printing]) as env:
        env.mock(print_label, calls=lambda item: seen.append(item) or item)
        await env.run(printing)
        assert seen == [str(i) for i in range(50)]
        assert env.calls(print_label) == [(item,) for item in seen]


# --- calls ------------------------------------------------------------------------------------------------------------


async def test_calls_have_their_arguments_in_the_order_of_the_parameters():
    @workflow
    async def printing(ctx: Context) -> None:
        await print_label("a")
        await print_label(item="b")
        await print_label("c", 2)
        await print_label(copies=3, item="d")
        await print_label("e", paper="red")

    async with WorkflowEnvironment([printing], [print_label]) as env:
        await env.run(printing)
        assert env.calls(print_label) == [("a",), ("b",), ("c", 2), ("d", 3), ("e", 1, "red")]


async def test_calls_are_what_was_passed_whatever_the_function_did_to_it():
    @activity
    async def spoiling(items: list[int], *more: int, **named: int) -> None:
        items.clear()

    @workflow
    async def calling(ctx: Context) -> None:
        await spoiling([1, 2], 3, 4, five=5)

    async with WorkflowEnvironment([calling], [spoiling]) as env:
        await env.run(calling)
        assert env.calls(spoiling) == [([1, 2], 3, 4, {"five": 5})]


async def test_each_attempt_is_a_call():
    @activity(retry=Retry(max_attempts=3, jitter="none"))
    async def flaky(x: int) -> int:
        if activity_info().attempt < 3:
            raise ConnectionError
        return x

    @workflow
    async def calling(ctx: Context) -> int:
        return await flaky(1)

    async with WorkflowEnvironment([calling], [flaky]) as env:
        assert env.calls(flaky) == []
        await env.run(calling)
        assert env.calls(flaky) == [(1,), (1,), (1,)]


# --- child workflows --------------------------------------------------------------------------------------------------


async def test_a_child_workflow_is_mocked_by_definition_without_being_served():
    async with WorkflowEnvironment([pack_all]) as env:
        began = env.now
        env.mock(pack, sequence=["a box", "two boxes"])
        assert await env.run(pack_all, ["lamp", "shade"]) == ["a box", "two boxes"]
        assert env.calls(pack) == [("lamp",), ("shade",)]
        assert env.now == began


async def test_a_child_workflow_is_mocked_by_name_and_may_fail():
    @workflow
    async def careful(ctx: Context) -> str:
        try:
            return await pack("lamp", fragile=True)
        except ChildWorkflowFailed as error:
            return f"{error.type}: {error.message}"

    async with WorkflowEnvironment([careful, pack]) as env:
        env.mock("pack", raises=ValueError("no boxes"))
        assert await env.run(careful) == "ValueError: no boxes"
        assert env.calls("pack") == [("lamp", True)]


async def test_a_function_answers_for_a_child_once_however_often_it_is_replayed():
    called: list[str] = []

    def answer(item: str) -> str:
        called.append(item)
        return item.upper()

    async with WorkflowEnvironment([pack_all], strict_replay=True) as env:
        env.mock(pack, calls=answer)
        assert await env.run(pack_all, ["lamp"]) == ["LAMP"]
        assert called == ["lamp"]


async def test_runs_of_real_workflows_are_calls_too():
    async with WorkflowEnvironment([pack_all, pack]) as env:
        await env.run(pack_all, ["lamp", "shade"])
        assert env.calls(pack) == [("lamp",), ("shade",)]
        assert env.calls(pack_all) == [(["lamp", "shade"],)]


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"returns": 1, "raises": ValueError}, "returns= and raises="),
        ({"raises": "no"}, "raises= takes an exception, got 'no'"),
        ({"sequence": "abc"}, "sequence= takes a list"),
        ({"sequence": 3}, "sequence= takes a list"),
        ({"calls": 3}, "calls= takes a function"),
    ],
)
def test_a_mock_that_makes_no_sense_is_refused(answers: dict[str, Any], complaint: str) -> None:
    env = WorkflowEnvironment([paying])
    with pytest.raises(InvalidArgument, match=complaint):
        env.mock(charge, **answers)


async def never(item: str) -> str:
    return item


def test_what_cannot_be_mocked_is_refused() -> None:
    env = WorkflowEnvironment([paying])
    for what in (charge.fn, 3, "", None):
        with pytest.raises(InvalidArgument, match="an activity, a workflow or the name of one"):
            env.mock(what, returns=1)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument):
            env.calls(what)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="plain function"):
        env.mock(pack, calls=never)
