"""What AWS does now and then, and the emulator never: throttling, conflicts, partial batches, lost replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from nexus_aws.call import ATTEMPTS_MAX, LAST_PAUSE_SECONDS, AwsError, Patience, PatientCall
from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.port import Store
from nexus_sdk.store.split.rows import Write
from nexus_sdk.testing.provider_suite.builders import T0, message, pending, receive_tasks, started, task, turn
from nexus_sdk.testing.provider_suite.recovery import END, Worker, history_of
from tests.providers.nexus_aws.cloud import Cloud

pytestmark = pytest.mark.component

ROUNDS_MAX = 40


class Troubled:
    """Passes requests on; now and then one fails, before or after it was made, or is done by halves."""

    def __init__(self, cloud: Cloud, seed: int, rate: float = 0.2) -> None:
        self._cloud = cloud
        self._chance = Random(seed)
        self._rate = rate
        self.struck: Counter[str] = Counter()

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._strikes():
            if operation == "SendMessageBatch" and len(parameters["Entries"]) > 1:
                return await self._send_half(parameters)
            if operation == "BatchGetItem":
                return await self._get_half(parameters)
            if operation == "BatchWriteItem":
                return await self._write_half(parameters)
            if operation == "TransactWriteItems":
                self._fail("TransactionCanceledException", reasons=["None", "TransactionConflict"])
            self._fail({"sqs": "RequestThrottled", "s3": "SlowDown"}.get(service, "ThrottlingException"))
        reply = await self._cloud(service, operation, parameters)
        if self._strikes():
            self._fail("ConnectionError")
        return reply

    def _strikes(self) -> bool:
        return self._chance.random() < self._rate

    def _fail(self, code: str, **more: Any) -> None:
        self.struck[code] += 1
        raise AwsError(code, "injected", **more)

    async def _send_half(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self.struck["half a batch"] += 1
        entries = parameters["Entries"]
        reply = await self._cloud("sqs", "SendMessageBatch", {**parameters, "Entries": entries[::2]})
        return {**reply, "Failed": [{"Id": entry["Id"], "SenderFault": False} for entry in entries[1::2]]}

    async def _write_half(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self.struck["half a batch"] += 1
        ((table, asked),) = parameters["RequestItems"].items()
        reply = await self._cloud("dynamodb", "BatchWriteItem", {"RequestItems": {table: asked[::2]}})
        return {**reply, "UnprocessedItems": {table: asked[1::2]}} if asked[1::2] else reply

    async def _get_half(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self.struck["half a batch"] += 1
        ((table, asked),) = parameters["RequestItems"].items()
        keys = asked["Keys"]
        half = {table: {**asked, "Keys": keys[::2]}}
        reply = await self._cloud("dynamodb", "BatchGetItem", {"RequestItems": half})
        return {**reply, "UnprocessedKeys": {table: {"Keys": keys[1::2]}}} if keys[1::2] else reply


@pytest.mark.parametrize("seed", range(3))
async def test_the_script_comes_to_its_end_whatever_fails_now_and_then(cloud: Cloud, seed: int) -> None:
    troubled = Troubled(cloud, seed)
    store: Store = cloud.stores(call=troubled)()
    worker = Worker(store, "anna", T0, 1_000)
    for _ in range(ROUNDS_MAX):
        await worker.run()
        if (await store.find("order")).status.is_finished:
            break
        worker.now_us += 40_000_000  # the reply that was lost may be that of a lease, or of a receive
    assert await history_of(store) == END
    assert {"ConnectionError", "ThrottlingException"} <= set(troubled.struck)


async def test_a_transaction_whose_reply_is_lost_is_made_once(cloud: Cloud) -> None:
    troubled = Troubled(cloud, 0, rate=0)
    store = cloud.stores(call=troubled)()
    before = await started(store, "a", task("a", "0"))
    troubled._strikes = fails_once_after(troubled, "TransactWriteItems")  # type: ignore[method-assign]
    await store.commit(turn(before, task("a", "1"), message("a", "m"), turn_id="mine"), now_us=T0)
    assert troubled.struck == {"ConnectionError": 1}
    assert [batch.turn_id for batch in (await store.load("a", after=2)).batches] == ["mine"]
    assert await pending(store, "a") == ["m"]
    assert len(await receive_tasks(store)) == 2


async def test_what_a_batch_leaves_is_asked_for_again(cloud: Cloud) -> None:
    troubled = Troubled(cloud, 0, rate=0)
    store = cloud.stores(call=troubled)()
    await store._rows.transact("a", [Write("head", b"h", 0), *(Write(f"1/m/{n:03d}", b"m", 0) for n in range(60))])
    troubled._rate = 0.7
    assert len(await store._rows.get("a", [f"1/m/{n:03d}" for n in range(60)])) == 60
    await store._rows.delete("a", [f"1/m/{n:03d}" for n in range(60)])
    assert [row.key for row in await store._rows.range("a", "0", "z")] == ["head"]
    assert troubled.struck["half a batch"] > 2


def fails_once_after(troubled: Troubled, operation: str) -> Callable[[], bool]:
    """The second question (after the request) is answered with yes, once."""
    answers = iter([False, True])
    return lambda: next(answers, False)


async def test_patience_ends_and_its_pauses_are_drawn(cloud: Cloud) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def call(service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AwsError("ThrottlingException", "always")

    patient = PatientCall(call, Patience(lambda: 0.5, sleep))
    with pytest.raises(StoreUnavailable, match=f"{ATTEMPTS_MAX} attempts"):
        await patient("dynamodb", "GetItem", {})
    assert slept[:3] == [0.025, 0.05, 0.1]
    assert len(slept) == ATTEMPTS_MAX
    assert max(slept) <= LAST_PAUSE_SECONDS


async def test_what_is_refused_for_good_is_asked_once(cloud: Cloud) -> None:
    calls: list[str] = []

    async def call(service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        calls.append(operation)
        raise AwsError("AccessDeniedException", "no")

    with pytest.raises(AwsError, match="AccessDenied"):
        await PatientCall(call, Patience(lambda: 0.0, lambda _: _never()))("dynamodb", "GetItem", {})
    assert calls == ["GetItem"]


async def _never() -> None:
    raise AssertionError("nobody should wait")
