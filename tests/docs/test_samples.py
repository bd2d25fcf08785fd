"""The table of samples is that of the folders, and what it says of each is so."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page

SAMPLES = ROOT / "samples"
INDEX = Page(SAMPLES / "README.md")
FOLDERS = sorted(path.parent for path in SAMPLES.glob("*/README.md"))
NAMES = [folder.name for folder in FOLDERS]

ROW = re.compile(r"^\| \[(\w+)\]\((\S+)\) \| (?P<idea>.+) \| (?P<lines>\d+) \| (?P<uses>.+) \|$", re.M)


def modules_of(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if not path.name.startswith("test_")]


def test_every_folder_is_a_sample_and_in_the_table() -> None:
    with_code = sorted({path.parent.name for path in SAMPLES.glob("*/*.py")})
    assert with_code == NAMES == sorted(found[1] for found in ROW.finditer(INDEX.text))


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_a_sample_has_a_module_a_test_and_a_page(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {f"{folder.name}.py", f"test_{folder.name}.py", "README.md"} <= names
    page = Page(folder / "README.md").text
    assert page.startswith(f"# {folder.name}\n")
    assert f"nexus run {folder.name}:" in page or f"nexus start {folder.name}:" in page


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_what_the_table_says_of_a_sample_is_so(folder: Path) -> None:
    row = next(found for found in ROW.finditer(INDEX.text) if found[1] == folder.name)
    text = "".join(path.read_text(encoding="utf-8") for path in modules_of(folder))
    assert row[2] == f"{folder.name}/README.md"
    assert int(row["lines"]) == len(text.splitlines())
    unused = [name for name in re.findall(r"`([\w.]+)`", row["uses"]) if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert not unused


def test_the_reading_order_of_the_pages_is_that_of_the_table() -> None:
    """Each page names the next one."""
    first, *order, last = (found[1] for found in ROW.finditer(INDEX.text))
    assert (first, last) == ("hello", "archive_tree")
    for name, following in pairwise(order):
        assert f"next: [{following}](../{following}/README.md)" in Page(SAMPLES / name / "README.md").text
