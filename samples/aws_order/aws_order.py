"""An order without any server: the same workflow as elsewhere, on a table, queues and a function.

$ python local_stack.py
"""

from nexus_sdk import Context, Nexus, activity, workflow

APPROVAL_CENTS = 10_000
"""A larger order waits for a person."""


@activity
async def charge(order: str, cents: int) -> str:
    """Take the money."""
    print(f"    charging {cents} cents for {order}")
    return f"receipt of {order}"


@activity
async def pack(item: str) -> str:
    """Put it into a box."""
    print(f"    packing {item}")
    return f"a box with {item}"


@activity(task_queue="warehouse")
async def ship(order: str, boxes: list[str]) -> str:
    """Hand the boxes to the carrier. A queue of its own: another function may serve it, or a worker somewhere."""
    print(f"    shipping {len(boxes)} boxes")
    return f"parcel of {order}"


@workflow
async def fulfil(ctx: Context, items: list[str], cents: int):
    """Charge, pack, wait for a person where it is much, ship."""
    if cents > APPROVAL_CENTS:
        ctx.set_status("waits for approval")
        if not (yield ctx.wait_for_event("approved", bool)):
            yield ctx.complete({"refused": ctx.instance_id})
    ctx.set_status("is on its way")
    receipt = yield charge(ctx.instance_id, cents)
    boxes = yield ctx.map(pack, items)
    parcel = yield ship(ctx.instance_id, boxes)
    yield ctx.complete({"receipt": receipt, "parcel": parcel})


# Where it runs is one line. `nexus run … --store sqlite:///nexus.db` runs the same on a laptop.
app = Nexus("dynamodb://aws-order?region=us-east-1", workflows=[fulfil], activities=[charge, pack, ship])
