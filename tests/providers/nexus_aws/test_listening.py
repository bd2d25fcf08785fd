"""Workers on real clocks: told by SQS what others have put there, without asking each second, through aioboto3."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from nexus_aws.aio import AioCall, SharedCall
from nexus_aws.call import AwsError, BotoCall
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.port import TURNS
from nexus_sdk.testing.provider_suite.builders import ANNA, BERT, new, started, task
from tests.providers.nexus_aws.cloud import Cloud, now

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

LISTEN_SECONDS = 20


class Noted:
    """Passes requests on, and keeps what was asked; `waiting`: so many long polls are under way."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.requests: Counter[str] = Counter()
        self.waiting = 0

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        is_long = bool(parameters.get("WaitTimeSeconds"))
        self.requests["long poll" if is_long else operation] += 1
        self.waiting += is_long
        try:
            reply: Mapping[str, Any] = await self._call(service, operation, parameters)
            return reply
        finally:
            self.waiting -= is_long


@pytest.fixture(autouse=True)
def _real_time() -> None:
    now.set(0)


@pytest.fixture
def listening(cloud: Cloud) -> tuple[AwsStore, AwsStore, Noted]:
    """Two handles on the same data: the first one listens."""
    noted = Noted(cloud)
    open_it = cloud.stores(is_timed=False, poll_seconds=60.0)
    other = open_it()
    store = cloud.same(other, call=noted, poll_seconds=60.0, listen_seconds=LISTEN_SECONDS)
    return store, other, noted


async def until(condition: Any) -> None:
    """Return when something is so; the test's timeout ends what never is."""
    while not condition():  # noqa: ASYNC110  # nobody rings for it
        await asyncio.sleep(0.01)


def now_us() -> int:
    """The time of the emulator."""
    import time

    return round(time.time() * 1_000_000)


async def test_who_waits_is_told_what_another_process_has_put_on_a_queue(
    listening: tuple[AwsStore, AwsStore, Noted],
) -> None:
    store, other, noted = listening
    bell = store.doorbell()
    assert (await store.receive([TURNS], limit=5, lease=ANNA, now_us=now_us())).deliveries == ()
    waiting = asyncio.ensure_future(bell.wait())
    await until(lambda: noted.waiting)
    await other.create(new("a"), now_us=now_us())
    await waiting
    noted.requests.clear()
    received = await store.receive([TURNS], limit=1, lease=ANNA, now_us=now_us())
    assert [delivery.instance_id for delivery in received.deliveries] == ["a"]  # type: ignore[union-attr]
    assert noted.requests["ReceiveMessage"] == 0
    bell.close()


async def test_who_listens_to_a_queue_does_not_ask_it(listening: tuple[AwsStore, AwsStore, Noted]) -> None:
    store, _, noted = listening
    bell = store.doorbell()
    for _ in range(5):
        await store.receive([TURNS, "work"], limit=5, lease=ANNA, now_us=now_us())
        bell.ring()  # a sweep does
        await bell.wait()
    await until(lambda: noted.waiting == 2)
    assert (noted.requests["ReceiveMessage"], noted.requests["long poll"]) == (2, 2)
    bell.close()


async def test_a_local_ring_is_heard_at_once_though_a_poll_is_under_way(
    listening: tuple[AwsStore, AwsStore, Noted],
) -> None:
    store, _, noted = listening
    bell = store.doorbell()
    await store.receive(["work"], limit=5, lease=ANNA, now_us=now_us())
    waiting = asyncio.ensure_future(bell.wait())
    await until(lambda: noted.waiting)
    bell.ring()
    await asyncio.wait_for(waiting, 2)
    assert noted.waiting == 1
    bell.close()


async def test_who_has_his_hands_full_hears_nothing(listening: tuple[AwsStore, AwsStore, Noted]) -> None:
    store, other, noted = listening
    bell = store.doorbell()
    await store.receive([TURNS], limit=1, lease=ANNA, now_us=now_us())  # and not for tasks
    waiting = asyncio.ensure_future(bell.wait())
    await until(lambda: noted.waiting)
    await started(other, "a", task("a"))
    await waiting
    assert len((await other.receive(["work"], limit=1, lease=BERT, now_us=now_us())).deliveries) == 1
    bell.close()


async def test_what_was_heard_and_not_taken_is_given_back_when_the_bell_is_closed(
    listening: tuple[AwsStore, AwsStore, Noted],
) -> None:
    store, other, noted = listening
    bell = store.doorbell()
    await store.receive([TURNS], limit=1, lease=ANNA, now_us=now_us())
    waiting = asyncio.ensure_future(bell.wait())
    await until(lambda: noted.waiting)
    await other.create(new("a"), now_us=now_us())
    await waiting
    bell.close()
    await until(lambda: noted.requests["ChangeMessageVisibility"])
    await until(lambda: not noted.waiting)
    assert len((await other.receive([TURNS], limit=1, lease=BERT, now_us=now_us())).deliveries) == 1


