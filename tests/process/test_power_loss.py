"""The power goes at every sync point of a real run; then the file is opened again.

`strace` sees every write and every sync of two workers and a client. From that, the files are built that a disk may
hold when the power goes just before a sync returns: all that was synced, and of the rest nothing, all, or any sectors.
Two witnesses know what must be in them, because they stand outside: what the clients were promised, and what the
activities did. The index beside SQLite's log (`-shm`) is memory and may hold anything.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

import nexus_sdk
from nexus_sdk.client.client import Client
from nexus_sdk.core import events as e
from nexus_sdk.core.request import task_id
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.errors import NexusError
from nexus_sdk.runtimes.clock import SystemClock
from nexus_sdk.runtimes.local import local_environment
from nexus_sdk.testing.laws import check_laws
from tests.process import powered
from tests.process.calling import Caller, check_promises, notes_in, read_notes
from tests.process.disk import STRACE, Moment, moments
from tests.process.fleet import RESOLVED, Ledger, left_over, runs_of, until
from tests.process.load import check_instances
from tests.process.served import app_on

NIGHTLY = os.environ.get("NEXUS_NIGHTLY") == "1"
COUNT = 18 if NIGHTLY else 9
"""So many instances are seen to their end by the run."""

TORN = 4 if NIGHTLY else 1
"""So many disks with any sectors are looked at, for each moment."""

GOING_ON = 6 if NIGHTLY else 14
"""Of each so many disks that were looked at, work goes on with one."""

PAGES_PER_CHECKPOINT = 60
"""So that a short run has many checkpoints; the usual is 1,000."""

OUTAGE_SECONDS = 7_200.0
"""Longer than any lease."""


@pytest.fixture(scope="module")
def run(strace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a run went from its beginning to its end, with its `trace`."""
    folder = tmp_path_factory.mktemp("power")
    arguments = [str(folder), "--count", str(COUNT), "--checkpoint", str(PAGES_PER_CHECKPOINT)]
    command = [strace, *STRACE, "-o", str(folder / "trace"), sys.executable, str(Path(powered.__file__)), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(nexus_sdk.__file__).parent.parent)}
    subprocess.run(command, env=environment, check=True, timeout=100)
    return folder


