"""An app as a Lambda function: ``handler = lambda_handler(app)``.

| event | what happens |
|---|---|
| a batch of SQS messages | `messages`: they are worked off; what is left is reported as failed |
| a request over HTTP | `gateway`, and the routes of `nexus_sdk.client.http` |
| a schedule with a ``start`` | `schedule`: an instance is started |
| any other schedule | the sweep |
| anything else | `direct`: a call by another program |

An instance is gone on with until it truly waits, or until time runs out. The one rule: no exception leaves the handler
because of one message or one request. Only an event that would be lost otherwise raises: its source tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from nexus_aws.budget import Budget
from nexus_aws.store import AwsStore
from nexus_sdk.app import Nexus
from nexus_sdk.errors import DefinitionError, InvalidRequest, NexusError, StoreUnavailable

if TYPE_CHECKING:
    from nexus_aws.messages import Messages
    from nexus_sdk.client.client import Client
    from nexus_sdk.client.http import Response

# What only some events need is imported when one comes: functions start cold.


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
    """Serves one app. Warm, it keeps its event loop, its connections, its instances and what the store remembers."""

    def __init__(self, app: Nexus, store: AwsStore) -> None:
        self._app = app
        self._store = store
        self._runner: asyncio.Runner | None = None

    def __call__(self, event: Any, context: Context) -> Any:
        """Handle one event.

        Raises:
            NexusError: of an event that nobody waits for, and that its source should hand over again.
        """
        if self._runner is None:
            self._runner = asyncio.Runner()
        budget = Budget.of(context.get_remaining_time_in_millis() / 1_000)
        return self._runner.run(self._handle(event, budget))

    def close(self) -> None:
        """Release what is warm, and the event loop. Lambda never asks for it; a process that goes on may."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                runner.run(self._messages.close())

    async def _handle(self, event: Any, budget: Budget) -> Any:
        if isinstance(event, Mapping) and "action" not in event:
            if "Records" in event:
                return await self._messages.work_off(_messages_in(event["Records"]), budget)
            from nexus_aws import gateway, schedule

            if gateway.is_http(event):
                return gateway.event_answer(await self._respond(event, budget))
            if (start := schedule.start_in(event)) is not None:
                return await schedule.begin(self._client, event, start, seconds=budget.taking)
            if schedule.is_sweep(event):
                return await self._messages.sweep(budget)
        elif isinstance(event, Mapping) and event["action"] == "sweep":
            return await self._messages.sweep(budget)
        return await self._call(event, budget)

    async def _respond(self, event: Mapping[str, Any], budget: Budget) -> Response:
        """The answer to a request over HTTP, whatever goes wrong."""
        from nexus_aws.gateway import request_of
        from nexus_sdk.client import http

        try:
            async with asyncio.timeout(budget.taking + budget.draining + budget.reserved / 2):
                return await http.answer(self._client, request_of(event), seconds=budget.taking)
        except TimeoutError:
            return http.refusal(_out_of_time())
        except NexusError as error:
            return http.refusal(error)
        except Exception as error:  # a mistake of ours or of a query's handler: the gateway would say nothing of it
            self._app.environment.say("error", f"a request failed: {error!r}", {"exc_info": error})
            return http.refusal(NexusError(f"unexpected: {type(error).__name__}", hint="The function's log has more."))

    async def _call(self, event: Any, budget: Budget) -> Any:
        """The answer to a direct call."""
        from nexus_aws import direct

        return await direct.answer(self._client, event, seconds=budget.taking)

    @cached_property
    def _client(self) -> Client:
        return self._app.client()

    @cached_property
    def _messages(self) -> Messages:
        from nexus_aws.messages import Messages

        return Messages(self._app, self._store)


def _messages_in(records: Any) -> list[Mapping[str, Any]]:
    """The messages of a batch.

    Raises:
        InvalidRequest: another service's records; to answer them would lose them.
    """
    listed = list(records) if isinstance(records, list) else [records]
    if wrong := [record for record in listed if not isinstance(record, Mapping) or "receiptHandle" not in record]:
        source = wrong[0].get("eventSource") or wrong[0].get("EventSource") if isinstance(wrong[0], Mapping) else None
        raise InvalidRequest(
            f"This function takes messages of its SQS queues, got records of {source or 'something else'}.",
            hint="Take away the event source, or give it a function of its own that calls this one.",
        )
    return listed


def _out_of_time() -> StoreUnavailable:
    return StoreUnavailable(
        "The function's time was over before there was an answer; whether the request was done is not known.",
        hint="The same request again does no harm with an Idempotency-Key. Give the function more time, or memory.",
    )
