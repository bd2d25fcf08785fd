"""The SQLite store passes the suite."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.store.sqlite import SqliteStore
from nexus_sdk.testing.provider_suite import ProviderSuite


class TestSqliteStore(ProviderSuite):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        opened: list[SqliteStore] = []

        def open_one() -> Store:
            opened.append(SqliteStore(str(tmp_path / "store.db")))
            return opened[-1]

        yield open_one
        for store in opened:
            asyncio.run(store.close())

    @pytest.fixture
    def fresh_store(self, tmp_path: Path) -> Callable[[], Store]:
        numbers = itertools.count()
        # What crashes in these tests is a process, not the machine.
        return lambda: SqliteStore(str(tmp_path / f"fresh-{next(numbers)}.db"), synchronous="OFF")
