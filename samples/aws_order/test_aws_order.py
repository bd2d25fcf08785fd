"""aws_order: the workflow by itself, and on the whole stack."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from aws_order import app, charge, fulfil, pack, ship

from nexus_sdk.testing import WorkflowEnvironment

MISSING = find_spec("moto") is None and os.environ.get("NEXUS_REQUIRE_COMPONENTS") != "1"

ORDER = {"id": "order-1", "arguments": {"items": ["a lamp", "a rug"], "cents": 12_000}}
DONE = {"receipt": "receipt of order-1", "parcel": "parcel of order-1"}


def environment() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[fulfil], activities=[charge, pack, ship])


async def test_a_small_order_waits_for_nobody():
    async with environment() as env:
        result = await env.run(fulfil, ["a lamp"], 900, id="order-1")
    assert result == DONE


async def test_a_large_order_that_is_refused_is_not_charged():
    async with environment() as env:
        handle = await env.start(fulfil, ["a lamp"], 12_000, id="order-1")
        await env.settle()
        assert (await handle.status()).custom_status == "waits for approval"
        await handle.send_event("approved", False)
        assert await handle.result() == {"refused": "order-1"}
        assert env.calls(charge) == []


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import local_stack

    for name in (*local_stack.ENVIRONMENT, "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "")  # what the stack says of AWS is not for other tests
    with local_stack.Stack() as stack:
        yield stack


@pytest.mark.component
@pytest.mark.skipif(MISSING, reason="pip install 'nexus-sdk[dev]'")
def test_an_order_on_the_whole_stack(stack: Any):
    assert stack.request("POST", "/workflows/fulfil", ORDER) == (202, {"id": "order-1"})
    assert stack.request("POST", "/workflows/fulfil", ORDER)[0] == 409
    stack.pump()
    assert stack.request("GET", "/instances/order-1")[1]["custom_status"] == "waits for approval"
    stack.request("POST", "/instances/order-1/events/approved", True)
    stack.pump()
    stack.sweep()
    status, answer = stack.request("GET", "/instances/order-1/result")
    assert (status, answer["result"]) == (200, DONE)


def test_the_app_serves_its_queues():
    assert app.registry.task_queues == {"default", "warehouse"}