async def test_a_poll_that_fails_is_told_to_who_asks_and_does_not_spin(cloud: Cloud) -> None:
    other = cloud.stores(is_timed=False)()
    calls: Counter[str] = Counter()

    async def call(service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters.get("WaitTimeSeconds"):
            calls["long poll"] += 1
            raise AwsError("AccessDenied", "no")
        return await cloud(service, operation, parameters)

    store = cloud.same(other, call=call, poll_seconds=0.05, listen_seconds=LISTEN_SECONDS)
    bell = store.doorbell()
    for _ in range(3):
        await store.receive([TURNS], limit=1, lease=ANNA, now_us=now_us())
        await bell.wait()
    assert 1 <= calls["long poll"] <= 3
    bell.close()


# --- whole workers ----------------------------------------------------------------------------------------------------


@activity(task_queue="heavy")
async def where(n: int) -> str:
    return f"{threading.current_thread().name} {n}"


@workflow
async def travel(ctx: Context, n: int) -> list[str]:
    return [await where(each) for each in range(n)]


async def test_stopping_a_worker_does_not_wait_for_its_polls(listening: tuple[AwsStore, AwsStore, Noted]) -> None:
    store, _, noted = listening
    app = Nexus(store, workflows=[travel], activities=[where])
    async with app.worker():
        await until(lambda: noted.waiting == 4)  # turns, local activities, and both task queues
        loop = asyncio.get_running_loop()
        before = loop.time()
    assert loop.time() - before < LISTEN_SECONDS / 2
    await until(lambda: not noted.waiting)


async def test_two_workers_share_a_workflow_and_neither_asks_each_second(
    listening: tuple[AwsStore, AwsStore, Noted], cloud: Cloud
) -> None:
    store, other, noted = listening
    told = cloud.same(other, poll_seconds=60.0, listen_seconds=LISTEN_SECONDS)
    flows = Nexus(store, workflows=[travel], activities=[where])
    heavy = Nexus(told, workflows=[], activities=[where])
    async with flows.worker(task_queues=["none"]), heavy.worker(task_queues=["heavy"]):
        client = Nexus(cloud.same(other, poll_seconds=0.05), workflows=[travel], activities=[where]).client()
        handle = await client.start(travel(3), id="it")
        assert len(await asyncio.wait_for(handle.result(), 60)) == 3
    assert noted.requests["long poll"] > 0


# --- the two ways of asking -------------------------------------------------------------------------------------------


@pytest.fixture
def calls(cloud: Cloud) -> list[Any]:
    where = {"region": "us-east-1", "endpoint": cloud.endpoint}
    return [AioCall(**where), BotoCall(**where)]


async def test_both_ways_of_asking_answer_alike(calls: list[Any]) -> None:
    for number, call in enumerate(calls):
        name = f"alike-{number}"
        await call("s3", "CreateBucket", {"Bucket": name})
        await call("s3", "PutObject", {"Bucket": name, "Key": "k", "Body": b"large"})
        assert (await call("s3", "GetObject", {"Bucket": name, "Key": "k"}))["Body"] == b"large"
        with pytest.raises(AwsError) as caught:
            await call("s3", "GetObject", {"Bucket": name, "Key": "none"})
        assert (caught.value.code, caught.value.status) == ("NoSuchKey", 404)
        with pytest.raises(AwsError) as caught:
            await call("dynamodb", "DescribeTable", {"TableName": "none-such"})
        assert caught.value.code == "ResourceNotFoundException"
    await calls[0].close()
    calls[1].close()


async def test_both_ways_say_alike_that_nobody_answers() -> None:
    where = {"region": "us-east-1", "endpoint": "http://127.0.0.1:9"}
    aio, threads = AioCall(**where), BotoCall(**where)
    for call in (aio, threads):
        with pytest.raises(AwsError) as caught:
            await call("dynamodb", "DescribeTable", {"TableName": "orders"})
        assert caught.value.code == "ConnectionError"
        assert caught.value.is_momentary
    await aio.close()
    threads.close()


async def test_who_serves_asks_on_his_loop_and_others_in_threads(cloud: Cloud) -> None:
    call = SharedCall(region="us-east-1", endpoint=cloud.endpoint)
    await call("sqs", "ListQueues", {})
    assert not call._serving
    call.serve()
    await call("sqs", "ListQueues", {})
    (serving,) = call._serving.values()
    assert set(serving._clients) == {"sqs"}
    await call.close()
    assert not call._serving


async def test_without_aioboto3_threads_serve(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus_aws.aio.find_spec", lambda name: None)
    call = SharedCall(region="us-east-1", endpoint=cloud.endpoint)
    call.serve()
    await call("sqs", "ListQueues", {})
    assert not call._serving
    await call.close()


def test_a_client_on_a_loop_ends_with_the_loop(cloud: Cloud) -> None:
    call = AioCall(region="us-east-1", endpoint=cloud.endpoint)

    async def ask() -> None:
        await call("sqs", "ListQueues", {})

    asyncio.run(ask())  # a warning about what was not closed would be an error
    assert all(holder.done() for holder in call._holders)


async def test_a_store_that_is_gone_says_so(cloud: Cloud) -> None:
    async def sleep(seconds: float) -> None:
        return

    store = AwsStore("orders", "orders", AioCall(region="us-east-1", endpoint="http://127.0.0.1:9"), sleep=sleep)
    with pytest.raises(StoreUnavailable):
        await store.find("a")