# --- the disks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What is found in a folder when the power is back.

    Attributes:
        what: the moment and the kind of disk, for messages.
    """

    what: str
    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store.db"


def all_moments(run: Path, lies_about: Collection[str] = ()) -> Iterator[Moment]:
    return moments(run / "trace", str(run / "store.db"), [run / "ledger", notes_in(run)], lies_about)


def disks_of(moment: Moment, run: Path, folder: Path) -> Iterator[Found]:
    """The disks of a moment, each in a folder that is gone when the next one is asked for."""
    kinds = [("nothing", 0.0), ("everything", 1.0)]
    kinds += [(f"any sectors, {number}", 0.0) for number in range(TORN)]
    for kind, keeps in kinds:
        chance = Random(f"{moment.number} {kind}") if "any" in kind else None
        if chance is not None:
            keeps = chance.choice((0.1, 0.5, 0.9))
        folder.mkdir()
        for path, data in moment.disk.image(chance, keeps=keeps).items():
            (folder / Path(path).name).write_bytes(data)
        if kind != "nothing" and (folder / "store.db").exists():
            (folder / "store.db-shm").write_bytes(Random(kind).randbytes(32_768) if chance else bytes(32_768))
        for path, text in moment.told.items():
            (folder / Path(path).name).write_text(text)
        yield Found(f"just before sync {moment.number} returned, {kind} of what was not synced", folder)
        shutil.rmtree(folder)


# --- what must hold ---------------------------------------------------------------------------------------------------


def check_file(found: Found) -> None:
    with closing(sqlite3.connect(found.store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], found.what


async def check_is_there(client: Client, found: Found) -> None:
    """What was promised; and no effect without a schedule and an attempt that survive the power."""
    await check_laws(client.store)
    await check_promises(client, read_notes(notes_in(found.folder).read_text()))
    attempts: dict[str, int] = {}
    with closing(sqlite3.connect(found.store)) as connection:
        attempts.update(connection.execute("SELECT id, attempt FROM tasks").fetchall())
    for key, entries in Ledger(found.folder).attempts().items():
        _, runs = await runs_of(client.store, entries[0].instance_id)
        events = [
            event
            for batches in runs
            for batch in batches
            for event in batch.events
            if task_id(batch.header.run_id, getattr(event, "path", "")) == key
        ]
        assert any(isinstance(event, e.ActivityScheduled) for event in events), f"{found.what}: {entries[0]}"
        is_resolved = any(isinstance(event, RESOLVED) for event in events)
        assert is_resolved or attempts[key] >= entries[-1].attempt, f"{found.what}: {entries[-1]}"


class LaterClock(SystemClock):
    """The machine is switched on again two hours later."""

    def now_us(self) -> int:
        return super().now_us() + round(OUTAGE_SECONDS * 1_000_000)


async def go_on(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker, and a client who asks for the same things, bring everything to the end that it must have."""
    monkeypatch.setenv("NEXUS_TEST_LEDGER", str(found.folder / "ledger"))
    monkeypatch.setenv("NEXUS_TEST_WORKER", "later")
    app, local = app_on(found.store), local_environment()
    environment = Environment(LaterClock(), local.executor, local.randomness, local.watchdog, local.say)
    client = Client(app.store, app.registry, app.codec, environment)
    caller = Caller(client, notes_in(found.folder), powered.SHAPES)
    worker = Worker(app.store, app.registry, app.codec, environment, WorkerOptions(sweep_seconds=0.1))
    await worker.start()
    await caller.call(range(COUNT))
    await until(lambda: not any(left_over(found.folder).values()))
    await worker.stop()
    ids = [caller.id_of(number) for number in range(COUNT)]
    await check_instances(client, ids, Ledger(found.folder))
    Ledger(found.folder).check_keys()
    await check_promises(client, read_notes(notes_in(found.folder).read_text()))
    await app.store.close()


# --- the tests --------------------------------------------------------------------------------------------------------


def test_the_trace_of_a_run_tells_the_whole_of_it(run: Path) -> None:
    """Otherwise the test below would look at disks that never were."""
    *_, last = all_moments(run)
    assert last.disk.image(None, keeps=1.0) == {str(run / "store.db"): (run / "store.db").read_bytes()}
    for path, text in last.told.items():
        assert sorted(text.splitlines()) == sorted(Path(path).read_text().splitlines())
    assert last.disk.synced.count("store.db") > 5  # checkpoints
    assert last.disk.synced.count("store.db-wal") > 50


@pytest.mark.timeout(1_500 if NIGHTLY else 300)  # hundreds of disks: where others are at work, too, that takes a while
async def test_nothing_that_was_promised_is_lost_wherever_the_power_goes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = went_on = 0
    for moment in all_moments(run):
        for found in disks_of(moment, run, tmp_path / "disk"):
            check_file(found)
            app = app_on(found.store)
            await check_is_there(app.client(), found)
            await app.store.close()
            looked_at += 1
            if looked_at % GOING_ON == 0:
                await go_on(found, monkeypatch)
                went_on += 1
    assert looked_at > 200
    assert went_on > 10


async def test_a_disk_that_only_says_that_it_synced_would_be_noticed(run: Path, tmp_path: Path) -> None:
    """The test above can fail: here the syncs of SQLite's log do nothing."""
    broken = 0
    for moment in all_moments(run, lies_about={"store.db-wal"}):
        found = next(disks_of(moment, run, tmp_path / "disk"))
        app = app_on(found.store)
        try:
            await check_is_there(app.client(), found)
        except (NexusError, AssertionError):
            broken += 1
        await app.store.close()
        shutil.rmtree(found.folder)
    assert broken > 20
