"""The table of commands, the help, and what is said of words that make no sense."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.cli.app import COMMANDS

Nexus = Any


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_docstring_says(name: str) -> None:
    module, _, function = COMMANDS[name].place.partition(":")
    command = getattr(import_module(f"nexus_sdk.cli.commands.{module}"), function)
    assert command.__doc__.partition(".")[0] + "." == COMMANDS[name].summary


def test_help_and_version_load_nothing_that_runs_workflows() -> None:
    code = (
        "import sys\nfrom nexus_sdk.cli import main\nsys.argv = ['nexus', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*{'asyncio', 'sqlite3', 'pydantic', 'structlog', 'nexus_sdk.app'} & set(sys.modules))"
    )
    for word in ("--version", "--help"):
        command = [sys.executable, "-c", code, word]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        assert said.stdout.splitlines()[-1] == "", word


def test_the_help_lists_every_command(nexus: Nexus) -> None:
    said = nexus("--help").stdout
    for name, entry in COMMANDS.items():
        assert f"  {name} " in said
        assert entry.summary.split()[0] in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lits"], "Did you mean 'list'"),
        (["list", "--staus", "failed"], "--status"),
        (["show"], "Missing argument 'ID'"),
        (["show", "a", "b"], "unexpected extra argument"),
        (["show", "-x"], "nexus show -- -x"),
        (["--nonsense"], "nexus --help"),
    ],
)
def test_words_that_make_no_sense(nexus: Nexus, words: list[str], said: str) -> None:
    refused = nexus(*words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_nothing_typed_is_helped(nexus: Nexus) -> None:
    assert "Commands:" in nexus().output


def test_an_id_may_begin_with_a_dash(nexus: Nexus) -> None:
    failed = nexus("run", "orders:fulfil", "--input", '["x", 500]', "--id=-x")
    assert "nexus rewind -- -x" in failed.stderr
    assert nexus("rewind", "--", "-x").exit_code == 0
    assert "nexus history --events -- -x" in nexus("history", "--", "-x").stderr
