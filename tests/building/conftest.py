"""Projects to build: a folder of files, and the program in one of its modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nexus_sdk.building.program import Program, program_in
from nexus_sdk.building.target import Target

APP = """
from nexus_sdk import Context, Nexus, activity, workflow

@activity
async def charge(order: str) -> str:
    return f"receipt for {order}"

@workflow
async def fulfil(ctx: Context, order: str) -> str:
    return await charge(order)

app = Nexus(workflows=[fulfil], activities=[charge])
"""

MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeProgram]:
    """Writes files and gives the program in `module`; nothing of it stays imported."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def make(files: Mapping[str, str | bytes] | None = None, module: str = "app") -> Program:
        for name, text in {"app.py": APP, **(files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        importlib.invalidate_caches()
        found = importlib.import_module(module)
        return program_in(found, found.app)

    yield make
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def target() -> Target:
    """Where code runs that is built here."""
    return Target(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        machine="x86_64",
        wheels=("manylinux_2_34_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
        provided=frozenset({"boto3", "botocore"}),
        extras_left_out=frozenset({"cli"}),
        packages=("nexus_aws",),
        left_out=frozenset({"nexus_sdk.cli", "nexus_sdk.testing"}),
        root="/var/task",
        packed_bytes_max=250_000_000,
        unpacked_bytes_max=250_000_000,
    )
