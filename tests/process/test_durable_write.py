"""One durable write per step: a sequential workflow of queued activities on SQLite in one process, counted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nexus_sdk
from nexus_sdk.store.sqlite import SqliteStore
from tests.process import sequential

CONSTANT = 5
"""Writes that do not grow with the steps: joining, the start, the first turn, leaving."""

PAGES_PER_CHECKPOINT = 1_000
PAGES_PER_COMMIT = 30
"""Generous: a commit of one step touches fewer. Each checkpoint of SQLite's log costs two more fsyncs."""


async def transactions_of(path: Path, count: int) -> int:
    app = sequential.app_on(str(path))
    store = app.store
    assert isinstance(store, SqliteStore)
    assert await app.run_async(sequential.steps, count) == sum(range(count))
    return store.transactions


async def test_a_step_is_one_transaction(tmp_path: Path) -> None:
    few, many = await transactions_of(tmp_path / "few.db", 50), await transactions_of(tmp_path / "many.db", 250)
    assert many - few == 200
    assert 50 <= few <= 50 + CONSTANT


def fsyncs_of(strace: str, folder: Path, count: int) -> int:
    trace = folder / f"{count}.trace"
    program = [sys.executable, str(Path(sequential.__file__)), str(folder / f"{count}.db"), str(count)]
    environment = {**os.environ, "PYTHONPATH": str(Path(nexus_sdk.__file__).parent.parent)}
    command = [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), *program]
    subprocess.run(command, env=environment, check=True, timeout=100)
    return len(re.findall(r"\b(?:fsync|fdatasync)\(", trace.read_text()))


def test_a_step_is_one_fsync(tmp_path: Path, strace: str) -> None:
    few, many = fsyncs_of(strace, tmp_path, 50), fsyncs_of(strace, tmp_path, 250)
    checkpoints = 2 * -(-200 * PAGES_PER_COMMIT // PAGES_PER_CHECKPOINT)
    assert 200 <= many - few <= 200 + checkpoints
    assert few >= 50
