"""Workflows made of workflows: an order is sent from several warehouses, each parcel a child of its own.

$ nexus run child_workflows:send_order --id order-1 --input '{"order": {"lamp": "north", "rug": "south"}}'
"""

from nexus_sdk import ApplicationError, ChildWorkflowFailed, Context, activity, workflow


@activity
def pick(item: str, warehouse: str) -> str:
    """Take an item off the shelf."""
    if warehouse == "flooded":
        raise ApplicationError("the warehouse is under water", type="OutOfReach", retryable=False)
    print(f"picking {item} in {warehouse}")
    return f"{item} from {warehouse}"


@activity
def hand_over(parcel: str) -> str:
    """Give it to the carrier."""
    print(f"handing over {parcel}")
    return f"{parcel}, on its way"


@activity
def ask_customer(order_id: str) -> None:
    """Ask how it was."""
    print("dear customer, how was", order_id)


@workflow
async def send_parcel(ctx: Context, item: str, warehouse: str, packing: float = 0.0) -> str:
    """One parcel. A child is an instance like any other: it can be started, listed and looked at by itself."""
    picked = await pick(item, warehouse)
    await ctx.sleep(packing)
    return await hand_over(picked)


@workflow
async def ask_for_review(ctx: Context, order_id: str, after: str) -> None:
    """Wait until the customer has had time to use it, then ask."""
    await ctx.sleep(after)
    await ask_customer(order_id)


@workflow
async def send_order(
    ctx: Context, order: dict[str, str], packing: float = 2.0, review_after: str = "30d"
) -> dict[str, str]:
    """Send each item from its warehouse, from the central one where that fails; which parcel became of which item."""

    async def send(item: str) -> str:
        # Ids are chosen: they say whose child it is, and can be looked at: `nexus show order-1/lamp`.
        try:
            return await send_parcel.options(id=f"{ctx.instance_id}/{item}")(item, order[item], packing)
        except ChildWorkflowFailed as failure:  # whatever it was: a failed child is an ordinary exception
            ctx.log.warning("sent from elsewhere", item=item, because=failure.message)
        return await send_parcel.options(id=f"{ctx.instance_id}/{item}/again")(item, "central", packing)

    # Children end with their parent: if this order is cancelled, so are its parcels.
    parcels = await ctx.map(send, sorted(order))

    # A detached child does not end with its parent. It is spawned, not awaited: the order is done today.
    review = ask_for_review.options(id=f"{ctx.instance_id}/review", detached=True)
    ctx.spawn(review(ctx.instance_id, review_after))
    return dict(zip(sorted(order), parcels, strict=True))
