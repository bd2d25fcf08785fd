# orders.py
from dataclasses import dataclass

from nexus_sdk import Completes, Context, Nexus, activity, workflow


@dataclass
class Order:
    id: str
    items: list[str]


@dataclass
class Receipt:
    number: int


@activity
async def charge(order: Order) -> Receipt:
    return Receipt(len(order.items))


@workflow
async def fulfil(ctx: Context, order: Order) -> Completes[Receipt]:
    receipt = await charge(order)
    ctx.set_status(receipt.total)  # E: attr-defined | reportAttributeAccessIssue
    await charge(order.id)  # E: arg-type | reportArgumentType
    await ctx.sleep(["24h"])  # E: arg-type | reportArgumentType
    yield ctx.complete("done")  # E: arg-type | reportReturnType


def run(app: Nexus) -> int:
    app.run(fulfil, "order-1")  # E: arg-type | reportArgumentType
    return app.run(fulfil, Order("1", []))  # E: return-value | reportReturnType
