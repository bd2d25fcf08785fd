"""What the stack's function calls: the program's app on the stack's table, without what workers elsewhere serve."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nexus_aws.deployed import deployed_handler
from nexus_sdk import Nexus
from nexus_sdk.errors import DefinitionError

PROGRAM = """
from nexus_sdk import Context, HistoryLimits, Nexus, activity, workflow

@activity
async def charge(): ...

@activity(task_queue="heavy")
async def render(): ...

@workflow
async def fulfil(ctx: Context): ...

limits = HistoryLimits(events_warn=5, events_max=20)
app = Nexus("sqlite:///mine.db", workflows=[fulfil], activities=[charge, render], history_limits=limits)
"""

STORE = "dynamodb://orders-prod?region=us-east-1&bucket=orders-payloads"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "deployed_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders-prod")
    monkeypatch.delitem(sys.modules, "deployed_program", raising=False)
    return "deployed_program"


def app_of(spec: str, *workers: str) -> Nexus:
    return deployed_handler(spec, STORE, frozenset(workers))._app


def test_the_program_lives_on_the_stacks_table_whatever_it_says(module: str) -> None:
    app = app_of(f"{module}:app")
    assert app.store._rows._table == "orders-prod"  # type: ignore[attr-defined]
    assert set(app.registry.activities) == {"charge", "render"}
    assert app.history_limits.events_max == 20


def test_a_queue_of_workers_is_not_served_here(module: str) -> None:
    app = app_of(f"{module}:app", "heavy")
    assert set(app.registry.activities) == {"charge"}
    assert app.registry.task_queues == {"default"}


def test_a_module_without_an_app_is_served_as_a_whole(module: str) -> None:
    assert set(app_of(module).registry.activities) == {"charge", "render"}


def test_an_app_that_is_not_there_is_told(module: str) -> None:
    with pytest.raises(DefinitionError, match="has no app 'other'"):
        app_of(f"{module}:other")
