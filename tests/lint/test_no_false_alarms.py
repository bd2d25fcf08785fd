"""Nothing is said about the samples, the documentation's code, and the shapes that the scenarios use."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus_sdk.lint import lint
from tests.docs.pages import ROOT, Page, all_pages

SAMPLES = sorted(path.parent for path in ROOT.glob("samples/*/*.py"))
WRONG_ON_PURPOSE = {"docs/reference/lint.md"}
PAGES = [
    page
    for page in all_pages()
    if any(block.kind == "python" for block in page.blocks()) and page.name not in WRONG_ON_PURPOSE
]


@pytest.mark.parametrize("sample", sorted({path.name for path in SAMPLES}))
def test_samples(sample: str) -> None:
    report = lint([str(ROOT / "samples" / sample)])
    assert list(report.findings) == []
    assert report.workflows


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_documentations_code(page: Page, folder: Path) -> None:
    (folder / "page.py").write_text(code_of(page), encoding="utf-8")
    assert list(lint(["page.py"]).findings) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/scenarios/*.py")), ids=lambda path: path.name)
def test_the_scenarios(path: Path) -> None:
    assert list(lint([str(path)]).findings) == []


def test_a_long_module_with_nothing_wrong() -> None:
    report = lint([str(Path(__file__).parent / "data" / "fine.py")])
    assert list(report.findings) == []
    assert list(report.workflows) == ["orders", "co"]


def test_the_documentations_workflows_are_seen(folder: Path) -> None:
    for number, page in enumerate(PAGES):
        (folder / f"page_{number}.py").write_text(code_of(page), encoding="utf-8")
    assert len(lint(["."]).workflows) > 10


def code_of(page: Page) -> str:
    """The page's code at its own lines, as one module."""
    lines = [""] * page.text.count("\n")
    for block in page.blocks():
        if block.kind == "python":
            text = block.text.splitlines()
            lines[block.line - 1 : block.line - 1 + len(text)] = text
    return "\n".join(lines) + "\n"
