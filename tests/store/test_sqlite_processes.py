"""Several processes on one file: rings between them, and what a killed one held is free at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import nexus_sdk
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import TURNS, Lease, TaskDelivery
from nexus_sdk.store.sqlite import SqliteStore, peers
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    T0,
    at,
    message,
    new,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)

pytestmark = pytest.mark.skipif(not peers.is_supported(), reason="no local sockets on this platform")

PROGRAM = Path(__file__).with_name("other_process.py")
LONG = Lease("anna", 1e6)


class Other:
    """A process that uses the same file."""

    def __init__(self, path: str) -> None:
        root = str(Path(nexus_sdk.__file__).parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    async def do(self, line: str) -> str:
        self.tell(line)
        return await asyncio.to_thread(self.answer)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


@pytest.fixture
def open_other(path: str) -> Iterator[Callable[[], Other]]:
    others: list[Other] = []

    def start() -> Other:
        others.append(Other(path))
        return others[-1]

    yield start
    for other in others:
        other.end()


@pytest.fixture
async def store(path: str) -> AsyncIterator[SqliteStore]:
    clock = iter(range(1_000_000))
    opened = SqliteStore(path, monotonic=lambda: float(next(clock) * 10))  # every receive looks after the others
    yield opened
    await opened.close()


async def test_what_one_process_writes_another_receives(store: SqliteStore, open_other: Callable[[], Other]) -> None:
    other = open_other()
    await started(store, "a", task("a"))
    assert await other.do("receive") == "run-1/0"
    assert await receive_tasks(store) == []
    await other.do("create b")
    assert set(await receive_turns(store)) == {"b"}


async def test_a_bell_rings_in_the_other_process(store: SqliteStore, open_other: Callable[[], Other]) -> None:
    other = open_other()
    assert await other.do("receive") == ""
    other.tell("wait")
    await store.create(new("a"), now_us=T0)
    assert await asyncio.to_thread(other.answer) == "done"
    assert await other.do("receive") == "a"


async def test_a_bell_here_rings_for_a_message_sent_there(store: SqliteStore, open_other: Callable[[], Other]) -> None:
    await started(store, "a")
    bell = store.doorbell()
    assert await receive_turns(store) == {}
    other = open_other()
    sending = asyncio.ensure_future(other.do("send a m"))
    async with asyncio.timeout(20):
        await bell.wait()
    await sending
    assert set(await receive_turns(store)) == {"a"}


async def test_a_watch_sees_another_processes_turns(store: SqliteStore, open_other: Callable[[], Other]) -> None:
    before = await started(store, "a")
    watching = asyncio.ensure_future(store.watch("a", run_id="run-1", after=before.last_batch))
    await open_other().do("step a 1")
    async with asyncio.timeout(20):
        await watching


async def test_the_leases_of_a_killed_process_are_free_at_once(
    store: SqliteStore, open_other: Callable[[], Other]
) -> None:
    await started(store, "a", task("a"))
    await store.create(new("b"), now_us=T0)
    other = open_other()
    assert await other.do("receive") == "b run-1/0"
    assert await receive_tasks(store, now_us=T0) == []
    other.kill()
    received = await store.receive([TURNS, "work"], limit=9, lease=ANNA, now_us=T0)
    tasks = [found for found in received.deliveries if isinstance(found, TaskDelivery)]
    assert [(found.task.attempt, found.deliveries) for found in tasks] == [(2, 2)]
    assert len(received.deliveries) == 2
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT count(*) FROM peers").fetchone() == (0,)


async def test_a_restarted_process_takes_over_its_dead_predecessor(
    path: str, open_other: Callable[[], Other], store: SqliteStore
) -> None:
    await started(store, "a", task("a"))
    first = open_other()
    assert await first.do("receive") == "run-1/0"
    first.kill()
    assert await open_other().do("receive") == "run-1/0"


async def test_the_leases_of_a_process_that_lives_or_closed_properly_stay(
    store: SqliteStore, open_other: Callable[[], Other]
) -> None:
    await started(store, "a", task("a"))
    other = open_other()
    assert await other.do("receive") == "run-1/0"
    assert await receive_tasks(store) == []
    await other.do("close")
    assert await receive_tasks(store) == []


async def test_a_process_that_was_taken_for_dead_makes_itself_known_again(store: SqliteStore) -> None:
    store.doorbell()
    await receive_turns(store)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM peers")
    await receive_turns(store)
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT count(*) FROM peers").fetchone() == (1,)


async def test_processes_that_commit_to_one_instance_lose_no_turn(
    store: SqliteStore, open_other: Callable[[], Other]
) -> None:
    before = await started(store, "a")
    await started(store, "b")
    other = open_other()
    stepping = asyncio.ensure_future(other.do("step b 50"))
    for _ in range(50):
        commit = turn(before)
        await store.commit(commit, now_us=T0)
        before = commit.record
    await stepping
    for name in "ab":
        numbers = [batch.number for batch in (await store.load(name)).batches]
        assert numbers == list(range(1, 53))


# --- places for sockets -----------------------------------------------------------------------------------------------


async def test_sockets_lie_beside_the_file_where_only_this_user_sees_them(store: SqliteStore) -> None:
    store.doorbell()
    await receive_turns(store)
    directory = f"{store.path}-bells"
    if len(os.fsencode(directory)) + 20 < peers.ADDRESS_BYTES_MAX:
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    await store.close()
    assert os.path.basename(directory) not in os.listdir(os.path.dirname(directory))


async def test_a_path_that_is_too_long_for_a_socket_has_it_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    store = SqliteStore(str(deep / "store.db"))
    bell = store.doorbell()
    await receive_turns(store)
    with closing(sqlite3.connect(store.path)) as connection:
        (address,) = connection.execute("SELECT address FROM peers").fetchone()
    assert len(os.fsencode(address)) <= peers.ADDRESS_BYTES_MAX
    assert address.startswith(tempfile.gettempdir())
    assert peers.ring([address], ["a"]) == []
    async with asyncio.timeout(20):
        await bell.wait()
    await store.close()
    assert os.path.basename(os.path.dirname(address)) not in os.listdir(tempfile.gettempdir())


async def test_without_a_place_for_sockets_the_store_works_by_its_leases(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("no sockets here")

    monkeypatch.setattr(peers, "Socket", refuse)
    store = SqliteStore(path)
    store.doorbell()
    await started(store, "a", task("a"))
    assert len(await receive_tasks(store, lease=LONG)) == 1
    await store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_opens_the_file_anew(path: str) -> None:
    store = SqliteStore(path)

    async def before() -> None:
        store.doorbell()
        await started(store, "a")
        await receive_turns(store)

    async def in_child() -> None:
        await store.send([message("a", "from-child")], now_us=T0)
        await receive_turns(store)
        await store.close()

    async def after() -> None:
        record = await store.find("a")
        assert [found.id for found in (await store.load("a")).messages] == ["from-child"]
        await store.commit(turn(record, consumed=(2,), status=Status.COMPLETED), now_us=at(1))
        await store.close()

    asyncio.run(before())
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(in_child())
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    asyncio.run(after())
