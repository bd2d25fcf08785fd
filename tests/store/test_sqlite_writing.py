"""How the SQLite store writes: one transaction for a commit, one for a group, and what goes wrong with a file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from nexus_sdk.errors import ConflictError, InstanceNotFound, StoreError, StoreUnavailable
from nexus_sdk.store.port import TURNS, Claim, Committed, Query
from nexus_sdk.store.sqlite import SqliteStore, instances, leases
from nexus_sdk.store.sqlite.connection import Database
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    T0,
    at,
    message,
    new,
    pending,
    receive_tasks,
    started,
    task,
    turn,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "store.db"), busy_seconds=0.05)
    yield opened
    await opened.close()


# --- transactions -----------------------------------------------------------------------------------------------------


async def test_a_step_is_one_transaction(store: SqliteStore) -> None:
    before = await started(store, "a", task("a", "0"))
    (held,) = await receive_tasks(store)
    count = store.transactions
    step = turn(before, task("a", "1"), settles=[held], claim=Claim(frozenset({"work"}), 1, ANNA))
    (held,) = (await store.commit(step, now_us=T0)).deliveries
    assert store.transactions == count + 1
    await store.send([message("a", "done")], settles=[held], now_us=T0)
    assert store.transactions == count + 2


async def test_reading_and_finding_nothing_write_nothing(store: SqliteStore) -> None:
    before = await started(store, "a", task("a", not_before_us=at(9)))
    count = store.transactions
    await store.receive([TURNS, "work"], limit=9, lease=ANNA, now_us=at(1))
    await store.load("a")
    await store.find("a")
    await store.count(Query())
    await store.due(before_us=T0, limit=9)
    await store.create(new("a"), now_us=T0)
    with pytest.raises(ConflictError):
        await store.commit(turn(turn(before).record), now_us=T0)
    assert store.transactions == count


async def test_commits_that_are_ready_together_share_transactions(store: SqliteStore) -> None:
    records = [await started(store, f"i{n}") for n in range(100)]
    count = store.transactions
    await asyncio.gather(*(store.commit(turn(record), now_us=T0) for record in records))
    assert store.transactions - count <= 3


async def test_while_a_group_is_in_flight_the_next_fills_itself(store: SqliteStore) -> None:
    async def steps(instance_id: str) -> None:
        record = await started(store, instance_id)
        for _ in range(10):
            commit = turn(record)
            await store.commit(commit, now_us=T0)
            record = commit.record

    await asyncio.gather(*(steps(f"i{n}") for n in range(20)))
    assert store.transactions < 20 * 12 / 4


async def test_a_bad_member_hurts_only_itself(store: SqliteStore) -> None:
    good = [await started(store, f"i{n}") for n in range(6)]
    unknown = new("nobody").record
    stale = turn(good[0], turn_id="stale")
    bad_body = turn(good[5], message("i1", "m", body=object()))  # type: ignore[arg-type]  # the binding refuses it
    count = store.transactions
    outcomes = await asyncio.gather(
        store.commit(turn(good[0]), now_us=T0),
        store.commit(stale, now_us=T0),
        store.commit(turn(unknown), now_us=T0),
        store.send([message("i1", "hello"), message("nobody", "m")], now_us=T0),
        store.commit(bad_body, now_us=T0),
        *(store.commit(turn(record), now_us=T0) for record in good[1:5]),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[:4]] == [
        Committed,
        ConflictError,
        InstanceNotFound,
        InstanceNotFound,
    ]
    assert isinstance(outcomes[4], StoreError)
    assert all(isinstance(outcome, Committed) for outcome in outcomes[5:])
    assert store.transactions == count + 1
    assert await pending(store, "i1") == []
    assert await store.find("i5") == good[5]
    assert (await store.find("i0")).last_batch == 3


async def test_a_commit_whose_caller_gave_up_does_not_hold_up_the_others(store: SqliteStore) -> None:
    records = [await started(store, f"i{n}") for n in range(3)]
    commits = [asyncio.ensure_future(store.commit(turn(record), now_us=T0)) for record in records]
    await asyncio.sleep(0)
    commits[1].cancel()
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert isinstance(outcomes[0], Committed)
    assert isinstance(outcomes[2], Committed)


def test_a_store_may_be_used_by_one_loop_after_another_and_by_several_threads(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "store.db"))
    bell = store.doorbell()

    async def add(name: str) -> None:
        await asyncio.gather(*(started(store, f"{name}-{n}") for n in range(5)))

    asyncio.run(add("first"))
    threads = [threading.Thread(target=lambda name=name: asyncio.run(add(name))) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(asyncio.wait_for(bell.wait(), 10))
    assert asyncio.run(store.count(Query())) == 25
    asyncio.run(store.close())


# --- plans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (leases.READY_TURNS, (5,), "instances_due"),
        (leases.DUE_TURNS, (5, 5), "instances_due"),
        (leases.NEXT_TURN, (), "instances_due"),
        (leases.NEXT_WAITING, ("q",), "tasks_waiting"),
        (leases.ANY_READY, ("q",), "tasks_ready"),
        (leases.READY_TASKS, ("q", 5), "tasks_ready"),
        (leases.PROMOTE, ("q", 5, 5), "tasks_waiting"),
        (instances.FIND, ("a",), "sqlite_autoindex_instances_1"),
        (instances.BATCHES, ("a", "r", 1), "sqlite_autoindex_batches_1"),
        (instances.LOAD_IDLE, {"id": "a", "run_id": None, "after": 1}, "sqlite_autoindex_batches_1"),
    ],
)
def test_the_hot_statements_are_index_lookups(
    tmp_path: Path, statement: str, values: tuple[object, ...] | dict[str, object], index: str
) -> None:
    database = Database(str(tmp_path / "store.db"))
    with database.reading() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    database.close()
    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
    assert not any(step.startswith("SCAN") and "INDEX" not in step for step in plan), plan


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_verb(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "store.db"))
    store.doorbell()
    assert os.listdir(tmp_path) == []


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    for verb in (SqliteStore(str(path)).find("a"), SqliteStore(str(path)).create(new("a"), now_us=T0)):
        with pytest.raises(StoreError, match=r"letter\.txt is not an SQLite database") as caught:
            await verb
        assert caught.value.hint
    assert path.read_text().startswith("Dear Sir")


async def test_another_applications_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mail.db")) as other:
        other.execute("CREATE TABLE letters (text)")
    with pytest.raises(StoreError, match="another application"):
        await SqliteStore(str(tmp_path / "mail.db")).create(new("a"), now_us=T0)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"directory .*nowhere does not exist") as caught:
        await SqliteStore(str(tmp_path / "nowhere" / "store.db")).create(new("a"), now_us=T0)
    assert "sqlite:///" in caught.value.hint


async def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory"):
        await SqliteStore(str(tmp_path)).find("a")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
async def test_a_read_only_directory_is_named(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)
    try:
        with pytest.raises(StoreError, match=r"store\.db: the file or its directory is read-only"):
            await SqliteStore(str(tmp_path / "store.db")).create(new("a"), now_us=T0)
    finally:
        os.chmod(tmp_path, 0o700)


async def test_a_read_only_file_is_named(store: SqliteStore) -> None:
    await store.create(new("a"), now_us=T0)
    store._database.writer(waits=False).execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match=r"store\.db: the file or its directory is read-only") as caught:
        await store.send([message("a", "m")], now_us=T0)
    assert not isinstance(caught.value, StoreUnavailable)


async def test_a_full_disk_writes_nothing_and_can_be_mended(store: SqliteStore) -> None:
    record = await started(store, "a")
    writer = store._database.writer(waits=False)
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    big = message("a", "big", body=b"x" * 500_000)
    with pytest.raises(StoreUnavailable, match="disk is full") as caught:
        await store.send([big], now_us=T0)
    assert "Nothing was written" in caught.value.hint
    assert await pending(store, "a") == []
    writer.execute("PRAGMA max_page_count = 1000000")
    await store.commit(turn(record, big), now_us=T0)
    assert await pending(store, "a") == ["big"]


async def test_a_file_that_stays_locked_is_unavailable_and_works_again_later(store: SqliteStore) -> None:
    record = await started(store, "a")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await store.commit(turn(record), now_us=T0)
        assert await store.find("a") == record
        other.execute("COMMIT")
    await store.commit(turn(record), now_us=T0)


async def test_an_uncommitted_transaction_of_a_crashed_process_leaves_no_trace(store: SqliteStore) -> None:
    record = await started(store, "a")
    writer = store._database.writer(waits=False)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM instances")
    writer.close()  # as at the end of a process
    store._database._writer = None
    assert await store.find("a") == record
