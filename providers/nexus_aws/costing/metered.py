"""The provider's way to the services while a run is counted: each request takes time, and is written down.

The one rule: what is only looked at from outside (`aside`) takes no time and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nexus_aws.call import AwsError
from nexus_aws.costing.services import MemoryServices
from nexus_sdk.costing.usage import together
from nexus_sdk.engine.environment import Clock
from nexus_sdk.engine.waiting import sleep

REFUSED_UNITS = 1
"""A write whose condition does not hold is billed as one that does; our rows are of a kilobyte, mostly."""


class Services(Protocol):
    """Who applies requests: the services in memory, or an emulator in tests."""

    async def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], now_us: int
    ) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        """The reply, and what the request is billed as."""


class InMemory:
    """See `Services`."""

    def __init__(self) -> None:
        self.services = MemoryServices()

    async def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], now_us: int
    ) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        """See `Services`."""
        return self.services.apply(service, operation, parameters, now_us)


class Metered:
    """See `nexus_aws.call.Call`.

    Attributes:
        billed: what was used, by meter; `requests`: how often each operation was asked for.
        rings_us: when messages that were sent, or put off, may be delivered.
    """

    def __init__(self, services: Services, clock: Clock, *, request_seconds: float) -> None:
        self.billed: dict[str, float] = {}
        self.requests: dict[str, float] = {}
        self.rings_us: set[int] = set()
        self._services = services
        self._clock = clock
        self._seconds = request_seconds

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request, count it, and let it take its time."""
        await sleep(self._clock, self._seconds)
        self._note_ring(operation, parameters)
        return await self.counted(service, operation, parameters)

    async def counted(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request that costs money and takes nobody's time: one that an event source makes."""
        self.bill({}, request=f"{service} {operation}")
        try:
            reply, billed = await self._services(service, operation, parameters, self._clock.now_us())
        except AwsError:
            self.bill({"dynamodb.write_unit": _refused_units(parameters)} if service == "dynamodb" else {})
            raise
        self.bill(billed)
        return reply

    def bill(self, billed: Mapping[str, float], *, request: str | None = None) -> None:
        """Count what is billed; and a request, where one is named."""
        self.billed = together([self.billed, billed])
        if request is not None:
            self.requests = together([self.requests, {request: 1}])

    async def aside(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request that nobody is billed for."""
        reply, _ = await self._services(service, operation, parameters, self._clock.now_us())
        return reply

    def _note_ring(self, operation: str, parameters: Mapping[str, Any]) -> None:
        now_us = self._clock.now_us()
        if operation == "SendMessageBatch":
            self.rings_us |= {now_us + entry.get("DelaySeconds", 0) * 1_000_000 for entry in parameters["Entries"]}
        elif operation == "ChangeMessageVisibility":
            self.rings_us.add(now_us + parameters["VisibilityTimeout"] * 1_000_000)


def _refused_units(parameters: Mapping[str, Any]) -> int:
    writes = parameters.get("TransactItems")
    return REFUSED_UNITS if writes is None else 2 * REFUSED_UNITS * len(writes)
