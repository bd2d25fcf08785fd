"""The bench, made anew for each test from one that was prepared once; and the command line."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from nexus_sdk import Nexus, WorkflowFailed
from nexus_sdk.cli.app import app
from tests.mistakes import orders
from tests.mistakes.bench import Bench

Command = Callable[..., Result]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `orders.py` and a store where one instance waits, one is done and one has failed."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(orders.__file__, folder / "orders.py")
    asyncio.run(_prepare(f"sqlite:///{folder}/nexus.db"))
    return folder


async def _prepare(url: str) -> None:
    app = Nexus.from_module(orders, url)
    client = app.client()
    async with app.worker():
        await (await client.start(orders.keep, 1, id="done")).result()
        with pytest.raises(WorkflowFailed):
            await (await client.start(orders.refuse, id="failed")).result()
    await client.start(orders.approval, id="waiting")
    await app.store.close()


@pytest.fixture
def bench(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A copy of the prepared folder, which is the current one; nothing of it stays imported."""
    folder = tmp_path / "bench"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for variable in ("NEXUS_STORE", "NEXUS_APP", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    before = set(sys.modules)
    with ExitStack() as stack:
        yield Bench(folder, stack)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    structlog.reset_defaults()


@pytest.fixture
def nexus() -> Command:
    """Types a command."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
