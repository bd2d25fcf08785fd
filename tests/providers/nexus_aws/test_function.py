"""The Lambda handler in this process: what it does with each kind of event, with its time, and with what stays warm."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import pytest

from nexus_aws import lambda_handler, messages
from nexus_aws.budget import Budget
from nexus_aws.function import Function
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.errors import DefinitionError, InvalidRequest, StoreUnavailable
from tests.providers.nexus_aws.cloud import Cloud, now, run
from tests.providers.nexus_aws.pump import Pump, Trouble, sync

pytestmark = pytest.mark.component

ROUNDS_MAX = 60
QUEUES = ("nexus:turns", "default", "slow", "long")
SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

BEGINNINGS: list[str] = []
"""Each time that the body of a workflow began: a replay begins it again."""

GATE: list[Callable[[], Any]] = []
"""What a slow activity waits for."""


@activity
async def double(n: int) -> int:
    return 2 * n


@activity(task_queue="slow")
def add(n: int, m: int) -> int:
    return n + m


@activity(task_queue="long")
async def long() -> str:
    await GATE[0]()
    return "done"


@workflow
async def sums(ctx: Context, n: int) -> int:
    BEGINNINGS.append(ctx.instance_id)
    ctx.on_query("wants", lambda: n)
    doubled = await ctx.gather(*(double(each) for each in range(n)))
    total = 0
    for each in doubled:
        total = await add(total, each)
    extra = await ctx.wait_for_event("extra", int)
    again = await ctx.wait_for_event("again", int)
    return total + extra + again


@workflow
async def lasting(ctx: Context) -> str:
    return await long()


class Invocation:
    """What Lambda tells about an invocation."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1_000)


@pytest.fixture
def store(cloud: Cloud) -> AwsStore:
    """A store on real time: the handler reads the clock of its process."""
    now.set(0)
    name = f"functions-{next(cloud._tables)}"
    store = AwsStore(name, f"{name}-nexus", cloud, poll_seconds=0.05)
    run(store.migrate())
    BEGINNINGS.clear()
    return store


@pytest.fixture
def app(store: AwsStore) -> Nexus:
    return Nexus(store, workflows=[sums, lasting], activities=[double, add, long])


@pytest.fixture
def handler(app: Nexus) -> Iterator[Function]:
    handler = lambda_handler(app)
    yield handler
    handler.close()


def start(handler: Function, id: str, workflow: str = "sums", **arguments: Any) -> None:
    event = {"action": "start", "workflow": workflow, "id": id, "arguments": arguments}
    assert handler(event, Invocation()) == {"id": id}


def status(handler: Function, id: str) -> str:
    said: str = handler({"action": "status", "id": id}, Invocation())["status"]
    return said


def pumped(cloud: Cloud, store: AwsStore, invoke: Callable[[Any], Any], trouble: Trouble | None = None) -> Pump:
    """A pump on real time."""
    return Pump(cloud, store, lambda event, *_: invoke(event), QUEUES, Random(1), trouble or Trouble(), now_us=0)


def bell(cloud: Cloud, store: AwsStore, id: str) -> dict[str, Any]:
    """The batch of one message that rings for an instance."""
    body = json.dumps([id, "", 0, 0, 1, "nexus:turns"])
    return {"Records": [{"messageId": "m-1", "receiptHandle": "none", "body": body, "eventSource": "aws:sqs"}]}


