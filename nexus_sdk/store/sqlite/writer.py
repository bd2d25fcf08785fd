"""Group commit: jobs that are ready together share one transaction, and so one fsync.

No linger timer. Jobs of one loop tick make a group; while a group is being written the next one fills itself. A lone
job with nothing in flight runs inline, on the loop's thread: a thread hop costs as much as a third of a commit. Groups,
and a lone job that finds the file locked, run on one writer thread.
The one rule: a job that fails hurts only itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nexus_sdk.store.sqlite import faults
from nexus_sdk.store.sqlite.connection import Database

Result = TypeVar("Result")


@dataclass(slots=True)
class Effects:
    """What a transaction has made known, to be told when it is durable. `dues_us`: the earliest time by queue."""

    has_ready: bool = False
    dues_us: dict[str, int] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Job(Generic[Result]):
    """One verb's work: `work` may run more than once, and all it does is in the transaction and in the effects."""

    work: Callable[[sqlite3.Connection, Effects], Result]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Result]
    effects: Effects = field(default_factory=Effects)
    outcome: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        """Tell the caller; on its loop's thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.outcome)


class Busy(Exception):
    """Another process is writing: take the writer thread, and wait there."""


class Writer:
    """Takes jobs and writes them in groups. `transactions` counts the committed ones that wrote something."""

    def __init__(self, database: Database, announce: Callable[[Sequence[Effects]], None]) -> None:
        self._database = database
        self._announce = announce
        self.transactions = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything under way: after a fork, where its threads and loops do not exist."""
        self._lock = threading.Lock()
        self._pending: list[Job[Any]] = []
        self._is_writing = False
        self._thread: ThreadPoolExecutor | None = None

    async def write(self, work: Callable[[sqlite3.Connection, Effects], Result]) -> Result:
        """Do `work` in a transaction; returns when it is durable."""
        loop = asyncio.get_running_loop()
        job: Job[Result] = Job(work, loop, loop.create_future())
        with self._lock:
            self._pending.append(job)
        loop.call_soon(self._flush)
        return await job.future

    @property
    def is_writing(self) -> bool:
        """Whether a group is in flight on the writer thread, or waits for its turn."""
        with self._lock:
            return self._is_writing or bool(self._pending)

    def close(self) -> None:
        """Let the group under way end, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=True)

    # --- groups ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        jobs = self._take()
        if not jobs:
            return
        if len(jobs) > 1:
            self._hand_over(jobs)
            return
        try:
            self._run(jobs, waits=False)
        except Busy:
            self._hand_over(jobs)
            return
        if more := self._next():
            self._hand_over(more)
        jobs[0].resolve()

    def _take(self) -> list[Job[Any]]:
        """The next group, unless one is in flight: then whoever writes takes it."""
        with self._lock:
            if self._is_writing:
                return []
            return self._next_locked()

    def _next(self) -> list[Job[Any]]:
        with self._lock:
            return self._next_locked()

    def _next_locked(self) -> list[Job[Any]]:
        jobs = [job for job in self._pending if not job.future.cancelled() and not job.loop.is_closed()]
        self._pending = []
        self._is_writing = bool(jobs)
        return jobs

    def _hand_over(self, jobs: list[Job[Any]]) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="nexus-sqlite")
            thread = self._thread
        thread.submit(self._drain, jobs)

    def _drain(self, jobs: list[Job[Any]]) -> None:
        """On the writer thread: this group, and those that fill themselves meanwhile."""
        while jobs:
            self._run(jobs, waits=True)
            more = self._next()
            loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
            for job in jobs:
                loops.setdefault(job.loop, []).append(job)
            for loop, resolved in loops.items():
                try:
                    loop.call_soon_threadsafe(_resolve, resolved)
                except RuntimeError:
                    continue  # the loop has ended, and whoever waited on it
            jobs = more

    # --- one transaction --------------------------------------------------------------------------------------------

    def _run(self, jobs: Sequence[Job[Any]], *, waits: bool) -> None:
        """One transaction; every job has its outcome or error afterwards.

        Raises:
            Busy: not `waits`, and another process is writing. No job was touched.
        """
        try:
            with self._database.write_lock:
                connection = self._database.writer(waits=waits)
                self._transact(connection, jobs)
        except sqlite3.Error as error:
            if not waits and faults.code_of(error) == faults.BUSY:
                raise Busy from None
            self._fail(jobs, faults.translate(error, self._database.path), error)
        except BaseException as error:  # e.g. the file could not be opened: the callers hear it, not this thread
            self._fail(jobs, error, None)
        written = [job.effects for job in jobs if job.error is None]
        if written:
            self._announce(written)

    def _transact(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                self._attempt(connection, job, is_alone=len(jobs) == 1)
            connection.execute("COMMIT" if any(job.error is None for job in jobs) else "ROLLBACK")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if connection.total_changes != before and any(job.error is None for job in jobs):
            self.transactions += 1

    def _attempt(self, connection: sqlite3.Connection, job: Job[Any], *, is_alone: bool) -> None:
        """Run one job inside the transaction; when it fails, undo what it did and nothing else."""
        job.effects, job.error = Effects(), None
        if not is_alone:
            connection.execute("SAVEPOINT job")
        try:
            job.outcome = job.work(connection, job.effects)
        except Exception as error:  # kept for the caller: one bad job must not hurt its group
            if faults.is_fatal(error):
                raise
            if isinstance(error, sqlite3.Error):
                error = faults.translate(error, self._database.path)
            job.error = error
            if not is_alone:
                connection.execute("ROLLBACK TO job")
        if not is_alone:
            connection.execute("RELEASE job")

    def _fail(self, jobs: Sequence[Job[Any]], error: BaseException, cause: BaseException | None) -> None:
        error.__cause__ = cause
        for job in jobs:
            if job.error is None:
                job.error = error


def _resolve(jobs: Sequence[Job[Any]]) -> None:
    for job in jobs:
        job.resolve()
