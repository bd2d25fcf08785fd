"""Calls and definitions of activities that make no sense. `# E: mypy | pyright` names the rules that say so."""

from __future__ import annotations

from dataclasses import dataclass

from nexus_sdk import Context, Retry, activity, workflow


@dataclass
class Order:
    id: str


@dataclass
class Receipt:
    number: int


@activity
async def charge(order: Order, currency: str = "EUR", *, urgent: bool = False) -> Receipt:
    return Receipt(1)


@activity(timeout="30s")
def label(item: str) -> str:
    return item


@workflow
async def calling(ctx: Context, order: Order) -> None:
    await charge("an order")  # E: arg-type | reportArgumentType
    await charge()  # E: call-arg | reportCallIssue
    await charge(order, "EUR", True)  # E: call-arg | reportCallIssue
    await charge(order, speed=1)  # E: call-arg | reportCallIssue
    await charge(order, urgent="yes")  # E: arg-type | reportArgumentType
    await label(1)  # E: arg-type | reportArgumentType
    await label("a lamp", "another")  # E: call-arg | reportCallIssue
    await charge.options(timeout="5s")("an order")  # E: arg-type | reportArgumentType
    await charge.options(timeout="5s")()  # E: call-arg | reportCallIssue
    await charge.fn("an order")  # E: arg-type | reportArgumentType
    receipt: str = await charge(order)  # E: assignment | reportAssignmentType
    number: int = await label("a lamp")  # E: assignment | reportAssignmentType
    (await charge(order)).amount  # E: attr-defined | reportAttributeAccessIssue
    print(receipt, number)


async def options(order: Order) -> None:
    charge.options(timeout=[1])  # E: arg-type | reportArgumentType
    charge.options(retry=3)  # E: arg-type | reportArgumentType
    charge.options(local="yes")  # E: arg-type | reportArgumentType
    charge.options(queue="slow")  # E: call-arg | reportCallIssue


@activity(timeout={"seconds": 1})  # E: call-overload | reportArgumentType
async def wrong_timeout() -> None: ...


@activity(retry=5)  # E: call-overload | reportArgumentType
async def wrong_retry() -> None: ...


@activity(schedule_to_close=None, heartbeat_timeout=object())  # E: call-overload | reportArgumentType
async def wrong_heartbeat() -> None: ...


@activity(queue="slow")  # E: call-overload | reportCallIssue
async def wrong_option() -> None: ...


activity(1)  # E: call-overload | reportArgumentType
Retry(max_attempts="3")  # E: arg-type | reportArgumentType
Retry(initial=None)  # E: arg-type | reportArgumentType
Retry(jitter="some")  # E: arg-type | reportArgumentType
Retry(retry_on=(1,))  # E: arg-type | reportArgumentType
Retry(attempts=3)  # E: call-arg | reportCallIssue


# --- undoing ----------------------------------------------------------------------------------------------------------


@activity
async def refund(receipt: Receipt) -> None: ...


@activity
async def refund_two(receipt: Receipt, other: Receipt) -> None: ...


@activity(compensate=refund)  # E: call-overload | reportArgumentType
async def book(order: Order) -> str:
    return "booked"


@activity(compensate=refund)  # E: call-overload | reportArgumentType
def book_sync(order: Order) -> str:
    return "booked"


async def plain_refund(receipt: Receipt) -> None: ...


@activity(compensate=plain_refund)  # E: call-overload | reportArgumentType
async def book_plainly(order: Order) -> Receipt:
    return Receipt(1)


@activity(compensate=refund_two)  # E: arg-type | reportArgumentType
async def book_twice(order: Order) -> Receipt:
    return Receipt(1)


@activity(compensate="refund")  # E: call-overload | reportArgumentType
async def book_by_name(order: Order) -> Receipt:
    return Receipt(1)


label.options(compensate=refund)  # E: arg-type | reportArgumentType
