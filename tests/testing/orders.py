"""Workflows for the tests of the testing tools: an order, and what belongs to it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from nexus_sdk import Context, Retry, activity, workflow


class Order(BaseModel):
    id: str
    items: list[str]
    total: float = 1.0


@activity
async def refund(receipt: dict[str, Any]) -> None:
    raise AssertionError("a test must not reach the bank")


@activity(retry=Retry(max_attempts=5, jitter="none"), timeout="30s", compensate=refund)
async def charge(order: Order) -> dict[str, Any]:
    raise AssertionError("a test must not reach the bank")


@activity
def print_label(item: str, copies: int = 1, *, paper: str = "white") -> str:
    return f"{copies} {paper} labels for {item}"


@activity(task_queue="printers")
async def print_poster(item: str) -> str:
    raise AssertionError("a test has no printer")


@workflow
async def fulfil(ctx: Context, order: Order):
    async with ctx.saga():
        receipt = yield charge(order)
        labels = yield ctx.gather(*(print_label(i) for i in order.items))
        decision = yield ctx.race(approved=ctx.wait_for_event("approved", bool), expired=ctx.sleep("24h"))
        if decision.name == "expired":
            raise RuntimeError("nobody approved the order")
    yield ctx.complete({"receipt": receipt, "labels": labels})


@workflow
async def pack(ctx: Context, item: str, *, fragile: bool = False) -> str:
    yield ctx.sleep("1h")
    yield ctx.complete(f"{item} in a box")


@workflow
async def pack_all(ctx: Context, items: list[str]) -> list[str]:
    return [await pack(item) for item in items]


ORDER = Order(id="42", items=["lamp", "shade"])
