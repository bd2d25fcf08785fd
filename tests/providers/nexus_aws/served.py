"""A function that tests invoke in a process of its own: ``tests/providers/nexus_aws/served.handler``.

Whoever invokes it says in the client context what time it is, and after how many requests to AWS it is to die. Each
activity writes a line in a ledger that nothing else of ours writes.

Environment: ``SERVED_TABLE``, ``SERVED_ENDPOINT``, ``SERVED_LEDGER``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nexus_aws import lambda_handler
from nexus_aws.lean import LeanCall
from nexus_aws.store import AwsStore
from nexus_sdk import Context, Nexus, Retry, activity, activity_info, workflow
from nexus_sdk.runtimes.clock import SystemClock
from nexus_sdk.runtimes.local import local_environment

OFTEN = Retry(max_attempts=50, jitter="none")
"""What dies is tried again; how often it dies here is not what is tested."""


class World:
    """What whoever invokes the function decides."""

    shift_us = 0
    dies_after: int | None = None
    request_id = ""

    def begin(self, custom: Mapping[str, Any], request_id: str) -> None:
        self.request_id = request_id
        self.dies_after = custom.get("dies_after")
        if "now_us" in custom:
            self.shift_us = custom["now_us"] - time.time_ns() // 1_000

    def burn(self) -> None:
        """Before a request, and after it."""
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                os.kill(os.getpid(), signal.SIGKILL)


world = World()


class Clock(SystemClock):
    """The time that whoever invokes has said, and what has passed since."""

    def now_us(self) -> int:
        return super().now_us() + world.shift_us


class Mortal(LeanCall):
    """Requests between any two of which the process may die; the emulator is told the time."""

    def _exchange(self, base: str, headers: Mapping[str, str], body: bytes) -> Any:
        return super()._exchange(base, {**headers, "X-Nexus-Now-Us": str(Clock().now_us())}, body)

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        world.burn()
        reply = await super().__call__(service, operation, parameters)
        world.burn()
        return reply


def note(what: str) -> None:
    """A line in the ledger: who ran what, for which operation."""
    line = json.dumps({"key": activity_info().idempotency_key, "what": what, "by": world.request_id}) + "\n"
    ledger = os.open(os.environ["SERVED_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line.encode())
    os.close(ledger)


@activity(retry=OFTEN)
async def charge(order: int) -> int:
    note(f"charge {order}")
    return 100 * order


@activity(retry=OFTEN, task_queue="slow")
def pack(order: int, item: int) -> int:
    note(f"pack {order}.{item}")
    return item


@activity(retry=OFTEN)
async def ship(order: int) -> str:
    note(f"ship {order}")
    return f"parcel {order}"


@workflow
async def deliver(ctx: Context, order: int) -> str:
    await ctx.sleep("20m")  # further away than SQS delays a message
    return await ship(order)


@workflow
async def fulfil(ctx: Context, order: int) -> dict[str, Any]:
    paid = await charge(order)
    packed = await ctx.gather(*(pack(order, item) for item in range(3)))
    await ctx.sleep("30s")
    approved = await ctx.wait_for_event("approved", bool)
    parcel = await deliver(order)
    return {"paid": paid, "packed": sum(packed), "approved": approved, "parcel": parcel}


WORKFLOWS, ACTIVITIES = [fulfil, deliver], [charge, pack, ship]
QUEUES = ("nexus:turns", "default", "slow")


def app_on(store: AwsStore) -> Nexus:
    """The app, on whatever store."""
    environment = replace(local_environment(), clock=Clock())
    return Nexus(store, workflows=WORKFLOWS, activities=ACTIVITIES, environment=environment)


if "SERVED_TABLE" in os.environ:
    table = os.environ["SERVED_TABLE"]
    call = Mortal(region="us-east-1", endpoint=os.environ["SERVED_ENDPOINT"])
    function = lambda_handler(app_on(AwsStore(table, f"{table}-nexus", call)))


def handler(event: Any, context: Any) -> Any:
    """What Lambda calls."""
    custom = context.client_context.custom if context.client_context is not None else {}
    world.begin(custom or {}, context.aws_request_id)
    return function(event, context)
