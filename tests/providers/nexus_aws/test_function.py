"""The Lambda handler, fed by a pump that plays the event-source mapping: late, twice, in any order, by halves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from random import Random
from typing import Any, TypeVar

import pytest

from nexus_aws import lambda_handler
from nexus_aws.function import Function
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.errors import DefinitionError
from tests.providers.nexus_aws.cloud import Cloud, now, run

pytestmark = pytest.mark.component

T = TypeVar("T")

ROUNDS_MAX = 60


@activity
async def double(n: int) -> int:
    return 2 * n


@activity(task_queue="slow")
def add(n: int, m: int) -> int:
    return n + m


@workflow
async def sums(ctx: Context, n: int) -> int:
    doubled = await ctx.gather(*(double(each) for each in range(n)))
    total = 0
    for each in doubled:
        total = await add(total, each)
    extra = await ctx.wait_for_event("extra", int)
    return total + extra


class Invocation:
    """What Lambda tells about an invocation."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1_000)


class Pump:
    """Receives from every queue and invokes the handler, as an event-source mapping does."""

    def __init__(self, cloud: Cloud, store: AwsStore, handler: Callable[..., Any], seed: int, trouble: float) -> None:
        self._cloud = cloud
        self._store = store
        self._handler = handler
        self._chance = Random(seed)
        self._trouble = trouble
        self.failed = 0

    def round(self) -> int:
        """Deliver what is there; how many messages that were."""
        messages = [message for queue in ("nexus:turns", "default", "slow") for message in self._received(queue)]
        self._chance.shuffle(messages)
        for start in range(0, len(messages), 4):
            self._invoke(messages[start : start + 4])
        return len(messages)

    def _received(self, queue: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        url = sync(self._store.sqs._url(queue))
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 2, "WaitTimeSeconds": 0}
        for message in sync(self._cloud("sqs", "ReceiveMessage", asked)).get("Messages", ()):
            yield url, message

    def _invoke(self, messages: list[tuple[str, Mapping[str, Any]]]) -> None:
        if self._chance.random() < self._trouble:
            messages = messages + messages[:1]  # delivered twice
        records = [
            {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
            for _, message in messages
        ]
        answer = self._handler({"Records": records}, Invocation())
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.failed += len(failed)
        for url, message in messages:
            if message["MessageId"] not in failed and self._chance.random() >= self._trouble:
                sync(self._cloud("sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}))


def sync(task: Coroutine[Any, Any, T]) -> T:
    """The result of something asynchronous, from a test that is not."""
    return asyncio.run(task)


@pytest.fixture
def store(cloud: Cloud) -> AwsStore:
    """A store on real time: the handler reads the clock of its process."""
    now.set(0)
    cloud.stores()  # so that names differ
    name = f"functions-{next(cloud._tables)}"
    store = AwsStore(name, f"{name}-nexus", cloud, poll_seconds=0.05)
    run(store.migrate())
    return store


@pytest.fixture
def app(store: AwsStore) -> Nexus:
    return Nexus(store, workflows=[sums], activities=[double, add])


@pytest.fixture
def handler(app: Nexus) -> Iterator[Function]:
    handler = lambda_handler(app)
    yield handler
    handler.close()


@pytest.mark.parametrize(("seed", "trouble"), [(0, 0.0), (1, 0.3)])
def test_a_workflow_runs_to_its_end_on_functions_alone(
    cloud: Cloud, store: AwsStore, app: Nexus, handler: Function, seed: int, trouble: float
) -> None:
    started = handler({"action": "start", "workflow": "sums", "id": "it", "arguments": {"n": 4}}, Invocation())
    assert started == {"id": "it"}
    assert (
        handler({"action": "event", "id": "it", "name": "extra", "payload": 100, "event_id": "e"}, Invocation()) == {}
    )
    pump = Pump(cloud, store, handler, seed, trouble)
    for _ in range(ROUNDS_MAX):
        pump.round()
        handler({"source": "aws.events", "detail-type": "Scheduled Event"}, Invocation())
        status = handler({"action": "status", "id": "it"}, Invocation())
        if status["status"] == "completed":
            break
    assert status == {"id": "it", "status": "completed", "workflow": "sums", "run": 1}
    assert sync(app.client().get("it").result()) == 112


def test_what_there_is_no_time_for_is_reported_as_failed_and_nothing_is_lost(handler: Function) -> None:
    handler({"action": "start", "workflow": "sums", "id": "it", "arguments": {"n": 2}}, Invocation())
    body = json.dumps(["it", "", 0, 0, 1, "nexus:turns"])
    record = {"messageId": "m-1", "receiptHandle": "none", "body": body}
    answer = handler({"Records": [record]}, Invocation(seconds=0.0))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert handler({"action": "status", "id": "it"}, Invocation())["status"] in ("pending", "running")


def test_an_empty_batch_is_no_trouble(handler: Function) -> None:
    assert handler({"Records": []}, Invocation()) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        ({"action": "status", "id": "nobody"}, "NX301", "nobody"),
        ({"action": "start", "workflow": "unknown", "id": "x"}, "NX1", "unknown"),
        ({"action": "start", "workflow": "sums", "id": "x", "arguments": {"m": 1}}, "NX1", "m"),
        ({"action": "event", "id": "x"}, "", "name"),
        ({"action": "dance"}, "", "dance"),
        ({}, "", "no such action"),
    ],
)
def test_a_direct_call_that_is_wrong_is_answered_with_a_coded_error(
    handler: Function, event: Mapping[str, Any], code: str, words: str
) -> None:
    error = handler(event, Invocation())["error"]
    assert error["code"].startswith(code)
    assert words in error["message"]


def test_an_app_whose_store_is_elsewhere_is_refused() -> None:
    with pytest.raises(DefinitionError, match="dynamodb://"):
        lambda_handler(Nexus("memory://", workflows=[sums], activities=[double, add]))
