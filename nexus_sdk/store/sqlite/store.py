"""The store in one file: SQLite in WAL mode, shared by the threads and processes of one machine.

Writes go through `Writer` (group commit), reads run inline on a connection of their own, rings between processes go
through `peers`. The one rule: a verb's law is kept by one transaction; everything else here only saves time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from nexus_sdk.core.status import Status
from nexus_sdk.store.bell import BellBoard
from nexus_sdk.store.port import (
    Capabilities,
    Commit,
    Committed,
    Delivery,
    Doorbell,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    Loaded,
    NewInstance,
    Query,
    Received,
    RecordPage,
    Task,
    TaskDelivery,
)
from nexus_sdk.store.sqlite import instances, leases, turns
from nexus_sdk.store.sqlite.connection import Database
from nexus_sdk.store.sqlite.leases import Taker
from nexus_sdk.store.sqlite.post import Post
from nexus_sdk.store.sqlite.work import Work
from nexus_sdk.store.sqlite.writer import Effects, Writer

Result = TypeVar("Result")

RECHECK_SECONDS = 0.5
"""How often a watch looks by itself, in case another process's ring was lost."""


class SqliteStore:
    """See `nexus_sdk.store.port.Store` for the verbs and their laws.

    Args:
        path: the database file; made at the first verb. Its directory must exist.
        synchronous: ``FULL`` (default): a commit that was acknowledged survives everything. ``NORMAL``: faster;
            survives the end of the process, but an operating system crash or a power loss may lose the last commits.
        busy_seconds: how long to wait for another process's transaction.
        monotonic: a clock for the pace of looking after other processes; nothing observable depends on it.
        nonce: what makes this store object's tokens unique; drawn when absent.
    """

    capabilities = Capabilities()

    def __init__(
        self,
        path: str,
        *,
        synchronous: str = "FULL",
        busy_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
        nonce: str | None = None,
    ) -> None:
        self._database = Database(path, synchronous=synchronous, busy_seconds=busy_seconds)
        self._writer = Writer(self._database, self._announce)
        self._board = BellBoard()
        self._nonce = nonce
        self._post = Post(self._database, self._writer, self._board, monotonic)
        self._tokens = 0
        self._prefix = ""

    @property
    def path(self) -> str:
        """The database file."""
        return self._database.path

    @property
    def transactions(self) -> int:
        """How many write transactions this object has committed."""
        return self._writer.transactions

    @property
    def is_writing(self) -> bool:
        """Whether a write is in flight on another thread; a test that waits for quiet asks."""
        return self._writer.is_writing

    # --- instances ------------------------------------------------------------------------------------------------

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """Create an instance, or return the one that the same request has made."""
        return await self._write(now_us, lambda work: instances.create(work, new))

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """Record, batches and pending messages of one moment."""
        self._check_process()
        with self._database.reading() as connection:
            loaded = instances.load_idle(connection, instance_id, run_id, after)
        if loaded is not None:
            return loaded
        with self._database.snapshot() as connection:
            return instances.load(connection, instance_id, run_id, after)

    async def find(self, instance_id: str) -> InstanceRecord:
        """The record alone."""
        self._check_process()
        with self._database.reading() as connection:
            return instances.find(connection, instance_id)

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """A page of the instances that match, newest first."""
        self._check_process()
        with self._database.reading() as connection:
            return instances.page(connection, query, limit, cursor)

    async def count(self, query: Query) -> int:
        """How many instances match."""
        self._check_process()
        with self._database.reading() as connection:
            return instances.count(connection, query)

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """Erase a finished instance, leaving a tombstone."""
        await self._write(now_us, lambda work: instances.purge(work, instance_id, tombstone_seconds))

    # --- blobs ----------------------------------------------------------------------------------------------------

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """Keep large payloads."""
        await self._write(now_us, lambda work: instances.put_blobs(work, instance_id, blobs))

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Large payloads."""
        self._check_process()
        with self._database.reading() as connection:
            return instances.get_blobs(connection, instance_id, digests)

    # --- the way forward ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """Append, send, consume, settle and claim in one transaction."""
        taker = self._taker(commit.claim.lease) if commit.claim is not None else None
        return await self._write(now_us, lambda work: turns.commit(work, commit, taker))

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """Accept messages, all or none."""
        await self._write(now_us, lambda work: turns.send(work, messages, settles))

    # --- deliveries -----------------------------------------------------------------------------------------------

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """Lease what is ready. When nothing is, nothing is written."""
        self._check_process()
        await self._post.attend()
        deliveries: tuple[Delivery, ...] = ()
        next_due_us = self._next_due_us(queues, now_us)
        if next_due_us is not None and next_due_us <= now_us and limit > 0:
            taker = self._taker(lease)
            deliveries = await self._write(now_us, lambda work: leases.receive(work, queues, limit, taker))
            next_due_us = self._next_due_us(queues, now_us)
        return Received(deliveries, next_due_us)

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """Prolong a lease."""
        return await self._write(now_us, lambda work: leases.extend(work, delivery, lease, details))

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """Replace a failed attempt by the next one."""
        await self._write(now_us, lambda work: leases.retry(work, delivery, task))

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """Give a delivery back unused."""
        await self._write(now_us, lambda work: leases.release(work, delivery, not_before_us))

    async def ack(self, delivery: Delivery) -> None:
        """Settle a delivery without a turn."""
        await self._write(0, lambda work: leases.ack(work, delivery))

    # --- waiting --------------------------------------------------------------------------------------------------

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """Return when the instance has moved on. Looks once in a while: another process's ring may have been lost."""
        self._check_process()
        bell = self._board.add_watch(instance_id, wants_every_move=status is None)
        patience: asyncio.TimerHandle | None = None
        try:
            while self._stands(instance_id, (run_id, after), status):
                await self._post.join()
                patience = asyncio.get_running_loop().call_later(RECHECK_SECONDS, bell.ring)
                await bell.wait()
                patience.cancel()
        finally:
            if patience is not None:
                patience.cancel()
            self._board.drop_watch(instance_id, bell)

    def _stands(self, instance_id: str, at: tuple[str, int], status: Status | None) -> bool:
        """Whether there is no news of an instance since it was there."""
        with self._database.reading() as connection:
            position = connection.execute(instances.POSITION, (instance_id,)).fetchone()
        if position is None:
            return False
        return position[:2] == at or (status is not None and not _is_news(position[2], status))

    def doorbell(self) -> Doorbell:
        """A new bell. From the next `receive` on other processes ring it too."""
        self._post.is_wanted = True
        return self._board.new_bell()

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """Instances whose turn is due or one of whose leases has run out."""
        self._check_process()
        with self._database.reading() as connection:
            rows = connection.execute(
                """SELECT id FROM instances WHERE due_us IS NOT NULL AND due_us <= :before
                   UNION SELECT instance_id FROM tasks
                   WHERE is_waiting = 1 AND due_us <= :before AND token IS NOT NULL LIMIT :limit""",
                {"before": before_us, "limit": limit},
            )
            return [row[0] for row in rows]

    # --- the file -------------------------------------------------------------------------------------------------

    async def migrate(self) -> int:
        """Bring the schema to this version's."""
        self._check_process()
        return self._database.migrate()

    async def close(self) -> None:
        """Release the file; the next verb opens it again."""
        self._check_process()
        await self._post.leave()
        self._writer.close()
        self._database.close()

    # --- leaves ---------------------------------------------------------------------------------------------------

    async def _write(self, now_us: int, verb: Callable[[Work], Result]) -> Result:
        self._check_process()
        return await self._writer.write(lambda connection, effects: verb(Work(connection, effects, now_us)))

    def _check_process(self) -> None:
        """In a forked child, open everything anew."""
        if self._database.is_forked():
            self._writer.reset()
            self._post.reset()
            self._prefix = ""

    def _taker(self, lease: Lease) -> Taker:
        return Taker(lease, self._post.name, self._new_token)

    def _new_token(self) -> str:
        if not self._prefix:
            self._prefix = self._nonce or secrets.token_hex(6)
        self._tokens += 1
        return f"{self._prefix}.{self._tokens}"

    def _next_due_us(self, queues: Sequence[str], now_us: int) -> int | None:
        with self._database.reading() as connection:
            next_due_us = leases.next_due_us(connection.execute, queues, now_us)
        self._board.tell(queues, next_due_us)
        return next_due_us

    def _announce(self, written: Sequence[Effects]) -> None:
        """After a transaction: tell this process, and the others when there is something for them."""
        has_ready = False
        changed: list[str] = []
        for effects in written:
            has_ready |= effects.has_ready
            changed += effects.changed
            for instance_id in effects.moved:
                self._board.moved(instance_id, has_new_status=instance_id in effects.changed)
            for queue, due_us in effects.dues_us.items():
                self._board.expect(due_us, queue)
        if has_ready:
            self._board.ring_all()
        if has_ready or changed:
            self._post.ring(changed)


def _is_news(present: str, status: Status) -> bool:
    """See `Status.is_news_after`. A status that is none was damaged: whoever asked finds that out."""
    try:
        return Status(present).is_news_after(status)
    except ValueError:
        return True
