"""Worker processes to be started, frozen and killed, and what can be said afterwards from ledger and histories."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nexus_sdk
from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.store.port import InstanceRecord, Store

HERE = Path(__file__).parent
ROOT = Path(nexus_sdk.__file__).parent.parent

SCHEDULED = (e.ActivityScheduled, e.ChildScheduled, e.EventSent)
RESOLVED = (
    e.ActivityCompleted,
    e.ActivityFailed,
    e.ActivityCancelled,
    e.ChildCompleted,
    e.ChildFailed,
    e.EventDelivered,
    e.EventRefused,
    e.TimerFired,
)


# --- processes --------------------------------------------------------------------------------------------------------


class StartedProcess:
    """A program of this folder in a process of its own, with the store of a folder. `noun`: what it is called."""

    noun: str
    program: str

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NEXUS_TEST_LEDGER": str(folder / "ledger"),
            "NEXUS_TEST_WORKER": name,
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / self.program), str(folder / "store.db"), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP; returns once all its threads stand still."""
        self.signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    async def ended(self, seconds: float = 30.0) -> int:
        """Its exit code, once it has ended by itself."""
        await until(lambda: not self.is_alive, seconds)
        return self._process.wait()


class WorkerProcess(StartedProcess):
    """A worker."""

    noun, program = "worker", "served.py"


class ClientProcess(StartedProcess):
    """A client, which asks for what its arguments say."""

    noun, program = "client", "calling.py"


Started = TypeVar("Started", bound=StartedProcess)


@contextmanager
def fleet(
    folder: Path,
    *arguments: str,
    kind: type[Started] = WorkerProcess,  # type: ignore[assignment]
) -> Iterator[Callable[..., Started]]:
    """Starts processes, and leaves none behind."""
    started: list[Started] = []

    def start(name: str | None = None, *more: str) -> Started:
        process = kind(name or f"{kind.noun}{len(started)}", folder, *arguments, *more)
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()


async def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once something outside of this process is so. Looks often, and gives up after a generous time."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(0.005)


# --- the ledger -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One line: an attempt began, or its effect was done. `line` orders all of them."""

    line: int
    kind: str
    label: str
    key: str
    attempt: int
    worker: str
    instance_id: str


class Ledger:
    """What the activities themselves have written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger"
        self._path.touch()
        self._read = 0
        self._lines: Counter[str] = Counter()

    def __len__(self) -> int:
        self._read_on()
        return self._lines.total()

    def lines_of(self, worker: str) -> int:
        self._read_on()
        return self._lines[worker]

    def _read_on(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self._lines.update(line.split("\t")[4] for line in whole.decode().splitlines())

    def entries(self, kind: str | None = None) -> list[Entry]:
        found = []
        for line, text in enumerate(self._path.read_text().splitlines()):
            what, label, key, attempt, worker, instance_id = text.split("\t")
            if kind in (None, what):
                found.append(Entry(line, what, label, key, int(attempt), worker, instance_id))
        return found

    def attempts(self) -> dict[str, list[Entry]]:
        """The attempts that began, by idempotency key, in order."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries("begun"):
            found.setdefault(entry.key, []).append(entry)
        return found

    def check_keys(self, *, is_in_order: bool = True) -> None:
        """One operation has one idempotency key, over all its attempts; no attempt begins twice.

        `is_in_order`: nor does one begin late, as that of a worker does that stood still before it began.
        """
        keys: dict[str, set[str]] = {}
        for entry in self.entries():
            keys.setdefault(entry.label, set()).add(entry.key)
        assert {label: found for label, found in keys.items() if len(found) > 1} == {}
        for attempts in self.attempts().values():
            numbers = [entry.attempt for entry in attempts]
            in_order = numbers if is_in_order else sorted(numbers)
            assert in_order == sorted(set(numbers)), f"{attempts[0].label}: attempts {numbers}"


# --- histories --------------------------------------------------------------------------------------------------------


async def runs_of(store: Store, instance_id: str) -> tuple[InstanceRecord, list[list[Batch]]]:
    """The histories of all runs of an instance, the newest first, each with its chain of hashes verified."""
    loaded = await store.load(instance_id)
    runs: list[list[Batch]] = []
    run_id: str | None = loaded.record.run_id
    while run_id:  # the present run as it was loaded with its record: it may have moved on since
        stored = (await store.load(instance_id, run_id=run_id)).batches if runs else loaded.batches
        batches = [wire.decode_batch(batch.data) for batch in stored]
        wire.verify(batches, last_hash=None if runs else loaded.record.last_hash)
        runs.append(batches)
        created = batches[0].events[0]
        assert isinstance(created, e.WorkflowCreated)
        run_id = created.previous_run_id
    assert len(runs) == loaded.record.run
    return loaded.record, runs


def check_laws(batches: list[Batch]) -> None:
    """The laws of one run's history: each operation is scheduled once and resolved at most once; one end, the last."""
    events = [event for batch in batches for event in batch.events]
    scheduled = Counter(event.path for event in events if isinstance(event, SCHEDULED))
    resolved = Counter(event.path for event in events if isinstance(event, RESOLVED))
    assert [path for path, count in (scheduled + Counter()).items() if count > 1] == []
    assert [path for path, count in resolved.items() if count > 1] == []
    assert [index for index, event in enumerate(events) if event.is_terminal] == [len(events) - 1]
    causes = Counter(cause for batch in batches for cause in batch.header.causes if cause.startswith("event:"))
    assert [cause for cause, count in causes.items() if count > 1] == []


def completions(runs: list[list[Batch]]) -> dict[str, e.ActivityCompleted]:
    """The recorded results of activities, by idempotency key."""
    return {
        f"{batch.header.run_id}:{event.path}": event
        for batches in runs
        for batch in batches
        for event in batch.events
        if isinstance(event, e.ActivityCompleted)
    }


def handed_out(folder: Path) -> set[str]:
    """The idempotency keys of the activities that somebody holds at this moment: not recorded yet, maybe begun."""
    with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM tasks WHERE token IS NOT NULL")}


def left_over(folder: Path) -> dict[str, int]:
    """Rows of work that are still in the store: none, when all is quiet."""
    with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as connection:
        return {
            "tasks": connection.execute("SELECT count(*) FROM tasks").fetchone()[0],
            "messages": connection.execute("SELECT count(*) FROM inbox").fetchone()[0],
            "leased": connection.execute("SELECT count(*) FROM instances WHERE token IS NOT NULL").fetchone()[0],
            "due": connection.execute("SELECT count(*) FROM instances WHERE due_us IS NOT NULL").fetchone()[0],
        }
