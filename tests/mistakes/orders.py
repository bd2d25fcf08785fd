"""What the bad inputs are given to: an ordinary module of workflows, imported here and copied for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nexus_sdk import Context, Retry, activity, workflow


@dataclass
class Order:
    id: str
    amount: float


@activity(retry=Retry(max_attempts=1))
def charge(amount: float) -> float:
    return amount


@workflow
async def fulfil(ctx: Context, order: Order, note: str = ""):
    yield ctx.complete([order.id, (yield charge(order.amount)), note])


@workflow
async def keep(ctx: Context, value: Any = None):
    """Completes with whatever it is given."""
    yield ctx.complete(value)


@workflow
async def named(ctx: Context, *, amount: float):
    yield ctx.complete(amount)


@workflow
async def approval(ctx: Context):
    ctx.on_query("progress", lambda: "waiting")
    yield ctx.complete((yield ctx.wait_for_event("approved", bool)))


@workflow
async def refuse(ctx: Context):
    raise ValueError("no money")
    yield