ALL_DONE: dict[str, Any] = {"batchItemFailures": []}


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [Trouble(), Trouble(twice=0.3, kept=0.3)], ids=["calm", "troubled"])
@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "always cold"])
def test_a_workflow_runs_to_its_end_on_functions_alone(
    cloud: Cloud, store: AwsStore, app: Nexus, trouble: Trouble, is_warm: bool
) -> None:
    """The same end, whether a container keeps what it knows or each invocation is the first of its container."""
    kept = lambda_handler(app)

    def invoke(event: Any) -> Any:
        if is_warm:
            return kept(event, Invocation())
        fresh = AwsStore(store._rows._table, f"{store._rows._table}-nexus", cloud, poll_seconds=0.05)
        function = lambda_handler(Nexus(fresh, workflows=[sums, lasting], activities=[double, add, long]))
        try:
            return function(event, Invocation())
        finally:
            function.close()

    start(kept, "it", n=4)
    pump = pumped(cloud, store, invoke, trouble)
    for name in ("extra", "again"):
        pump.round()
        invoke({"action": "event", "id": "it", "name": name, "payload": 100, "event_id": name})
    for _ in range(ROUNDS_MAX):
        pump.round()
        invoke(SWEEP)
        if status(kept, "it") == "completed":
            break
    assert kept({"action": "result", "id": "it"}, Invocation()) == {"id": "it", "status": "completed", "result": 212}
    kept.close()


def test_a_warm_container_goes_on_with_the_live_instance_and_reads_no_history(
    cloud: Cloud, store: AwsStore, handler: Function
) -> None:
    start(handler, "it", n=2)
    pump = pumped(cloud, store, lambda event: handler(event, Invocation()))
    while pump.round():
        pass
    assert BEGINNINGS == ["it"]
    handler({"action": "event", "id": "it", "name": "extra", "payload": 1}, Invocation())
    cloud.requests.clear()
    assert handler(bell(cloud, store, "it"), Invocation()) == ALL_DONE
    assert BEGINNINGS == ["it"]  # nothing was replayed
    assert not {"BatchGetItem", "Query"} & set(cloud.requests)
    assert cloud.requests["GetItem"] <= 1  # the event


def test_a_live_instance_that_another_container_has_overtaken_does_no_harm(
    cloud: Cloud, store: AwsStore, app: Nexus, handler: Function
) -> None:
    start(handler, "it", n=1)
    pump = pumped(cloud, store, lambda event: handler(event, Invocation()))
    while pump.round():
        pass
    table = store._rows._table
    other_store = AwsStore(table, f"{table}-nexus", cloud, poll_seconds=0.05)
    other = lambda_handler(Nexus(other_store, workflows=[sums, lasting], activities=[double, add, long]))
    other({"action": "event", "id": "it", "name": "extra", "payload": 1}, Invocation())
    other(bell(cloud, store, "it"), Invocation())
    other.close()
    handler({"action": "event", "id": "it", "name": "again", "payload": 10}, Invocation())
    handler(bell(cloud, store, "it"), Invocation())
    assert handler({"action": "result", "id": "it"}, Invocation())["result"] == 11


def test_an_instance_is_gone_on_with_until_it_truly_waits(cloud: Cloud, store: AwsStore, handler: Function) -> None:
    start(handler, "it", n=3)
    assert handler(bell(cloud, store, "it"), Invocation()) == ALL_DONE
    shown = handler({"action": "history", "id": "it"}, Invocation())["events"]
    kinds = [event["event"] for event in shown]
    assert kinds.count("ActivityCompleted") == 6  # one invocation has done it all
    assert kinds[-1] == "EventAwaited"


def test_what_there_is_no_time_for_is_reported_as_failed_and_nothing_is_lost(
    cloud: Cloud, store: AwsStore, handler: Function
) -> None:
    start(handler, "it", n=2)
    answer = handler(bell(cloud, store, "it"), Invocation(seconds=0.0))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert status(handler, "it") in ("pending", "running")


def test_an_activity_that_outlives_the_invocation_is_given_back_before_the_time_is_over(
    cloud: Cloud, store: AwsStore, handler: Function
) -> None:
    GATE[:] = [asyncio.Event().wait]  # for ever
    start(handler, "it", "lasting")
    assert handler(bell(cloud, store, "it"), Invocation(seconds=3.0)) == ALL_DONE
    GATE[:] = [lambda: asyncio.sleep(0)]
    pump = pumped(cloud, store, lambda event: handler(event, Invocation()))
    while pump.round():
        pass
    assert handler({"action": "result", "id": "it"}, Invocation())["result"] == "done"
    history = handler({"action": "history", "id": "it"}, Invocation())["events"]
    (completed,) = [event for event in history if event["event"] == "ActivityCompleted"]
    assert completed["attempts"] == 1  # what is given back is not an attempt that failed


