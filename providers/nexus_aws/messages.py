"""Working off what a queue has handed to a function, within its time.

A worker serves the messages of one invocation and pauses until the next: what was warm stays warm, and correctness
never depends on it. The one rule: a message that was not answered is reported as failed, and SQS delivers it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nexus_aws.sqs import Push, ring_of
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import StoreError
from nexus_sdk.store.port import LOCAL

if TYPE_CHECKING:
    from nexus_aws.budget import Budget
    from nexus_aws.store import AwsStore
    from nexus_sdk.app import Nexus
    from nexus_sdk.store.split.rings import Ring

LEASE_SECONDS = 60.0
"""How long the work of an invocation that died is left alone. It is prolonged while the work goes on."""


class Messages:
    """Serves the messages of one app."""

    def __init__(self, app: Nexus, store: AwsStore) -> None:
        self._app = app
        self._store = store
        self._worker: Worker | None = None

    async def work_off(self, records: Sequence[Mapping[str, Any]], budget: Budget) -> dict[str, Any]:
        """Work off a batch; what is left of it fails, and comes again."""
        rings = [self._ring(record) for record in records]
        push = Push([ring for ring in rings if ring is not None])

        async def take(worker: Worker) -> None:
            await push.is_empty.wait()
            await asyncio.sleep(0)  # what was taken last is begun

        await self._serve(push, take, budget)
        left = push.unanswered | push.put_off
        failed = [
            record["messageId"]
            for record, ring in zip(records, rings, strict=True)
            if ring is None or ring.receipt in left
        ]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    async def sweep(self, budget: Budget) -> dict[str, Any]:
        """Look for what nobody has rung for; the bells that this rings come as messages.

        Instances that another build has blocked are tried again here.
        """
        looked_at = 0

        async def look(worker: Worker) -> None:
            nonlocal looked_at
            looked_at = await worker.sweep()

        await self._serve(Push([]), look, budget)
        return {"looked_at": looked_at}

    async def close(self) -> None:
        """Let go of what is warm."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    # --- within the time ----------------------------------------------------------------------------------------------

    async def _serve(self, push: Push, begin: Callable[[Worker], Awaitable[None]], budget: Budget) -> None:
        """Go on until nothing is left to do here, or time runs out."""
        worker = self._worker = self._worker or self._new_worker()
        self._store.sqs.push = push
        try:
            await worker.start()
            try:
                await self._until_done(worker, begin, budget.taking)
            finally:
                await self._pause(worker, budget)
        except Exception as error:  # whatever it is, the messages that were answered are not to come again
            self._say(f"the store gives no work: {error}", exc_info=error)
            await self._give_up(worker)
        finally:
            self._store.sqs.push = None

    async def _until_done(self, worker: Worker, begin: Callable[[Worker], Awaitable[None]], seconds: float) -> None:
        async def work() -> None:
            await begin(worker)
            await worker.until_idle()

        working = asyncio.ensure_future(work())
        try:
            waits: set[asyncio.Future[Any]] = {working, worker.trouble}
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            elif worker.trouble.done():
                raise worker.trouble.result()
        finally:
            working.cancel()

    async def _pause(self, worker: Worker, budget: Budget) -> None:
        """Give back what still runs. Where even this takes too long, leases end it."""
        try:
            async with asyncio.timeout(budget.draining + budget.reserved / 2):
                await worker.pause(budget.draining)
        except TimeoutError:
            await self._give_up(worker)

    async def _give_up(self, worker: Worker) -> None:
        """Begin anew with the next invocation; what this worker still had, others get when its leases end."""
        self._worker = None
        await worker.abandon()

    def _new_worker(self) -> Worker:
        app = self._app
        options = WorkerOptions(
            app.registry.task_queues | {LOCAL},
            lease_seconds=LEASE_SECONDS,
            drain_seconds=0.0,
            migrates=False,  # what is missing is made where it is missed
            sweeps=False,  # the schedule sweeps
            history_limits=app.history_limits,
        )
        return Worker(self._store, app.registry, app.codec, app.environment, options)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _ring(self, record: Mapping[str, Any]) -> Ring | None:
        """What a message refers to; None for one that is not ours: nobody could ever answer it, so it comes again until
        it is a dead letter.
        """
        message = {"Body": record["body"], "ReceiptHandle": record["receiptHandle"], "MessageId": record["messageId"]}
        try:
            return ring_of({**message, "Attributes": record.get("attributes", {})})
        except StoreError as error:
            self._say(str(error))
            return None

    def _say(self, what: str, **fields: Any) -> None:
        self._app.environment.say("error", what, fields)
