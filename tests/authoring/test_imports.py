"""Importing the package is cheap: functions start cold."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("asyncio", "cloudpickle", "structlog", "pydantic", "rich", "sqlite3", "msgpack", "logging", "typer")

STATEMENTS = [
    "import nexus_sdk",
    "from nexus_sdk import workflow, activity, Context, Retry",
    "import nexus_sdk.core.execution, nexus_sdk.core.turn, nexus_sdk.core.projection, nexus_sdk.authoring.registry",
    # A definition can be made, too, without loading anything.
    "from nexus_sdk import activity, workflow\n"
    "@activity(timeout='1s')\nasync def work(item: int) -> int: ...\n"
    "@workflow\nasync def flow(ctx, item: int):\n    yield work(item)\n",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_importing_loads_nothing_that_is_not_needed_yet(statement: str) -> None:
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_every_public_name_can_be_had() -> None:
    run = subprocess.run([sys.executable, "-c", "from nexus_sdk import *"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
