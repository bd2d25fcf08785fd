"""Fan out, fan in: bill thousands of customers, some hundred at a time, and sum up what became of it.

$ nexus run fan_out_fan_in:bill_month --input '{"month": "2026-01"}'
"""

from collections import Counter
from dataclasses import dataclass

from nexus_sdk import ActivityFailed, ApplicationError, Context, activity, activity_info, workflow


@dataclass
class Bill:
    """What one customer owes."""

    customer: int
    cents: int


@activity
def find_customers(count: int) -> list[int]:
    """Who used the service this month. Numbers, not records: what an activity returns is kept in the history."""
    print(count, "customers")
    return list(range(1, count + 1))


@activity
def send_bill(customer: int) -> Bill:
    """Add up what one customer used, and send the bill."""
    if customer % 1_000 == 0:
        # One customer's trouble must not stop the others: `bill`, below, catches it.
        raise ApplicationError(f"customer {customer} has no address", type="NoAddress", retryable=False)
    # A bill goes to the printer under its key: a bill that is sent twice, because the process died between sending and
    # recording, is the same bill. This file is the printer.
    with open("bills.txt", "a", encoding="utf-8") as printer:
        print(activity_info().idempotency_key, file=printer)
    return Bill(customer, 500 + customer * 37 % 9_500)


@workflow
async def bill_month(ctx: Context, month: str, customers: int = 5_000, concurrency: int = 200):
    """Bill everybody; how many, how much, and who could not be billed.

    Args:
        concurrency: so many bills are under way at a time. It protects the printer; NEXUS itself needs no limit.
    """
    numbers = yield find_customers(customers)
    done: Counter[str] = Counter()
    ctx.on_query("progress", lambda: dict(done))

    async def bill(customer: int) -> Bill | None:
        """Each item is a strand of its own: it may take several operations, and count as it goes."""
        try:
            bill = await send_bill(customer)
        except ActivityFailed as failure:
            done[failure.type] += 1
            return None
        done["billed"] += 1
        if done["billed"] % 500 == 0:
            ctx.set_status({"month": month, "billed": done["billed"], "of": len(numbers)})
        return bill

    bills = yield ctx.map(bill, numbers, concurrency=concurrency)  # results in the order of the items

    sent = [bill for bill in bills if bill is not None]
    missing = [customer for customer, bill in zip(numbers, bills, strict=True) if bill is None]
    yield ctx.complete(
        {"month": month, "billed": len(sent), "cents": sum(bill.cents for bill in sent), "not_billed": missing}
    )
