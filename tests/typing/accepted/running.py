"""Apps, clients and handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from nexus_sdk import (
    Client,
    Completes,
    Context,
    Handle,
    History,
    InstanceStatus,
    Nexus,
    Page,
    Status,
    activity,
    workflow,
)


@dataclass
class Order:
    id: str


@activity
def label(item: str) -> str:
    return item


@workflow
async def fulfil(ctx: Context, order: Order, copies: int = 1) -> Completes[list[str]]:
    yield ctx.complete([await label(order.id)])


@workflow
async def tick(ctx: Context) -> int:
    return 1


@workflow
async def by_name(ctx: Context, *, order: Order) -> int:
    return 1


@workflow
async def many(ctx: Context, *orders: Order) -> int:
    return 1


app = Nexus("sqlite:///orders.db", workflows=[fulfil, tick, by_name, many], activities=[label])
by_default = Nexus(workflows=(fulfil,))
found = Nexus.from_module("orders", store="memory://")
order = Order("1")


def run() -> None:
    assert_type(app.run(fulfil, order), list[str])
    assert_type(app.run(fulfil, order, 2, id="order-1"), list[str])
    assert_type(app.run(fulfil(order), id="order-1"), list[str])
    assert_type(app.run(fulfil(order=order, copies=2)), list[str])
    assert_type(app.run(tick, delay="1h", attributes={"team": "a"}, request_id="r"), int)
    assert_type(app.run(by_name(order=order)), int)
    assert_type(app.run(many, order, order), int)
    assert_type(app.run("fulfil", order), Any)


async def start() -> None:
    assert_type(await app.run_async(fulfil, order), list[str])
    client = app.client()
    assert_type(client, Client)
    handle = await client.start(fulfil, order, id="order-1", on_conflict="attach")
    assert_type(handle, Handle[list[str]])
    assert_type(await handle.result(), list[str])
    assert_type(await handle.result(timeout="1h"), list[str])
    assert_type(await client.start(fulfil, order, 2, delay=timedelta(hours=1)), Handle[list[str]])
    assert_type(await client.start(fulfil(order=order), id="1"), Handle[list[str]])
    assert_type(await client.start(tick, delay=datetime(2030, 1, 1, tzinfo=UTC)), Handle[int])
    assert_type(await client.start("fulfil", order), Handle[Any])
    async with app.worker(task_queues=["default"], concurrency=10):
        await handle.result()


async def ask(client: Client) -> None:
    handle = client.get("order-1")
    assert_type(handle, Handle[Any])
    assert_type(handle.id, str)
    status = await handle.status()
    assert_type(status, InstanceStatus)
    assert_type(status.status, Status)
    assert_type(status.created_at, datetime)
    assert_type(status.attributes, Mapping[str, str | int | float | bool])
    assert_type(await handle.history(), History)
    assert_type(await handle.query("words", 1), Any)
    await handle.send_event("approved", True, event_id="click-1")
    await handle.cancel("enough")
    await handle.terminate()
    await handle.suspend()
    await handle.resume()
    await handle.rewind()
    await handle.purge()


async def look(client: Client) -> None:
    page = await client.list(status="running", workflow="fulfil", attributes={"team": "a"}, limit=10)
    assert_type(page, Page)
    assert_type(page.cursor, str | None)
    assert_type(page[0], InstanceStatus)
    assert_type([one.id for one in page], list[str])
    await client.list([Status.RUNNING, Status.BLOCKED], cursor=page.cursor)
    assert_type(await client.count(status=Status.FAILED, created_after=datetime(2030, 1, 1, tzinfo=UTC)), int)


def takes_any_handle(handle: Handle[object]) -> str:
    return handle.id


async def passed_on(client: Client) -> None:
    takes_any_handle(await client.start(tick))
