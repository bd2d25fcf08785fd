"""Starts and questions that make no sense."""

from __future__ import annotations

from dataclasses import dataclass

import nexus_sdk
import nexus_sdk.testing
from nexus_sdk import Client, Completes, Context, Nexus, activity, workflow
from nexus_sdk.testing import WorkflowEnvironment


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
async def by_name(ctx: Context, *, order: Order) -> int:
    return 1


app = Nexus("sqlite:///orders.db", workflows=[fulfil, by_name], activities=[label])
order = Order("1")

nexus_sdk.Workflw  # E: attr-defined | reportAttributeAccessIssue
nexus_sdk.testing.Environment  # E: attr-defined | reportAttributeAccessIssue
Nexus(workflows=[label])  # E: list-item | reportArgumentType
Nexus(activities=[fulfil])  # E: list-item | reportArgumentType
Nexus(workflow=[fulfil])  # E: call-arg | reportCallIssue
Nexus(1)  # E: arg-type | reportArgumentType

app.run(fulfil, "an order")  # E: arg-type | reportArgumentType
app.run(fulfil)  # E: arg-type | reportArgumentType
app.run(fulfil, order, 1, 2)  # E: arg-type | reportArgumentType
app.run(fulfil, order, copies=2)  # E: call-overload | reportCallIssue
app.run(fulfil, order, id=1)  # E: call-overload | reportArgumentType
app.run(fulfil(order="an order"))  # E: arg-type | reportArgumentType
app.run(fulfil(order), order)  # E: call-overload | reportArgumentType
app.run(by_name, order)  # E: arg-type | reportArgumentType
app.run(label, "a lamp")  # E: arg-type | reportArgumentType
app.run(label("a lamp"))  # E: call-overload | reportArgumentType
number: int = app.run(fulfil, order)  # E: assignment | reportAssignmentType


async def start(client: Client) -> None:
    await client.start(fulfil, "an order")  # E: arg-type | reportArgumentType
    await client.start(fulfil)  # E: arg-type | reportArgumentType
    await client.start(fulfil, order, ident="1")  # E: call-overload | reportCallIssue
    await client.start(fulfil, order, on_conflict="ignore")  # E: call-overload | reportArgumentType
    await client.start(fulfil, order, delay=[1])  # E: call-overload | reportArgumentType
    await client.start(fulfil, order, attributes={"team": None})  # E: dict-item | reportArgumentType
    await client.start(label, "a lamp")  # E: arg-type | reportArgumentType
    handle = await client.start(fulfil, order)
    text: str = await handle.result()  # E: assignment | reportAssignmentType
    await handle.result(timeout=[1])  # E: arg-type | reportArgumentType
    await handle.send_event(1)  # E: arg-type | reportArgumentType
    await handle.stop()  # E: attr-defined | reportAttributeAccessIssue
    page = await client.list(limit="10")  # E: arg-type | reportArgumentType
    await client.list(state="running")  # E: call-arg | reportCallIssue
    await client.count(created_after="today")  # E: arg-type | reportArgumentType
    page[0].state  # E: attr-defined | reportAttributeAccessIssue
    print(text)


async def test() -> None:
    async with WorkflowEnvironment(workflows=[fulfil], clock="fast") as env:  # E: arg-type | reportArgumentType
        await env.start(fulfil, "an order")  # E: arg-type | reportArgumentType
        handle = await env.start(fulfil, order)
        text: str = await handle.result()  # E: assignment | reportAssignmentType
        await handle.stop()  # E: attr-defined | reportAttributeAccessIssue
        await env.run(fulfil)  # E: arg-type | reportArgumentType
        await env.advance([1])  # E: arg-type | reportArgumentType
        print(text)
