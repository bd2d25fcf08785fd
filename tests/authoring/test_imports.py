"""Importing the package is cheap: functions start cold."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from nexus_sdk.core import operations

OUTER = ("asyncio", "cloudpickle", "logging", "msgpack", "pydantic", "rich", "socket", "sqlite3", "structlog", "typer")
"""Modules that only the outer layers need: event loops, files, third parties."""

HEAVY = (
    *OUTER,
    "difflib",
    "hashlib",
    "json",
    "platform",
    "random",
    "ssl",
    "sysconfig",
    "tempfile",
    "threading",
    "typing_extensions",
    "uuid",
)
"""Modules that a process with definitions alone has no use for."""

MACHINERY = (
    "nexus_sdk.client",
    "nexus_sdk.codec",
    "nexus_sdk.core.events",
    "nexus_sdk.core.execution",
    "nexus_sdk.core.failure",
    "nexus_sdk.core.fiber",
    "nexus_sdk.core.history",
    "nexus_sdk.core.ledger",
    "nexus_sdk.core.operations.activity",
    "nexus_sdk.core.operations.child",
    "nexus_sdk.core.saga",
    "nexus_sdk.engine",
    "nexus_sdk.store",
)
"""Modules of ours that run workflows: dozens of events and records, whose classes take long to make."""

# With decorators, options and annotations, as a module of definitions has them.
DEFINITIONS = """
from nexus_sdk import Completes, Context, Retry, activity, workflow

@activity
async def refund(receipt: str) -> None: ...

@activity(timeout="1s", retry=Retry(max_attempts=5, initial="1s"), compensate=refund)
async def charge(order: int) -> str: ...

@workflow
async def fulfil(ctx: Context, order: int) -> Completes[str]:
    yield ctx.complete((yield charge(order)))
"""

MODULES_MAX = 80
"""More than a bare interpreter has: some 70 today, of which a third are ours."""


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter loads for it."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("statement", ["import nexus_sdk", DEFINITIONS], ids=["import", "definitions"])
def test_defining_loads_nothing_that_is_needed_to_run(statement: str) -> None:
    loaded = loaded_by(statement)
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))
    machinery = {name for name in loaded if name.startswith(MACHINERY)}
    assert not machinery, sorted(machinery)


def test_a_module_of_definitions_loads_few_modules() -> None:
    assert len(loaded_by(DEFINITIONS)) <= MODULES_MAX


def test_the_core_loads_nothing_of_the_outer_layers() -> None:
    modules = ("core.execution", "core.turn", "core.projection", "authoring.registry")
    loaded = loaded_by("import " + ", ".join(f"nexus_sdk.{name}" for name in modules))
    assert loaded.isdisjoint(OUTER), sorted(loaded & set(OUTER))


@pytest.mark.parametrize("package", ["nexus_sdk", "nexus_sdk.core.operations"])
def test_a_name_that_a_package_does_not_have_is_refused_as_ever(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing


def test_the_operations_are_where_their_package_says() -> None:
    for name, home in operations._HOME_OF.items():
        assert getattr(operations, name) is getattr(importlib.import_module(home), name)


def test_every_public_name_can_be_had() -> None:
    run = subprocess.run([sys.executable, "-c", "from nexus_sdk import *"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
