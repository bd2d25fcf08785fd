"""What the agent can do: tools are activities, like any other. What they return is read by the model."""

from nexus_sdk import ApplicationError, activity


@activity
def look_up_order(order_id: str) -> str:
    """What is known of an order."""
    if order_id != "order-7":
        raise ApplicationError(f"there is no {order_id}", type="NoSuchOrder", retryable=False)
    return f"{order_id}: a lamp, 4900 cents, delivered yesterday"


@activity
def take_note(order_id: str, text: str) -> str:
    """Keep something about an order."""
    return "noted"


@activity
def refund(order_id: str, cents: int) -> str:
    """Give money back: no model should do that by itself."""
    print("refunding", cents, "cents for", order_id)
    return f"{cents} cents were refunded"
