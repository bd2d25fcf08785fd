"""Stores on the emulator, on the clock of the test, and what was asked of the services."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from itertools import count
from random import Random
from typing import Any

from nexus_aws.call import BotoCall
from nexus_aws.store import AwsStore

now: ContextVar[int] = ContextVar("now of the emulator", default=0)

TIMED = ("create", "purge", "commit", "send", "receive", "extend", "retry", "release", "put_blobs")


class TimedStore(AwsStore):
    """Tells the emulator what time it is by the arguments of its verbs."""

    async def due(self, *, before_us: int, limit: int) -> Any:
        now.set(before_us)
        return await super().due(before_us=before_us, limit=limit)


def _timed(name: str) -> Any:
    async def verb(self: TimedStore, *args: Any, **named: Any) -> Any:
        now.set(named["now_us"])
        return await getattr(super(TimedStore, self), name)(*args, **named)

    return verb


for _name in TIMED:
    setattr(TimedStore, _name, _timed(_name))


class Cloud:
    """The emulator, and a client that all stores share. `requests`: how often each operation was asked for."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: Counter[str] = Counter()
        self._boto = BotoCall(region="us-east-1", endpoint=endpoint)
        self._tables = count(1)
        for service in ("dynamodb", "sqs", "s3"):
            events = self._boto.client(service).meta.events
            events.register("before-send", _stamp)
            events.register("before-call", self._note)

    def _note(self, model: Any, **_: Any) -> None:
        self.requests[model.name] += 1

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Call`; unlike `BotoCall` it is not closed with a store."""
        return await self._boto(service, operation, parameters)

    def stores(self, *, call: Any = None, is_timed: bool = True, **options: Any) -> Callable[[], AwsStore]:
        """Opens stores on data of their own, empty at first. `is_timed`: the emulator is on the clock of the test."""
        name = f"table-{next(self._tables)}"
        chance = Random(name)
        kind = TimedStore if is_timed else AwsStore

        def open_it() -> AwsStore:
            return kind(
                name,
                f"{name}-nexus",
                call if call is not None else self,
                **{"fraction": chance.random, "sleep": no_sleep, "bits": chance.getrandbits, "poll_seconds": 0.2}
                | options,
            )

        run(TimedStore(name, f"{name}-nexus", self, poll_seconds=0.2).migrate())
        return open_it

    def same(self, store: AwsStore, *, call: Any = None, **options: Any) -> AwsStore:
        """Another handle on the same data, on real time."""
        name = store._rows._table
        return AwsStore(name, f"{name}-nexus", call if call is not None else self, **options)


def run(task: Coroutine[Any, Any, Any]) -> None:
    """Run something to its end, from wherever we are."""
    thread = threading.Thread(target=asyncio.run, args=(task,))
    thread.start()
    thread.join()


async def no_sleep(seconds: float) -> None:
    """Time is a fake: nobody waits."""


def _stamp(request: Any, **_: Any) -> None:
    request.headers["X-Nexus-Now-Us"] = str(now.get())
