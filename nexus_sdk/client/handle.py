"""A handle: one instance, to be asked, signalled and ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nexus_sdk.authoring.duration import Duration, optional_us
from nexus_sdk.authoring.names import check_name, check_reason
from nexus_sdk.client.history import History
from nexus_sdk.client.status import InstanceStatus, status_of
from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.status import Status
from nexus_sdk.engine.apart import Moving, read_batches, read_record
from nexus_sdk.engine.birth import inbox_message
from nexus_sdk.engine.inspection import query_instance
from nexus_sdk.engine.rewinding import rewind_instance
from nexus_sdk.engine.waiting import sleep
from nexus_sdk.errors import (
    BlockingError,
    Codes,
    HistoryCorruptedError,
    PayloadError,
    WaitTimedOut,
    WorkflowCancelled,
    WorkflowFailed,
    WorkflowTerminated,
)
from nexus_sdk.store.port import InstanceRecord

if TYPE_CHECKING:
    from nexus_sdk.client.client import Client

R_co = TypeVar("R_co", covariant=True)


class Handle(Generic[R_co]):
    """One instance. Making a handle does no I/O; everything else on it is awaitable."""

    def __init__(
        self, client: Client, id: str, result_type: Any = Any, *, started: InstanceRecord | None = None
    ) -> None:
        self._client = client
        self._result_type = result_type
        self._started = started  # how it stood when it was started: where to begin to wait for its end
        self.id = id

    # --- asking -----------------------------------------------------------------------------------------------------

    async def status(self) -> InstanceStatus:
        """What it is doing.

        Raises:
            InstanceNotFound: no such instance.
        """
        store = self._client.store
        return status_of(await read_record(store, await store.find(self.id)), self._client.codec)

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Wait for the end and return the result. Waits on while the instance is blocked or suspended.

        Raises:
            WorkflowFailed, WorkflowCancelled, WorkflowTerminated: it ended so.
            WaitTimedOut: it has not ended within `timeout`.
            InstanceNotFound: no such instance.
        """
        timeout_us = optional_us(timeout, "result: timeout")
        if timeout_us is None:
            return await self._result(stops_at_blocked=False)
        waiting = asyncio.ensure_future(self._result(stops_at_blocked=False))
        patience = asyncio.ensure_future(sleep(self._client.environment.clock, timeout_us / 1_000_000))
        try:
            await asyncio.wait({waiting, patience}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            raise WaitTimedOut(f"{self.id} has not ended within {timeout}.")
        finally:
            waiting.cancel()
            patience.cancel()

    async def result_or_blocked(self) -> R_co:
        """Like `result`, but an instance that is blocked raises the error that blocks it."""
        return await self._result(stops_at_blocked=True)

    async def history(self) -> History:
        """The events of the present run with all their payloads, the chain of its batches verified.

        Raises:
            InstanceNotFound: no such instance.
            HistoryCorruptedError: what is stored was altered.
        """
        loaded = await self._client.store.load(self.id)
        batches = await read_batches(self._client.store, self.id, loaded.batches, every=True)
        wire.verify(batches, last_hash=loaded.record.last_hash)
        return History(batches)

    async def query(self, name: str, *args: Any) -> Any:
        """The answer of the workflow's query handler, from a read-only replay in this process with its own code.

        Raises:
            UnknownQuery: it has no such handler at this point.
            InstanceNotFound: no such instance.
            DefinitionError: this app does not have its workflow.
        """
        check_name(name, "a query's name")
        return await query_instance(self._client.store, self.id, name, args, self._client.surroundings)

    # --- telling ----------------------------------------------------------------------------------------------------

    async def send_event(self, name: str, payload: Any = None, *, event_id: str | None = None) -> None:
        """Send an event. It is kept until the workflow waits for it. With `event_id` it counts once, ever.

        Raises:
            InstanceNotFound, InstanceFinished: nobody is there to take it.
            PayloadError: it cannot be encoded.
        """
        check_name(name, "an event's name")
        if event_id is not None:
            check_name(event_id, "an event id")
        event = e.EventReceived(name, self._codec().encode(payload), event_id)
        if payload is not None:
            await self._check_encoding(name)
        id = f"event:{event_id}" if event_id is not None else f"event:{self._client.environment.randomness.token()}:"
        await self._send(id, event, is_remembered=event_id is not None)

    async def cancel(self, reason: str = "") -> None:
        """Ask the workflow to stop; it may clean up, and may go on.

        Raises:
            InstanceNotFound, InstanceFinished: nobody is there to ask.
        """
        await self._send(self._token("cancel"), e.CancelRequested(check_reason(reason)))

    async def terminate(self, reason: str = "") -> None:
        """End the instance; its code has no say. Its activities and attached children are cancelled.

        An instance whose history cannot be read is ended, too: then as far as what is left of it tells of them.

        Raises:
            InstanceNotFound, InstanceFinished: there is nothing to end.
        """
        await self._send(self._token("terminate"), e.WorkflowTerminated(check_reason(reason)))

    async def suspend(self, reason: str = "") -> None:
        """Hold the instance: messages are kept and timers wait, until `resume`.

        Raises:
            InstanceNotFound, InstanceFinished: there is nothing to hold.
        """
        await self._send(self._token("suspend"), e.WorkflowSuspended(check_reason(reason)))

    async def resume(self) -> None:
        """Let a suspended instance go on, or a blocked one try again.

        Raises:
            InstanceNotFound, InstanceFinished: there is nothing to resume.
        """
        await self._send(self._token("resume"), e.WorkflowResumed())

    async def rewind(self) -> None:
        """Retry a failed instance from the step that failed it, in a new run with the history up to there.

        Raises:
            InstanceNotFound: no such instance.
            WrongStatus: it has not failed.
        """
        await rewind_instance(self._client.store, self.id, self._client.surroundings)

    async def purge(self) -> None:
        """Erase a finished instance with its history.

        Raises:
            InstanceNotFound: no such instance.
            StoreError: it has not finished.
        """
        await self._client.store.purge(self.id, now_us=self._client.environment.clock.now_us())

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _result(self, stops_at_blocked: bool) -> R_co:
        store = self._client.store
        if (begun := self._started) is not None and begun.status.is_under_way:
            self._started = None  # the next time that is long ago
            await store.watch(self.id, run_id=begun.run_id, after=begun.last_batch, status=begun.status)
        while True:
            record = await store.find(self.id)
            if record.status.is_finished:
                return await self._ended(record)
            if stops_at_blocked and record.status is Status.BLOCKED:
                raise _blocking_error(record)
            await store.watch(self.id, run_id=record.run_id, after=record.last_batch, status=record.status)

    async def _ended(self, record: InstanceRecord) -> R_co:
        loaded = await self._client.store.load(self.id, run_id=record.run_id, after=record.last_batch - 1)
        batches = await read_batches(self._client.store, self.id, loaded.batches[-1:], every=True)
        last = batches[0] if batches else None
        end = last.events[-1] if last and last.events else None
        match end:
            case e.WorkflowCompleted(result=payload):
                return self._codec().decode(payload, self._result_type)  # type: ignore[no-any-return]
            case e.WorkflowFailed(failure=failure):
                said = f"{failure.type}: {failure.message}" if failure.message else failure.type
                where = f" ({end.site})" if end.site else ""
                raise WorkflowFailed(f"{self.id} failed{where}: {said}", failure=failure)
            case e.WorkflowCancelled(reason=reason):
                raise WorkflowCancelled(f"{self.id} was cancelled{f': {reason}' if reason else ''}")
            case e.WorkflowTerminated(reason=reason):
                raise WorkflowTerminated(f"{self.id} was terminated{f': {reason}' if reason else ''}")
        raise HistoryCorruptedError(f"{self.id} is {record.status}, but its history has no such end.")

    async def _check_encoding(self, event: str) -> None:
        """Before anything is sent: what the instance's workers cannot read would block it."""
        encoding = (await self._client.store.find(self.id)).encoding
        if not self._client.codec.can_read(encoding):
            raise PayloadError(
                f"{self.id} has its values encoded as {encoding!r}, which this app's codec does not read: its workers "
                f"would not read the payload of event {event!r} either. Nothing was sent.",
                hint="Use the app that started it, with its codec: Nexus(…, codec=…), or --app MODULE.",
            )

    def _codec(self) -> Codec:
        return self._client.codec.bound_to(self.id)

    def _token(self, kind: str) -> str:
        return f"{kind}:{self._client.environment.randomness.token()}"

    async def _send(self, id: str, event: e.Event, is_remembered: bool = False) -> None:
        store, now_us = self._client.store, self._client.environment.clock.now_us()
        moving = Moving(store.capabilities.payload_bytes_max)
        message = moving.message(inbox_message(id, self.id, event, is_remembered=is_remembered))
        await moving.put(store, now_us=now_us)
        await store.send([message], now_us=now_us)

    def __repr__(self) -> str:
        return f"<handle of {self.id!r}>"


def _blocking_error(record: InstanceRecord) -> BlockingError:
    failure = None if record.failure is None else wire.decode_failure(record.failure)
    if failure is None:
        return BlockingError(f"{record.id} is blocked.")
    kind = Codes.all.get(failure.code or "", BlockingError)
    message, _, hint = failure.message.partition("\n")
    prefix = f"[{failure.code}] "
    error = kind(message.removeprefix(prefix), hint=hint)
    return error if isinstance(error, BlockingError) else BlockingError(message, hint=hint)