def test_the_message_of_a_long_activity_is_hidden_for_longer_while_it_runs(
    cloud: Cloud, store: AwsStore, handler: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "LEASE_SECONDS", 0.3)

    extended, hide = asyncio.Event(), store.sqs.hide

    async def noted(*args: Any, **named: Any) -> None:
        await hide(*args, **named)
        if cloud.requests["ChangeMessageVisibility"] >= 2:
            extended.set()

    monkeypatch.setattr(store.sqs, "hide", noted)
    GATE[:] = [extended.wait]
    pump = pumped(cloud, store, lambda event: handler(event, Invocation()))
    other = lambda_handler(Nexus(store, workflows=[lasting], activities=[]))  # does not serve its queue
    start(handler, "it", "lasting")
    other(bell(cloud, store, "it"), Invocation())
    other.close()
    cloud.requests.clear()
    while pump.round():
        pass
    assert handler({"action": "result", "id": "it"}, Invocation())["result"] == "done"


def test_an_empty_batch_is_no_trouble(handler: Function) -> None:
    assert handler({"Records": []}, Invocation()) == ALL_DONE


def test_a_message_of_somebody_else_is_left_to_the_dead_letters_and_the_others_are_worked_off(
    cloud: Cloud, store: AwsStore, handler: Function
) -> None:
    start(handler, "it", n=1)
    batch = bell(cloud, store, "it")
    bodies = ("hi", "{}", "3", "[1, 2, 3, 4, 5, 6]")
    foreign = [{**batch["Records"][0], "messageId": f"f-{n}", "body": body} for n, body in enumerate(bodies)]
    answer = handler({"Records": [*foreign, *batch["Records"]]}, Invocation())
    assert answer == {"batchItemFailures": [{"itemIdentifier": f"f-{n}"} for n in range(len(bodies))]}
    assert status(handler, "it") == "running"
    assert BEGINNINGS == ["it"]


