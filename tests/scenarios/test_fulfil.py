"""The example of the API page, as it is written there, on all its branches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_sdk import Context, Retry, WorkflowCancelled, WorkflowFailed, activity, workflow

DONE: list[Any] = []


class Order(BaseModel):
    id: str
    items: list[str]
    total: float


@activity
async def refund(receipt: dict) -> None:
    DONE.append(("refund", receipt))


@activity(retry=Retry(max_attempts=5, initial="1s", factor=2.0), timeout="30s", compensate=refund)
async def charge(order: Order) -> dict:
    DONE.append(("charge", order.id))
    if order.id == "broke":
        raise ValueError("no money")
    return {"paid": order.total}


@activity
def print_label(item: str) -> str:
    DONE.append(("label", item))
    if item == "smudge":
        raise OSError("no ink")
    return f"<{item}>"


@workflow
async def fulfil(ctx: Context, order: Order):
    async with ctx.saga():
        receipt = yield charge(order)
        labels = yield ctx.gather(*(print_label(i) for i in order.items))
        decision = yield ctx.race(
            approved=ctx.wait_for_event("approved", bool),
            expired=ctx.sleep("24h"),
        )
        if decision.name == "expired":
            raise RuntimeError("nobody approved the order")
    yield ctx.complete({"receipt": receipt, "labels": labels})


ORDER = Order(id="42", items=["book", "pen"], total=12.5)


@pytest.fixture
async def env(environment: Any) -> Any:
    DONE.clear()
    return await environment(fulfil, charge, refund, print_label)


async def test_an_approved_order_completes_with_receipt_and_labels(env: Any) -> None:
    handle = await env.start(fulfil, ORDER)
    await env.settle()
    await handle.send_event("approved", True, event_id="click-1")
    assert await handle.result() == {"receipt": {"paid": 12.5}, "labels": ["<book>", "<pen>"]}
    assert ("refund", {"paid": 12.5}) not in DONE


async def test_an_order_that_nobody_approves_is_refunded_after_a_day(env: Any) -> None:
    began = env.now
    handle = await env.start(fulfil, ORDER)
    with pytest.raises(WorkflowFailed, match="nobody approved the order"):
        await handle.result()
    assert DONE[-1] == ("refund", {"paid": 12.5})
    assert env.now - began == timedelta(hours=24)


async def test_an_approval_that_came_before_the_wait_counts(env: Any) -> None:
    handle = await env.start(fulfil, ORDER)
    await handle.send_event("approved", False)
    assert (await handle.result())["labels"] == ["<book>", "<pen>"]


async def test_a_charge_that_fails_for_good_leaves_nothing_to_refund(env: Any) -> None:
    handle = await env.start(fulfil, ORDER.model_copy(update={"id": "broke"}))
    with pytest.raises(WorkflowFailed, match="no money") as caught:
        await handle.result()
    assert caught.value.type == "ActivityFailed"
    assert DONE == [("charge", "broke")] * 5


async def test_a_label_that_cannot_be_printed_refunds_the_charge(env: Any) -> None:
    with pytest.raises(WorkflowFailed, match="no ink"):
        await env.run(fulfil, ORDER.model_copy(update={"items": ["book", "smudge"]}))
    assert DONE.count(("label", "smudge")) == 3
    assert DONE[-1] == ("refund", {"paid": 12.5})


async def test_a_cancelled_order_is_refunded_too(env: Any) -> None:
    handle = await env.start(fulfil, ORDER)
    await env.settle()
    await handle.cancel("changed my mind")
    with pytest.raises(WorkflowCancelled, match="changed my mind"):
        await handle.result()
    assert DONE[-1] == ("refund", {"paid": 12.5})


async def test_an_order_without_items_needs_no_labels(env: Any) -> None:
    handle = await env.start(fulfil(order=ORDER.model_copy(update={"items": []})))
    await handle.send_event("approved", True)
    assert (await handle.result())["labels"] == []


async def test_the_activities_can_be_called_outside_a_workflow() -> None:
    assert await charge(ORDER) == {"paid": 12.5}
    assert await print_label("pen") == "<pen>"
    assert print_label.fn("pen") == "<pen>"
