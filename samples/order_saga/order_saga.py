"""A saga: when a later part of an order fails, what was done before it is undone, newest first.

$ nexus run order_saga:place_order --input '{"order": {"id": "order-1", "item": "a lamp", "address": "London"}}'
"""

from dataclasses import dataclass

from nexus_sdk import ActivityFailed, ApplicationError, Context, activity, activity_info, workflow


@dataclass
class Order:
    """What a customer wants."""

    id: str
    item: str
    address: str
    cents: int = 4_900


@dataclass
class Receipt:
    """What the payment service gave us. `key`: it books each key once, however often it hears it."""

    key: str
    cents: int


# --- the world --------------------------------------------------------------------------------------------------------
# An undo gets the result of what it undoes: so return what the undo needs. And it must be harmless when repeated, as
# everything that runs at least once.


@activity
def release(item: str) -> None:
    """Put it back on the shelf."""
    print("releasing", item)


@activity(compensate=release)
def reserve(order: Order) -> str:
    """Take it off the shelf."""
    print("reserving", order.item)
    return order.item


@activity
def refund(receipt: Receipt) -> None:
    """Give the money back."""
    print("refunding", receipt.cents, "cents")


@activity(compensate=refund)
def charge(order: Order) -> Receipt:
    """Take the money."""
    print("charging", order.cents, "cents")
    return Receipt(activity_info().idempotency_key, order.cents)


@activity
def ship(order: Order) -> str:
    """Hand it to the carrier. It needs no undo: when it fails nothing has left the house."""
    if "nowhere" in order.address:
        # Trying again would not help: the address stays what it is.
        raise ApplicationError(f"no carrier goes to {order.address}", type="AddressUnknown", retryable=False)
    print("shipping", order.item, "to", order.address)
    return f"parcel of {order.id}"


# --- the process ------------------------------------------------------------------------------------------------------


@workflow
async def place_order(ctx: Context, order: Order, change_of_mind: float = 3.0):
    """Reserve, charge, ship: all of it, or nothing.

    Args:
        change_of_mind: seconds in which the customer may still cancel; a cancelled order is undone too.
    """
    try:
        async with ctx.saga():
            yield reserve(order)
            receipt = yield charge(order)
            yield ctx.sleep(change_of_mind)  # kill the process here
            parcel = yield ship(order)
        yield ctx.complete({"order": order.id, "parcel": parcel, "paid": receipt.cents})
    except ActivityFailed as failure:
        # Here everything is undone. Had an undo failed, this would be a CompensationFailed: it is not caught, because
        # money that cannot be given back is for people to look at.
        yield ctx.complete({"order": order.id, "refused": failure.message})
