"""The routes: what they answer, and that whatever is wrong with a request has a status and a code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_sdk import ConflictError, Context, StoreUnavailable, activity, workflow
from nexus_sdk.client import http
from nexus_sdk.client.actions import ACTIONS, act
from nexus_sdk.client.http import Request, Response
from nexus_sdk.errors import InvalidRequest
from nexus_sdk.testing import WorkflowEnvironment


class Order(BaseModel):
    id: str
    cents: int = 100


@activity
async def charge(order: Order) -> int:
    return order.cents


@workflow
async def fulfil(ctx: Context, order: Order) -> dict[str, Any]:
    ctx.on_query("order", lambda: order.id)
    ctx.on_query("add", lambda n, m: n + m)
    paid = await charge(order)
    ctx.set_status("waiting")
    approved = await ctx.wait_for_event("approved", bool)
    return {"paid": paid, "approved": approved}


@workflow
async def failing(ctx: Context) -> None:
    raise ValueError("no stock")


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with WorkflowEnvironment([fulfil, failing], [charge], clock="manual") as env:
        yield env


async def ask(
    env: WorkflowEnvironment, method: str, path: str, body: Any = None, *, seconds: float = 5.0, **more: Any
) -> Response:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answer = await http.answer(env.client, Request(method, path, body=data, **more), seconds=seconds)
    await env.settle()
    assert json.loads(json.dumps(answer.body)) == answer.body  # it is JSON
    return answer


def code(answer: Response) -> tuple[int, str]:
    return answer.status, answer.body["error"]["code"]


ORDER = {"arguments": {"order": {"id": "a lamp"}}, "id": "order-1"}


async def test_an_order_over_http_from_start_to_end(env: WorkflowEnvironment) -> None:
    started = await ask(env, "POST", "/workflows/fulfil", ORDER)
    assert (started.status, started.body) == (202, {"id": "order-1"})
    assert started.headers == {"location": "/instances/order-1"}
    status = await ask(env, "GET", "/instances/order-1")
    assert (status.status, status.body["status"], status.body["custom_status"]) == (200, "running", "waiting")
    early = await ask(env, "GET", "/instances/order-1/result", query={"wait": "0"})
    assert (early.status, early.body) == (202, {"id": "order-1", "status": "running"})
    told = await ask(env, "POST", "/instances/order-1/events/approved", True)
    assert (told.status, told.body["event"]) == (202, "approved")
    result = await ask(env, "GET", "/instances/order-1/result")
    assert result.status == 200
    assert result.body == {"id": "order-1", "status": "completed", "result": {"paid": 100, "approved": True}}


async def test_the_same_request_again_is_the_same_instance_and_the_same_event(env: WorkflowEnvironment) -> None:
    key = {"headers": {"idempotency-key": "click-1"}}
    body = {"arguments": ORDER["arguments"]}
    ids = {(await ask(env, "POST", "/workflows/fulfil", body, **key)).body["id"] for _ in range(2)}
    (id,) = ids
    for _ in range(2):
        said = await ask(env, "POST", f"/instances/{id}/events/approved", False, **key)
        assert (said.status, said.body["event_id"]) == (202, "click-1")
    events = (await ask(env, "GET", f"/instances/{id}/history")).body["events"]
    assert [event["event"] for event in events].count("EventReceived") == 1


async def test_a_start_with_an_id_that_is_taken_is_a_conflict_unless_it_attaches(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    assert code(await ask(env, "POST", "/workflows/fulfil", ORDER)) == (409, "NX302")
    attached = await ask(env, "POST", "/workflows/fulfil", {**ORDER, "on_conflict": "attach"})
    assert (attached.status, attached.body) == (202, {"id": "order-1"})


async def test_an_instance_that_failed_tells_its_failure_as_its_result(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/failing", {"id": "it"})
    result = await ask(env, "GET", "/instances/it/result")
    assert (result.status, result.body["status"]) == (200, "failed")
    assert result.body["error"]["code"] == "NX311"
    assert result.body["error"]["failure"]["message"] == "no stock"


async def test_a_result_that_does_not_come_in_time_is_202_and_no_later(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    request = Request("GET", "/instances/order-1/result", query={"wait": "20s"})
    waiting = asyncio.ensure_future(http.answer(env.client, request, seconds=3.0))
    await env.settle()
    assert not waiting.done()
    await env.advance("3s")
    assert (await waiting).status == 202


async def test_a_history_is_told_in_portions(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    whole = (await ask(env, "GET", "/instances/order-1/history")).body
    assert whole["next"] is None
    assert [event["number"] for event in whole["events"]] == list(range(1, len(whole["events"]) + 1))
    assert whole["events"][0]["event"] == "WorkflowCreated"
    told, after = [], 0
    while after is not None:
        query = {"after": str(after), "limit": "2"}
        portion = (await ask(env, "GET", "/instances/order-1/history", query=query)).body
        told += portion["events"]
        after = portion["next"]
    assert told == whole["events"]


async def test_queries_are_asked_with_and_without_arguments(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    assert (await ask(env, "GET", "/instances/order-1/queries/order")).body["answer"] == "a lamp"
    assert (await ask(env, "POST", "/instances/order-1/queries/add", [1, 2])).body["answer"] == 3
    query = {"arguments": "[3, 4]"}
    assert (await ask(env, "GET", "/instances/order-1/queries/add", query=query)).body["answer"] == 7


async def test_an_instance_can_be_held_let_go_and_cancelled(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    for action, status in (("suspend", "suspended"), ("resume", "running"), ("cancel", "cancelled")):
        body = {"reason": "the customer called"} if action != "resume" else None
        assert (await ask(env, "POST", f"/instances/order-1/{action}", body)).status == 202
        assert (await ask(env, "GET", "/instances/order-1")).body["status"] == status
    result = (await ask(env, "GET", "/instances/order-1/result")).body
    assert (result["status"], result["error"]["code"]) == ("cancelled", "NX312")
    assert "the customer called" in result["error"]["message"]


async def test_a_list_goes_on_with_its_cursor(env: WorkflowEnvironment) -> None:
    for n in range(3):
        await ask(env, "POST", "/workflows/fulfil", {**ORDER, "id": f"o-{n}", "attributes": {"n": n}})
    first = (await ask(env, "GET", "/instances", query={"limit": "2", "workflow": "fulfil"})).body
    rest = (await ask(env, "GET", "/instances", query={"limit": "2", "cursor": first["cursor"]})).body
    assert sorted(one["id"] for page in (first, rest) for one in page["instances"]) == ["o-0", "o-1", "o-2"]
    assert rest["cursor"] is None
    found = (await ask(env, "GET", "/instances", query={"attributes": '{"n": 1}', "status": "running"})).body
    assert [one["id"] for one in found["instances"]] == ["o-1"]


async def test_an_id_in_a_path_is_percent_encoded(env: WorkflowEnvironment) -> None:
    started = await ask(env, "POST", "/workflows/fulfil", {**ORDER, "id": "a/b c"})
    assert started.headers["location"] == "/instances/a%2Fb%20c"
    assert (await ask(env, "GET", started.headers["location"])).body["id"] == "a/b c"


async def test_what_a_path_says_stands_against_the_body(env: WorkflowEnvironment) -> None:
    await ask(env, "POST", "/workflows/fulfil", ORDER)
    said = await ask(env, "POST", "/instances/order-1/cancel", {"id": "another"})
    assert said.body["id"] == "order-1"


WRONG: Mapping[str, tuple[str, str, Any, int, str, str]] = {
    "no path": ("GET", "/", None, 404, "NX322", "no path"),
    "another path": ("GET", "/orders/1", None, 404, "NX322", "/orders/1"),
    "another method": ("DELETE", "/instances/it", None, 405, "NX322", "DELETE"),
    "no such workflow": ("POST", "/workflows/fulfill", {}, 404, "NX101", "fulfill"),
    "no JSON": ("POST", "/workflows/fulfil", b"{id: 1}", 400, "NX322", "not JSON"),
    "no UTF-8": ("POST", "/workflows/fulfil", b'"\xff"', 400, "NX322", "not JSON"),
    "no number": ("POST", "/workflows/fulfil", b'{"arguments": {"order": NaN}}', 400, "NX322", "NaN"),
    "deep": ("POST", "/workflows/fulfil", b"[" * 100_000, 400, "NX322", "nested"),
    "no object": ("POST", "/workflows/fulfil", [1], 400, "NX322", "object"),
    "unknown field": ("POST", "/workflows/fulfil", {"argument": {}}, 400, "NX322", "argument"),
    "arguments of another type": ("POST", "/workflows/fulfil", {"arguments": 7}, 400, "NX322", "arguments"),
    "missing argument": ("POST", "/workflows/fulfil", {}, 400, "NX102", "order"),
    "misfitting argument": ("POST", "/workflows/fulfil", {"arguments": {"order": {"id": 7}}}, 400, "NX501", "order"),
    "bad id": ("POST", "/workflows/fulfil", {**ORDER, "id": " x"}, 400, "NX321", "id"),
    "id of another type": ("POST", "/workflows/fulfil", {**ORDER, "id": 7}, 400, "NX322", "id"),
    "bad delay": ("POST", "/workflows/fulfil", {**ORDER, "delay": "soon"}, 400, "NX321", "soon"),
    "bad on_conflict": ("POST", "/workflows/fulfil", {**ORDER, "on_conflict": "x"}, 400, "NX321", "on_conflict"),
    "no such instance": ("GET", "/instances/nobody", None, 404, "NX301", "nobody"),
    "no such instance's result": ("GET", "/instances/nobody/result", None, 404, "NX301", "nobody"),
    "event to nobody": ("POST", "/instances/nobody/events/approved", True, 404, "NX301", "nobody"),
    "event to the finished": ("POST", "/instances/it/events/approved", True, 409, "NX303", "it"),
    "cancel of the finished": ("POST", "/instances/it/cancel", None, 409, "NX303", "it"),
    "rewind of the completed": ("POST", "/instances/it/rewind", None, 409, "NX304", "it"),
    "no such query": ("GET", "/instances/it/queries/colour", None, 404, "NX320", "colour"),
    "query by name": ("POST", "/instances/it/queries/add", {"n": 1}, 400, "NX322", "array"),
    "reason of another type": ("POST", "/instances/it/cancel", {"reason": 1}, 400, "NX322", "reason"),
    "large": ("POST", "/instances/it/events/x", "x" * 9_000_000, 413, "NX502", "bytes"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_has_a_status_and_a_code_and_does_nothing(env: WorkflowEnvironment, name: str) -> None:
    method, path, body, status, error, words = WRONG[name]
    await ask(env, "POST", "/workflows/fulfil", {**ORDER, "id": "it"})
    await ask(env, "POST", "/instances/it/events/approved", True)
    before = len(await env.history("it"))
    answer = await ask(env, method, path, body)
    assert code(answer) == (status, error)
    assert words in answer.body["error"]["message"]
    assert len(await env.history("it")) == before
    assert await env.client.count() == 1


@pytest.mark.parametrize("query", [{"wait": "soon"}, {"wait": "-1"}, {"weight": "1"}])
async def test_a_query_string_that_makes_no_sense_is_refused(env: WorkflowEnvironment, query: dict[str, str]) -> None:
    assert (await ask(env, "GET", "/instances/it/result", query=query)).status == 400


async def test_a_method_that_is_not_served_says_which_are(env: WorkflowEnvironment) -> None:
    assert (await ask(env, "PUT", "/instances/it/queries/order")).headers == {"allow": "GET, POST"}


def test_what_may_be_over_in_a_moment_says_when_to_come_again() -> None:
    for error in (StoreUnavailable("busy"), ConflictError("somebody was faster")):
        answer = http.refusal(error)
        assert (answer.status, answer.headers) == (503, {"retry-after": "1"})


async def test_an_action_that_there_is_not_names_those_that_there_are(env: WorkflowEnvironment) -> None:
    """As it stands in the reference of errors."""
    with pytest.raises(InvalidRequest) as refused:
        await act(env.client, "strat", {}, seconds=1.0)
    page = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
    assert str(refused.value) in page.read_text(encoding="utf-8")


def test_every_action_has_a_route() -> None:
    assert {route.action for route in http.ROUTES} == set(ACTIONS)
