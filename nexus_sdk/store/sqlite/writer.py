"""Group commit: jobs that are ready together share one transaction, and so one fsync.

No linger timer. Jobs of one loop tick make a group; while a group is being written the next one fills itself. The
statements of a group run on the loop's thread: between two threads that both want the interpreter, each statement
would wait for it. What waits for the disk, its COMMIT, runs on the one writer thread. A lone job commits inline, too:
a thread hop costs as much as a third of a commit. Where another process holds the file's lock, all is done on the
writer thread, and waits there.
The one rule: a job that fails hurts only itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
        self._asked: asyncio.AbstractEventLoop | None = None  # the loop that will look at what is pending
        self._is_writing = False
        self._thread: ThreadPoolExecutor | None = None

    async def write(self, work: Callable[[sqlite3.Connection, Effects], Result]) -> Result:
        """Do `work` in a transaction; returns when it is durable."""
        loop = asyncio.get_running_loop()
        job: Job[Result] = Job(work, loop, loop.create_future())
        with self._lock:
            self._pending.append(job)
            is_asked, self._asked = self._asked is loop, loop
        if not is_asked:
            loop.call_soon(self._flush, loop)
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

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a loop's thread: write what is pending, unless a group is in flight; then whoever ends that asks again."""
        with self._lock:
            if self._asked is loop:
                self._asked = None
            jobs = [] if self._is_writing else self._next_locked()
        if not jobs:
            return
        group = _Group(self._database, jobs)
        try:
            group.fill(waits=False)
        except Busy:
            self._hand_over(self._write_waiting, jobs)
            return
        if len(jobs) > 1 and not group.is_over:
            self._hand_over(self._commit, group)
        else:
            self._commit(group, loop)

    def _next_locked(self) -> list[Job[Any]]:
        jobs = [job for job in self._pending if not job.future.cancelled() and not job.loop.is_closed()]
        self._pending = []
        self._is_writing = bool(jobs)
        return jobs

    def _hand_over(self, work: Callable[[Any], None], what: Any) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="nexus-sqlite")
            thread = self._thread
        thread.submit(work, what)

    def _write_waiting(self, jobs: Sequence[Job[Any]]) -> None:
        group = _Group(self._database, jobs)
        group.fill(waits=True)
        self._commit(group)

    def _commit(self, group: _Group, here: asyncio.AbstractEventLoop | None = None) -> None:
        """Make a group durable. `here`: the loop of this thread, if there is one."""
        try:
            self.transactions += group.commit()
            written = [job.effects for job in group.jobs if job.error is None]
            if written:
                self._announce(written)
        finally:
            self._tell(group, here)

    def _tell(self, group: _Group, here: asyncio.AbstractEventLoop | None) -> None:
        """Tell the callers, and let the next group begin."""
        loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        with self._lock:
            self._is_writing = False
            # Each of them: one whose loop ends meanwhile must not leave the others waiting.
            waiting = dict.fromkeys(job.loop for job in self._pending)
        for job in group.jobs:
            loops.setdefault(job.loop, []).append(job)
        for loop in {**waiting, **loops}:
            if loop is here:
                self._resume(loop, loops.get(loop, ()), loop in waiting)
                continue
            try:
                loop.call_soon_threadsafe(self._resume, loop, loops.get(loop, ()), loop in waiting)
            except RuntimeError:
                continue  # the loop has ended, and whoever waited on it

    def _resume(self, loop: asyncio.AbstractEventLoop, done: Sequence[Job[Any]], has_more: bool) -> None:
        """On a loop's thread: tell the callers, after the next group is on its way."""
        if has_more:
            self._flush(loop)
        for job in done:
            job.resolve()


class _Group:
    """One transaction: filled with its jobs on one thread, committed there or on another. In between it is locked.

    Attributes:
        is_over: there is nothing to commit; all its jobs have an error.
    """

    def __init__(self, database: Database, jobs: Sequence[Job[Any]]) -> None:
        self.jobs = jobs
        self.is_over = False
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._changes = 0

    def fill(self, *, waits: bool) -> None:
        """Begin, and do all the jobs; every job has its outcome or error afterwards.

        Raises:
            Busy: not `waits`, and another process is writing.
        """
        self._database.write_lock.acquire()
        try:
            connection = self._connection = self._database.writer(waits=waits)
            self._changes = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            self._do_jobs(connection)
        except BaseException as error:  # e.g. the file could not be opened: the callers hear it, not this thread
            self._end()
            self.is_over = True
            if not waits and isinstance(error, sqlite3.Error) and faults.code_of(error) == faults.BUSY:
                raise Busy from None
            self._fail(error)

    def commit(self) -> bool:
        """Make it durable; whether anything was written."""
        if self.is_over:
            return False
        connection = self._connection
        assert connection is not None
        is_good = any(job.error is None for job in self.jobs)
        try:
            connection.execute("COMMIT" if is_good else "ROLLBACK")
            return is_good and connection.total_changes != self._changes
        except BaseException as error:
            self._fail(error)
            return False
        finally:
            self._end()

    def _end(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                with suppress(sqlite3.Error):  # the error that led here says more
                    self._connection.execute("ROLLBACK")
        finally:
            self._database.write_lock.release()

    def _do_jobs(self, connection: sqlite3.Connection) -> None:
        """All of them at once; if one fails, all are undone and each is done apart, to undo no other."""
        if len(self.jobs) == 1:
            self._attempt(connection, self.jobs[0])
            return
        connection.execute("SAVEPOINT jobs")
        for job in self.jobs:
            self._attempt(connection, job)
            if job.error is not None:
                break
        else:
            connection.execute("RELEASE jobs")
            return
        connection.execute("ROLLBACK TO jobs")
        for job in self.jobs:
            connection.execute("SAVEPOINT job")
            self._attempt(connection, job)
            if job.error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        connection.execute("RELEASE jobs")

    def _attempt(self, connection: sqlite3.Connection, job: Job[Any]) -> None:
        job.effects, job.error = Effects(), None
        try:
            job.outcome = job.work(connection, job.effects)
        except Exception as error:  # kept for the caller: one bad job must not hurt its group
            if faults.is_fatal(error):
                raise
            if isinstance(error, sqlite3.Error):
                error = faults.translate(error, self._database.path)
            job.error = error

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error):
            cause, error = error, faults.translate(error, self._database.path)
            error.__cause__ = cause
        for job in self.jobs:
            if job.error is None:
                job.error = error
