"""An app as a Lambda function: ``handler = lambda_handler(app)``.

What it understands: batches of SQS messages (its queues as event sources, with ``ReportBatchItemFailures``), the
schedule of the sweep (an EventBridge rule), and direct calls (`Direct`). An instance is gone on with until it truly
waits, or until time runs out; then what is unfinished is given back.

The one rule: no exception leaves the handler because of one message. Those that were not answered are reported as
failed, and SQS delivers them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nexus_aws.sqs import Push, ring_of
from nexus_aws.store import AwsStore
from nexus_sdk.app import Nexus
from nexus_sdk.client.handle import Handle
from nexus_sdk.errors import DefinitionError, NexusError, StoreError
from nexus_sdk.store.port import LOCAL

RESERVED_SECONDS = 2.0
"""So long before the invocation ends nothing more is begun, and what runs is given back."""

LEASE_SECONDS = 60.0
"""How long the work of an invocation that died is left alone. It is prolonged while the work goes on."""

SWEPT_MAX = 100
"""So many instances are looked at by one sweep."""


ACTIONS = frozenset({"start", "status", "event", "cancel", "sweep"})


class Context(Protocol):
    """What Lambda tells about an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long it may still take."""


def lambda_handler(app: Nexus) -> Function:
    """The handler of a function that serves this app.

    Raises:
        DefinitionError: the app's store is not on AWS.
    """
    store = app.store
    if not isinstance(store, AwsStore):
        raise DefinitionError(
            f"lambda_handler serves apps whose store is dynamodb://…, and this one's is a {type(store).__name__}.",
            hint='Nexus("dynamodb://orders?region=eu-central-1", …), or set NEXUS_STORE.',
        )
    return Function(app, store)


class Function:
    """Serves one app. Warm, it keeps its event loop, its connections and what the store remembers."""

    def __init__(self, app: Nexus, store: AwsStore) -> None:
        self._app = app
        self._store = store
        self._runner: asyncio.Runner | None = None

    def __call__(self, event: Mapping[str, Any], context: Context) -> Any:
        """Handle one event."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        seconds = context.get_remaining_time_in_millis() / 1_000 - RESERVED_SECONDS
        return self._runner.run(self._handle(event, max(seconds, 0.0)))

    def close(self) -> None:
        """Release the event loop. Lambda never asks for it; a process that goes on may."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    async def _handle(self, event: Mapping[str, Any], seconds: float) -> Any:
        if "Records" in event:
            return await self._messages(event["Records"], seconds)
        if event.get("source") == "aws.events" or event.get("detail-type") == "Scheduled Event":
            return await self._sweep()
        return await Direct(self._app).answer(event, sweep=self._sweep)

    async def _sweep(self) -> dict[str, Any]:
        """Look for what nobody has rung for; the bells that this rings come as messages."""
        now_us = self._app.environment.clock.now_us()
        looked_at = await self._store.due(before_us=now_us, limit=SWEPT_MAX)
        return {"looked_at": len(looked_at)}

    async def _messages(self, records: list[Mapping[str, Any]], seconds: float) -> dict[str, Any]:
        """Work off a batch; what is left of it fails, and comes again."""
        rings = [_ring(record) for record in records]
        push = Push(rings)
        self._store.sqs.push = push
        try:
            await self._work(push, seconds)
        except StoreError as error:
            self._app.environment.say("warning", f"the store is unavailable: {error.message}", {"hint": error.hint})
        finally:
            self._store.sqs.push = None
        failed = [
            record["messageId"]
            for record, ring in zip(records, rings, strict=True)
            if ring.receipt in push.unanswered | push.put_off
        ]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    async def _work(self, push: Push, seconds: float) -> None:
        from nexus_sdk.engine.worker import Worker, WorkerOptions

        queues = self._app.registry.task_queues | {queue for queue in push.waiting if not queue.startswith("nexus:")}
        options = WorkerOptions(
            frozenset(queues | {LOCAL}) if LOCAL in push.waiting else frozenset(queues),
            lease_seconds=LEASE_SECONDS,
            sweep_seconds=max(seconds, 1.0) * 10,  # the schedule sweeps
            drain_seconds=0.0,
        )
        app = self._app
        worker = Worker(self._store, app.registry, app.codec, app.environment, options)
        await worker.start()
        try:
            async with asyncio.timeout(seconds):
                await push.is_empty.wait()
                await asyncio.sleep(0)  # what was taken last is begun
                await worker.until_idle()
        except TimeoutError:
            pass  # what runs is given back by `stop`, and goes on elsewhere
        finally:
            await worker.stop()


class Direct:
    """Direct calls: ``{"action": "start", "workflow": "fulfil", "id": "order-42", "arguments": {…}}``.

    | action | beside `id` | answer |
    |---|---|---|
    | ``start`` | ``workflow``, ``arguments`` by name, ``request_id`` | ``id`` |
    | ``status`` | | ``id``, ``status``, ``workflow``, ``run`` |
    | ``event`` | ``name``, ``payload``, ``event_id`` | |
    | ``cancel`` | ``reason`` | |
    | ``sweep`` | (no id) | ``looked_at`` |

    Whatever is wrong comes back as ``{"error": {"code": …, "message": …}}``.
    """

    def __init__(self, app: Nexus) -> None:
        self._client = app.client()
        self._app = app

    async def answer(self, event: Mapping[str, Any], *, sweep: Callable[[], Any]) -> Any:
        """The answer to a call."""
        try:
            action = event.get("action")
            if action == "sweep":
                return await sweep()
            if action == "start":
                return await self._start(event)
            if action not in ACTIONS:
                return {"error": {"code": "", "message": f"no such action: {action!r}", "hint": Direct.__doc__}}
            handle = self._client.get(str(event.get("id", "")))
            if action == "status":
                status = await handle.status()
                names = {"id": status.id, "status": status.status.value, "workflow": status.workflow}
                return {**names, "run": status.run}
            if action == "event":
                await handle.send_event(str(event["name"]), event.get("payload"), event_id=event.get("event_id"))
                return {}
            await handle.cancel(str(event.get("reason", "")))
            return {}
        except NexusError as error:
            return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        except KeyError as missing:
            return {"error": {"code": "", "message": f"the event has no {missing}", "hint": Direct.__doc__}}

    async def _start(self, event: Mapping[str, Any]) -> dict[str, Any]:
        name, arguments = str(event["workflow"]), dict(event.get("arguments", {}))
        definition = self._app.registry.latest(name)
        bound: Any = name if definition is None else definition(**arguments)
        handle: Handle[Any] = await self._client.start(bound, id=event.get("id"), request_id=event.get("request_id"))
        return {"id": handle.id}


def _ring(record: Mapping[str, Any]) -> Any:
    message = {"Body": record["body"], "ReceiptHandle": record["receiptHandle"]}
    return ring_of({**message, "Attributes": record.get("attributes", {})})
