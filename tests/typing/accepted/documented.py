# mypy: disable-error-code="type-arg, no-untyped-def, empty-body"
# pyright: basic
"""The headline form, without an annotation more than it needs."""

from pydantic import BaseModel

from nexus_sdk import Context, Nexus, Retry, activity, workflow


class Order(BaseModel):
    id: str
    items: list[str]
    total: float


@activity
async def refund(receipt: dict) -> None: ...


@activity(retry=Retry(max_attempts=5, initial="1s", factor=2.0), timeout="30s", compensate=refund)
async def charge(order: Order) -> dict: ...


@activity
def print_label(item: str) -> str: ...


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


app = Nexus("sqlite:///orders.db", workflows=[fulfil], activities=[charge, refund, print_label])
result = app.run(fulfil, Order(id="1", items=[], total=1.0), id="order-42")
