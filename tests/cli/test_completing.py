"""What TAB offers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Nexus = Any
PROJECT = Path(__file__).parents[2]


def offered(*words: str) -> list[str]:
    """What a shell is offered for the last word."""
    line = " ".join(["nexus", *words])
    asks = {"_NEXUS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    command = [sys.executable, "-c", "from nexus_sdk.cli import main; import sys; sys.argv[0] = 'nexus'; main()"]
    env = {**os.environ, **asks, "PYTHONPATH": str(PROJECT)}
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert said.stderr == ""
    return said.stdout.split()


def test_commands_options_and_statuses() -> None:
    assert offered("his") == ["history"]
    assert offered("list", "--cr") == ["--created-after"]
    assert offered("list", "--status", "co") == ["completed"]


def test_ids_of_a_store_that_is_there(nexus: Nexus) -> None:
    for name in ("order-1", "order-2", "other"):
        nexus("start", "orders:approval", "--id", name)
    assert offered("show", "ord") == ["order-2", "order-1"]


@pytest.mark.parametrize(
    "store", ["sqlite:///nothing.db", "sqlite:///empty.db", "sqlite:///orders.py", "postgresql://nowhere/x", "nonsense"]
)
def test_a_store_that_is_none_offers_nothing_and_stays_as_it_is(folder: Path, store: str) -> None:
    (folder / "empty.db").touch()
    before = {path: path.stat().st_size for path in folder.iterdir()}
    assert offered("show", "--store", store, "a") == []
    assert {path: path.stat().st_size for path in folder.iterdir()} == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_can_be_shown(shell: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    code = "from nexus_sdk.cli.app import app; app(prog_name='nexus')"
    command = [sys.executable, "-c", code, "--show-completion", shell]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "_NEXUS_COMPLETE" in said.stdout
