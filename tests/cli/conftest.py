"""A folder to type commands in, with a module of workflows; and the commands, called in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from nexus_sdk.cli.app import app

ORDERS = """
from nexus_sdk import Context, Retry, activity, workflow

@activity(retry=Retry(max_attempts=1))
def charge(amount: float) -> dict:
    if amount > 100:
        raise ValueError(f"no money for {amount}")
    return {"charged": amount}

@workflow
async def fulfil(ctx: Context, order: str, amount: float = 5.0):
    receipt = yield charge(amount)
    yield ctx.complete({"order": order, **receipt})

@workflow
async def one(ctx: Context, order: dict):
    yield ctx.complete(order)

@workflow
async def approval(ctx: Context):
    ctx.on_query("asked", lambda suffix="": "the boss" + suffix)
    ctx.set_status({"waiting for": "the boss"})
    answer = yield ctx.wait_for_event("approved", bool)
    yield ctx.complete(answer)

@workflow
async def foreign(ctx: Context):
    import asyncio
    await asyncio.sleep(1)
"""

Nexus = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, which is the current one, with `orders.py`; nothing of it stays imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for variable in ("NEXUS_STORE", "NEXUS_APP", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "orders.py").write_text(ORDERS)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    structlog.reset_defaults()


@pytest.fixture
def nexus() -> Nexus:
    """Types a command."""
    runner = CliRunner()

    def typed(*words: str, input: str | None = None) -> Result:
        result = runner.invoke(app, list(words), input=input, catch_exceptions=False)
        assert "nexus_sdk/" not in result.output, result.output  # no traceback of ours
        return result

    return typed
