"""Files of other versions: an older schema is brought forward by whoever opens it, a newer one is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from nexus_sdk.errors import SchemaOutdated, StoreError
from nexus_sdk.store.port import TURNS
from nexus_sdk.store.sqlite import SqliteStore, connection, faults
from nexus_sdk.store.sqlite.schema import MIGRATIONS, VERSION
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    T0,
    message,
    new,
    pending,
    receive_tasks,
    started,
    task,
    turn,
)

NEXT = (*MIGRATIONS, ("ALTER TABLE peers ADD COLUMN colour TEXT", "CREATE TABLE extra (id TEXT PRIMARY KEY)"))
"""The migrations of a release after this one."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "store.db"))
    yield opened
    await opened.close()


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release after this one, whose schema has one version more."""
    for module in (connection, faults):
        monkeypatch.setattr(module, "VERSION", VERSION + 1)
    monkeypatch.setattr(connection, "MIGRATIONS", NEXT)


def _schema_of(path: str) -> tuple[int, set[str]]:
    with closing(sqlite3.connect(path)) as other:
        (version,) = other.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return version, {row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_whoever_opens_an_older_schema_brings_it_forward_and_keeps_the_data(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for number in range(4):
        old = SqliteStore(f"{tmp_path}/{number}.db")
        await started(old, "a", task("a"))
        await old.send([message("a", "m")], now_us=T0)
        await old.close()
    request.getfixturevalue("next_release")
    for number, verb in enumerate(
        (
            lambda store: store.find("a"),
            lambda store: store.migrate(),
            lambda store: store.create(new("b"), now_us=T0),
            lambda store: store.receive([TURNS], limit=9, lease=ANNA, now_us=T0),
        )
    ):
        store = SqliteStore(f"{tmp_path}/{number}.db")
        await verb(store)
        assert _schema_of(store.path)[0] == VERSION + 1
        assert "extra" in _schema_of(store.path)[1]
        assert await pending(store, "a") == ["m"]
        assert len(await receive_tasks(store)) == 1
        assert await store.migrate() == VERSION + 1
        await store.close()


async def test_many_who_open_an_older_schema_at_once_bring_it_forward_once(
    store: SqliteStore, request: pytest.FixtureRequest
) -> None:
    await store.create(new("a"), now_us=T0)
    await store.close()
    request.getfixturevalue("next_release")

    def open_and_find() -> None:
        other = SqliteStore(store.path)
        assert asyncio.run(other.find("a")).id == "a"
        asyncio.run(other.close())

    await asyncio.gather(*(asyncio.to_thread(open_and_find) for _ in range(8)))
    assert _schema_of(store.path)[0] == VERSION + 1


async def test_a_migration_that_fails_leaves_the_older_schema_as_it_was(
    store: SqliteStore, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.create(new("a"), now_us=T0)
    await store.close()
    before = _schema_of(store.path)
    request.getfixturevalue("next_release")
    monkeypatch.setattr(connection, "MIGRATIONS", (*MIGRATIONS, (NEXT[-1][1], "CREATE NONSENSE")))
    with pytest.raises(StoreError):
        await store.find("a")
    assert _schema_of(store.path) == before


@pytest.mark.parametrize("version", [0, -1, "new", None])
async def test_a_file_whose_schema_version_is_none_of_ours_is_left_alone(store: SqliteStore, version: object) -> None:
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
        other.execute("CREATE TABLE instances (id TEXT)")
        other.execute("INSERT INTO meta VALUES ('schema_version', ?)", (version,))
    with pytest.raises(StoreError, match="another application"):
        await store.create(new("a"), now_us=T0)
    assert _schema_of(store.path) == (version, {"meta", "instances"})


async def test_a_newer_schema_is_refused(store: SqliteStore) -> None:
    await store.create(new("a"), now_us=T0)
    await store.close()
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (VERSION + 1,))
    for verb in (store.find("a"), store.migrate(), store.create(new("b"), now_us=T0)):
        with pytest.raises(SchemaOutdated, match=f"knows versions up to {VERSION}") as caught:
            await verb
        assert "Upgrade" in caught.value.hint


async def test_histories_of_an_older_schema_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, faults):
        monkeypatch.setattr(module, "VERSION", 2)
    monkeypatch.setattr(connection, "MIGRATIONS", MIGRATIONS[:2])
    old = SqliteStore(f"{tmp_path}/old.db")
    for id in "ba":
        await started(old, id, task(id))
    before = [await old.load(id) for id in "ab"]
    await old.close()
    monkeypatch.undo()
    store = SqliteStore(f"{tmp_path}/old.db")
    assert [await store.load(id) for id in "ab"] == before
    await store.commit(turn(before[0].record), now_us=T0)
    assert [batch.number for batch in (await store.load("a")).batches] == [1, 2, 3]
    await store.close()