def test_records_of_another_service_are_refused_loudly(handler: Function) -> None:
    with pytest.raises(InvalidRequest, match="aws:sns"):
        handler({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, Invocation())


def test_a_store_that_is_out_of_reach_fails_the_messages_and_raises_nothing(
    cloud: Cloud, store: AwsStore, app: Nexus, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = lambda_handler(app)
    start(handler, "it", n=1)

    async def away(*args: Any, **named: Any) -> Any:
        raise StoreUnavailable("nobody is there")

    with monkeypatch.context() as patch:
        patch.setattr(store, "receive", away)
        answer = handler(bell(cloud, store, "it"), Invocation(seconds=0.3))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert handler(bell(cloud, store, "it"), Invocation()) == ALL_DONE
    assert BEGINNINGS == ["it"]
    handler.close()


# --- schedules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [SWEEP, {"action": "sweep"}, {"source": "aws.scheduler"}])
def test_a_schedule_without_a_start_is_the_sweep(handler: Function, event: Mapping[str, Any]) -> None:
    assert handler(event, Invocation()) == {"looked_at": 0}


@pytest.mark.parametrize(
    "event",
    [
        {"start": {"workflow": "sums", "arguments": {"n": 1}}, "time": "2026-01-01T00:00:00Z"},
        {"source": "shop", "id": "e-1", "detail": {"start": {"workflow": "sums", "arguments": {"n": 1}}}},
    ],
    ids=["a schedule's input", "an event on a bus"],
)
def test_an_event_that_comes_twice_starts_one_instance(app: Nexus, handler: Function, event: dict[str, Any]) -> None:
    first, again = handler(event, Invocation()), handler(event, Invocation())
    assert first == again
    later = handler({**event, "time": "2026-01-02T00:00:00Z", "id": "e-2"}, Invocation())
    assert later["id"] != first["id"]
    assert sync(app.client().count()) == 2


def test_the_time_of_a_schedule_may_be_part_of_the_id(handler: Function) -> None:
    begin = {"workflow": "sums", "arguments": {"n": 1}, "id": "report-{time}"}
    assert handler({"start": begin, "time": "2026-01-01"}, Invocation()) == {"id": "report-2026-01-01"}


def test_an_id_that_is_still_taken_is_told_and_raises_nothing(handler: Function) -> None:
    begin = {"workflow": "sums", "arguments": {"n": 1}, "id": "nightly"}
    assert handler({"start": begin, "time": "2026-01-01"}, Invocation()) == {"id": "nightly"}
    assert handler({"start": begin, "time": "2026-01-02"}, Invocation())["error"]["code"] == "NX302"


@pytest.mark.parametrize(
    ("event", "error", "words"),
    [
        ({"start": {"workflow": "sums"}}, InvalidRequest, "id or the time"),
        ({"start": "sums", "time": "1"}, InvalidRequest, "object"),
        ({"start": {"workflow": "x"}, "time": "1"}, DefinitionError, "x"),
        ({"start": {"workflow": "sums", "id": "r-{time}"}, "id": "1"}, InvalidRequest, "time"),
    ],
)
def test_a_schedule_that_makes_no_sense_raises_so_that_it_is_seen(
    handler: Function, event: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        handler(event, Invocation())


# --- direct calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        ({"action": "status", "id": "nobody"}, "NX301", "nobody"),
        ({"action": "start", "workflow": "unknown", "id": "x"}, "NX101", "unknown"),
        ({"action": "start", "workflow": "sums", "id": "x", "arguments": {"m": 1}}, "NX102", "m"),
        ({"action": "event", "id": "x"}, "NX322", "name"),
        ({"action": "status"}, "NX322", "id"),
        ({"action": "status", "id": "x", "colour": 1}, "NX322", "colour"),
        ({"action": "dance"}, "NX322", "dance"),
        ({"action": ["status"]}, "NX322", "a list"),
        ({}, "NX322", "without 'action'"),
        ([], "NX322", "object"),
        ("status", "NX322", "object"),
        (None, "NX322", "object"),
    ],
)
def test_a_direct_call_that_is_wrong_is_answered_with_a_coded_error(
    handler: Function, event: Any, code: str, words: str
) -> None:
    error = handler(event, Invocation())["error"]
    assert error["code"] == code
    assert words in error["message"]


# --- HTTP -------------------------------------------------------------------------------------------------------------


def http_2(method: str, path: str, body: Any = None, query: str = "", **more: Any) -> dict[str, Any]:
    """A request as a Function URL or an HTTP API hands it over."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", **more.pop("headers", {})},
        "requestContext": {"http": {"method": method, "path": path}, "stage": more.pop("stage", "$default")},
        "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


def http_1(
    method: str, path: str, body: Any = None, query: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """A request as a REST API hands it over."""
    return {
        "resource": "/{proxy+}",
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
        "headers": more.pop("headers", None),
        "requestContext": {"stage": "prod"},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


def answered(handler: Function, event: Mapping[str, Any], seconds: float = 30.0) -> tuple[int, Any]:
    answer = handler(event, Invocation(seconds))
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["isBase64Encoded"] is False
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("form", [http_1, http_2])
def test_an_instance_over_http_in_either_payload_format(
    cloud: Cloud, store: AwsStore, handler: Function, form: Any
) -> None:
    asked = form("POST", "/workflows/sums", {"arguments": {"n": 1}}, headers={"Idempotency-Key": "click-1"})
    status_code, body = answered(handler, asked)
    assert status_code == 202
    assert answered(handler, asked) == (202, body)
    id = body["id"]
    handler(bell(cloud, store, id), Invocation())
    assert answered(handler, form("GET", f"/instances/{id}"))[1]["status"] == "running"
    wait = "wait=0" if form is http_2 else {"wait": "0"}
    early = answered(handler, form("GET", f"/instances/{id}/result", query=wait))
    assert early == (202, {"id": id, "status": "running"})
    assert answered(handler, form("GET", f"/instances/{id}/queries/wants"))[1]["answer"] == 1
    for name in ("extra", "again"):
        assert answered(handler, form("POST", f"/instances/{id}/events/{name}", 5))[0] == 202
    handler(bell(cloud, store, id), Invocation())
    assert answered(handler, form("GET", f"/instances/{id}/result"))[1]["result"] == 10
    assert answered(handler, form("GET", f"/instances/{id}/history"))[1]["events"]


def test_a_body_in_base64_is_read_and_one_that_is_not_is_refused(handler: Function) -> None:
    body = b64encode(json.dumps({"arguments": {"n": 1}, "id": "it"}).encode()).decode()
    assert answered(handler, http_2("POST", "/workflows/sums", body, isBase64Encoded=True)) == (202, {"id": "it"})
    code, said = answered(handler, http_2("POST", "/workflows/sums", "!", isBase64Encoded=True))
    assert (code, said["error"]["code"]) == (400, "NX322")


def test_where_the_function_is_mounted_is_no_part_of_the_path(handler: Function) -> None:
    start(handler, "it", n=1)
    staged = http_2("GET", "/prod/instances/it", stage="prod")
    mounted = http_2("GET", "/api/nexus/instances/it", pathParameters={"proxy": "instances/it"})
    for event in (staged, mounted):
        assert answered(handler, event)[1]["id"] == "it"


def test_a_long_poll_ends_before_the_invocation_does(handler: Function) -> None:
    start(handler, "it", n=1)
    assert answered(handler, http_2("GET", "/instances/it/result", query="wait=20s"), seconds=0.8)[0] == 202


def test_a_request_that_takes_too_long_is_told_before_the_invocation_ends(
    store: AwsStore, handler: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "find", never)
    code, said = answered(handler, http_2("GET", "/instances/it"), seconds=0.2)
    assert (code, said["error"]["code"]) == (503, "NX403")


def test_a_handler_of_a_query_that_raises_is_an_answer_too(
    store: AwsStore, handler: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrong(*args: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(store, "find", wrong)
    code, said = answered(handler, http_2("GET", "/instances/it"))
    assert (code, said["error"]["code"]) == (500, "NX000")
    assert "secret" not in json.dumps(said)


def test_an_answer_that_is_larger_than_a_function_may_give_is_an_error_that_says_so(
    handler: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(handler, "it", n=1)
    for module in ("gateway", "direct"):
        monkeypatch.setattr(f"nexus_aws.{module}.RESPONSE_BYTES_MAX", 300)
    code, said = answered(handler, http_2("GET", "/instances/it/history"))
    assert (code, said["error"]["code"]) == (413, "NX502")
    assert handler({"action": "history", "id": "it"}, Invocation())["error"]["code"] == "NX502"


# --- its time and its store -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0, 30.0, 900.0])
def test_the_parts_of_a_budget_are_the_whole(seconds: float) -> None:
    budget = Budget.of(seconds)
    assert budget.taking + budget.draining + budget.reserved == pytest.approx(seconds)
    assert min(budget.taking, budget.draining, budget.reserved) >= 0
    assert budget.taking >= seconds / 2


def test_time_that_is_over_is_no_time() -> None:
    assert Budget.of(-1.0) == Budget.of(0.0)


def test_an_app_whose_store_is_elsewhere_is_refused() -> None:
    with pytest.raises(DefinitionError, match="dynamodb://"):
        lambda_handler(Nexus("memory://", workflows=[sums], activities=[double, add]))
