"""The disk is full, and later there is room again: refused with a coded error, nothing is lost, everything goes on.

Two ways to have no room: a small file system of its own that something else fills (SQLite says `SQLITE_FULL`), and a
limit on the size of the processes' files (SQLite says that writing failed). Both are real refusals by the system, at
whatever write they meet: of a commit, of a checkpoint, of the index beside the log.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from nexus_sdk.errors import StoreUnavailable
from nexus_sdk.store.sqlite import peers
from tests.process.calling import Caller, check_promises, notes_in, read_notes
from tests.process.fleet import ClientProcess, Ledger, StartedProcess, fleet, left_over, until
from tests.process.load import check_instances
from tests.process.served import app_on, chain, gated

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

COUNT = 12
SHAPES = ("chain", "saga", "collector", "fan", "rounds", "chain_here")

NoRoom = Callable[[Sequence[StartedProcess]], AbstractContextManager[None]]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Nothing more fits on it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    yield
    filler.unlink()


@contextmanager
def limited(processes: Sequence[StartedProcess], log: Path) -> Iterator[None]:
    """No file of these processes may become longer than SQLite's log is now."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    for process in processes:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, usual[1]))
    yield
    for process in processes:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, usual)


async def work_without_room(folder: Path, no_room: NoRoom, said: str) -> None:
    """Two workers and a client, who have no room for a while in the middle of it."""
    ledger, store = Ledger(folder), folder / "store.db"
    app = app_on(store)
    client = app.client()
    arguments = ("--count", str(COUNT), "--shapes", ",".join(SHAPES))
    with fleet(folder) as start_worker, fleet(folder, *arguments, kind=ClientProcess) as start_client:
        workers, calling = [start_worker(), start_worker()], start_client()
        gate, held = folder / "gate", [f"gated-{number}" for number in range(4)]
        for id in held:
            await client.start(gated, str(gate), False, id=id)
        await until(lambda: {f"{id}:0" for id in held} <= {entry.label for entry in ledger.entries("begun")})
        with no_room([*workers, calling]):
            gate.touch()  # now somebody has an outcome, and no room for it
            await until(lambda: any(said in worker.log.read_text() for worker in workers))
            assert all(worker.is_alive for worker in workers)
        assert await calling.ended(60) == 0, calling.log.read_text()
        await until(lambda: not any(left_over(folder).values()))
        for worker in workers:
            assert "[error" not in worker.log.read_text()
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    promises = read_notes(notes_in(folder).read_text())
    assert {what[:5] for kind, _, what in promises if kind == "refused"} <= {"NX403"}
    await check_promises(client, promises)
    called = [Caller(client, notes_in(folder), SHAPES).id_of(number) for number in range(COUNT)]
    await check_instances(client, [*called, *held], ledger)
    assert {len(attempts) for attempts in ledger.attempts().values()} == {1}  # nobody has died: nothing was repeated
    await app.store.close()


async def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk") as disk:
        (tmp_path / "store.db").symlink_to(disk / "store.db")
        await work_without_room(tmp_path, lambda _: filled(disk), "the disk is full")


async def test_files_that_may_not_grow_lose_nothing_and_work_goes_on_when_they_may(tmp_path: Path) -> None:
    log = tmp_path / "store.db-wal"
    await work_without_room(tmp_path, lambda processes: limited(processes, log), "writing failed")


async def test_a_client_is_refused_while_the_disk_is_full_and_half_of_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_TEST_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setenv("NEXUS_TEST_WORKER", "here")
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk") as disk:
        app = app_on(disk / "store.db")
        client = app.client()
        started = [(await client.start(chain(2), id="before")).id]
        with filled(disk):
            refused = None
            while refused is None:  # some fit in where others were before
                id = f"full-{len(started)}"
                try:
                    await client.start(chain(2), id=id, request_id=id)
                    started.append(id)
                except StoreUnavailable as error:
                    refused = error
            assert refused.code == "NX403"
            assert "the disk is full" in refused.message
            assert {status.id for status in await client.list(limit=1_000)} == set(started)
        await client.start(chain(2), id=id, request_id=id)  # the very same, again
        async with app.worker():
            for one in [*started, id]:
                assert await client.get(one).result(timeout=30) == [f"{one}:0", f"{one}:1"]
        await app.store.close()
