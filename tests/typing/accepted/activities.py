"""What a call of an activity takes and gives, for every way to define one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from nexus_sdk import Activity, ApplicationError, Context, Operation, Retry, activity, activity_info, heartbeat


@dataclass
class Order:
    id: str
    total: float


@dataclass
class Receipt:
    number: int


@activity
async def charge(order: Order, currency: str = "EUR", *, urgent: bool = False) -> Receipt:
    info = activity_info()
    assert_type(info.attempt, int)
    assert_type(info.remaining, timedelta | None)
    assert_type(info.idempotency_key, str)
    heartbeat({"done": 1})
    await heartbeat()
    raise ApplicationError("no", retryable=False, retry_after="5s")


@activity
def label(item: str) -> str:
    return item


@activity()
async def pack(item: str) -> list[str]:
    return [item]


@activity()
def weigh(item: str) -> float:
    return 1.0


@activity("put", retry=Retry(max_attempts=5, initial="1s", factor=2.0, jitter="none"), timeout="30s")
async def store(item: str) -> int:
    return len(item)


@activity(
    name="take",
    retry=Retry(retry_on=(OSError, "Timeout"), never_on=(ValueError,), max_interval=timedelta(hours=1)),
    timeout=timedelta(seconds=1),
    schedule_to_close=90,
    heartbeat_timeout=0.5,
    task_queue="slow",
    local=True,
)
def take(item: str) -> bytes:
    return item.encode()


@activity
async def anything(value: Any) -> Any:
    return value


@activity
def nothing() -> None: ...


@activity
async def maybe(key: str) -> dict[str, Any] | None:
    return {key: 1}


def returning_a_coroutine_function() -> Callable[[int], Any]:
    return lambda number: number


unknown = activity(name="unknown")(returning_a_coroutine_function())


async def main(ctx: Context, order: Order) -> None:
    assert_type(charge(order), Operation[Receipt])
    assert_type(await charge(order), Receipt)
    assert_type(await charge(order, "USD", urgent=True), Receipt)
    assert_type(await charge(order=order, currency="USD"), Receipt)
    assert_type(await label("a lamp"), str)
    assert_type(await pack("a lamp"), list[str])
    assert_type(await weigh("a lamp"), float)
    assert_type(await store("a lamp"), int)
    assert_type(await take("a lamp"), bytes)
    assert_type(await anything(1), Any)
    assert_type(await maybe("a"), dict[str, Any] | None)
    assert_type(await unknown(1), Any)
    await nothing()


async def options(order: Order) -> None:
    quick = charge.options(timeout="5s", retry=Retry(max_attempts=1), task_queue="fast", local=False)
    assert_type(quick(order, urgent=True), Operation[Receipt])
    assert_type(await charge.options(timeout=None)(order), Receipt)


async def raw_function(order: Order) -> None:
    # The function is known by its parameters; whether it is async is not, so its result is `Any`.
    assert_type(await charge.fn(order), Any)
    assert_type(label.fn("a lamp"), Any)


# --- undoing ----------------------------------------------------------------------------------------------------------


@activity
async def refund(receipt: Receipt, reason: str = "") -> None: ...


@activity
def forget(anything: object) -> None: ...


@activity
async def unindex(index: Mapping[str, int]) -> None: ...


@activity(compensate=refund)
async def book(order: Order) -> Receipt:
    return Receipt(1)


@activity(compensate=forget)
def note(order: Order) -> Receipt:
    return Receipt(1)


@activity("index", compensate=unindex)
async def index(order: Order) -> dict[str, int]:
    return {}


@activity(compensate=anything)
async def open_case(order: Order) -> Receipt:
    return Receipt(1)


@activity(compensate=None)
async def close_case(order: Order) -> Receipt:
    return Receipt(1)


async def undone(order: Order) -> None:
    # The result stays what the function says, also where the undo takes something wider.
    assert_type(await book(order), Receipt)
    assert_type(await note(order), Receipt)
    assert_type(await index(order), dict[str, int])
    assert_type(await open_case(order), Receipt)
    assert_type(await close_case(order), Receipt)
    assert_type(await charge.options(compensate=refund)(order), Receipt)
    assert_type(await charge.options(compensate=forget)(order), Receipt)
    assert_type(await book.options(compensate=None)(order), Receipt)


def takes_any_activity(one: Activity[..., Any]) -> str:
    return one.name


names = [takes_any_activity(charge), takes_any_activity(label)]
