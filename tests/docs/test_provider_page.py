"""The page for authors of stores is enough: its program, typed into two files, passes the suite as it is told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nexus_sdk.testing.provider_suite import ProviderSuite
from tests.docs.pages import ROOT, Page, commands_of, rows_of

PAGE = Page(ROOT / "docs" / "how-to" / "write-a-provider.md")


@pytest.mark.timeout(300)
def test_the_program_of_the_page_passes_the_laws_of_the_suite(tmp_path: Path) -> None:
    for block in PAGE.blocks():
        name = block.text.partition("\n")[0].removeprefix("# ")
        if block.kind == "python" and name.endswith(".py"):
            (tmp_path / name).write_text(block.text, encoding="utf-8")
    typed = [
        command.text.split() for block in PAGE.blocks() if block.kind == "console" for command in commands_of(block)
    ]
    (run, *_) = [words for words in typed if words[0] == "pytest"]
    command = [sys.executable, "-m", *run, "-q", "-p", "no:cacheprovider", "-k", "not shape", "-W", "error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_page_lists_all_themes_of_the_suite() -> None:
    listed = {name.strip(" `") for row in rows_of(PAGE) if "Laws`" in row[0] for name in row[0].split(",")}
    assert listed == {base.__name__ for base in ProviderSuite.__mro__ if base.__name__.endswith("Laws")}
