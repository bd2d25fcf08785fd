"""The split store within the limits of a cloud: what is too large or too long for it is refused, as its database would.

The one rule: a limit is kept to the byte and to the second, and what is refused leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nexus_sdk.errors import InvalidArgument, PayloadTooLarge
from nexus_sdk.store.port import (
    Capabilities,
    Claim,
    Commit,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    StoredBatch,
    Task,
)
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.rings import Ring, RingQueue

DAY_SECONDS = 86_400.0

LIMITS = {
    # A message is invisible for 12 hours and delayed for 15 minutes at most; an item has 400 kB.
    "tight": Capabilities(
        lease_seconds_max=43_200.0, payload_bytes_max=100_000, commit_bytes_max=390_000, delay_seconds_max=900.0
    ),
    "small messages": Capabilities(
        lease_seconds_max=7 * DAY_SECONDS,
        payload_bytes_max=48_000,
        commit_bytes_max=1_000_000,
        delay_seconds_max=7 * DAY_SECONDS,
    ),
    "far tasks": Capabilities(
        payload_bytes_max=100_000, commit_bytes_max=1_000_000, delay_seconds_max=30 * DAY_SECONDS
    ),
}
"""What databases and queues of the clouds can take."""

AROUND_BYTES_MAX = 16_000
"""What a body may hold around its payload: names, paths, what failed before."""


class BoundedStore(SplitMemoryStore):
    """Refuses what is beyond its capabilities; its queue hides a message for so long and no longer."""

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.capabilities = capabilities
        self.clock_us = 0
        self.queue = BoundedQueue(self)

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        return await super().create(self._seen(new, now_us), now_us=now_us)

    async def commit(self, commit: Commit, *, now_us: int) -> Any:
        return await super().commit(self._seen(commit, now_us), now_us=now_us)

    async def send(self, messages: Any, *, now_us: int, settles: Any = ()) -> None:
        await super().send(self._seen(messages, now_us), now_us=now_us, settles=settles)

    async def receive(self, queues: Any, *, limit: int, lease: Lease, now_us: int) -> Any:
        return await super().receive(queues, limit=limit, lease=self._seen(lease, now_us), now_us=now_us)

    async def extend(self, delivery: Any, *, lease: Lease, now_us: int, details: bytes | None = None) -> Any:
        self._seen((details,), now_us)
        return await super().extend(delivery, lease=self._seen(lease, now_us), now_us=now_us, details=details)

    async def retry(self, delivery: Any, task: Task, *, now_us: int) -> None:
        await super().retry(delivery, self._seen(task, now_us), now_us=now_us)

    async def release(self, delivery: Any, *, now_us: int, not_before_us: int | None = None) -> None:
        self._seen((), now_us)
        await super().release(delivery, now_us=now_us, not_before_us=not_before_us)

    async def due(self, *, before_us: int, limit: int) -> Any:
        self._seen((), before_us)
        return await super().due(before_us=before_us, limit=limit)

    def _seen(self, argument: Any, now_us: int) -> Any:
        """The argument as it is, held to the limits; and the time, for the queue."""
        self.clock_us = now_us
        bodies_max = self.capabilities.payload_bytes_max + AROUND_BYTES_MAX
        for part in _parts_of(argument):
            match part:
                case bytes() if len(part) > bodies_max:
                    raise PayloadTooLarge(f"a body has {len(part)} bytes, {bodies_max} fit.")
                case Lease() if part.seconds > (self.capabilities.lease_seconds_max or part.seconds):
                    raise InvalidArgument(f"a lease of {part.seconds} s is longer than this queue hides a message.")
                case Commit() | NewInstance():
                    batches = part.batches if isinstance(part, Commit) else (part.batch,)
                    if sum(len(batch.data) for batch in batches) > self.capabilities.commit_bytes_max:
                        raise PayloadTooLarge("the batches do not fit into one item.")
        return argument


def _parts_of(argument: Any) -> Iterator[Any]:
    """Everything in an argument that has a size; of batches only the whole."""
    yield argument
    match argument:
        case tuple() | list():
            for each in argument:
                yield from _parts_of(each)
        case InboxMessage(body=body):
            yield body
        case Task(body=body, details=details):
            yield from (body, details)
        case InstanceRecord(custom_status=status, failure=failure):
            yield from (status, failure)
        case NewInstance(record=record, message=message):
            yield from _parts_of((record, message))
        case Commit(record=record, sends=sends, claim=claim):
            yield from _parts_of((record, *sends, claim))
        case Claim(lease=lease):
            yield lease
        case StoredBatch():
            return


class BoundedQueue(RingQueue):
    """A queue that hides no message for longer than it can."""

    def __init__(self, store: BoundedStore) -> None:
        super().__init__()
        self._store = store

    def put(self, ring: Ring) -> int:
        ring.visible_us = self._bounded(ring.visible_us)
        return super().put(ring)

    def take(self, queue: str, *, now_us: int, until_us: int, holder: str) -> Ring | None:
        return super().take(queue, now_us=now_us, until_us=self._bounded(until_us), holder=holder)

    def hide(self, queue: str, number: int, until_us: int, *, is_taken: bool = True) -> None:
        super().hide(queue, number, self._bounded(until_us), is_taken=is_taken)

    def _bounded(self, until_us: int) -> int:
        seconds = self._store.capabilities.delay_seconds_max
        return until_us if seconds is None else min(until_us, self._store.clock_us + round(seconds * 1_000_000))
