"""What the pages say agrees with the code, and leads somewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer.main

from nexus_sdk.cli.app import app as command_line
from nexus_sdk.core import events as e
from tests.docs.pages import ROOT, Page, all_pages, rows_of

PAGES = all_pages()
NAMES = [page.name for page in PAGES]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), f"{page.name}: {link} leads nowhere"
        if anchor:
            assert anchor in Page(path).anchors(), f"{page.name}: {path.name} has no heading for #{anchor}"


def test_every_page_can_be_found() -> None:
    """From the README or the table of contents, by links."""
    found, new = set(), [ROOT / "README.md"]
    while new:
        path = new.pop()
        if path in found or path.suffix != ".md" or not path.is_file():
            continue
        found.add(path)
        new += [(path.parent / link.partition("#")[0]).resolve() for link in Page(path).links() if "://" not in link]
    lost = {page.name for page in PAGES} - {path.relative_to(ROOT).as_posix() for path in found}
    assert lost <= {"docs/decisions/template.md"}


def test_the_site_has_every_page() -> None:
    named = set(re.findall(r"^ +- (?:[^:\n]+: )?([\w./-]+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    pages = {page.name.removeprefix("docs/") for page in PAGES if DOCS in page.path.parents}
    listed_elsewhere = {name for name in pages if re.match(r"decisions/(\d|template)", name)}
    assert pages - listed_elsewhere == named, "name each page in the nav of mkdocs.yml"


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_kinds_of_events_are_all_there() -> None:
    listed = {int(row[0]): row for row in rows_of(Page(DOCS / "concepts" / "history.md")) if row[0].isdigit()}
    assert listed.keys() == e.KINDS.keys()
    assert list(listed) == sorted(listed)
    for number, (_, name, side, _) in listed.items():
        kind = e.KINDS[number]
        assert name == f"`{kind.__name__}`"
        assert side.startswith("input" if kind.is_input else "output")
        assert ("ends the run" in side) == kind.is_terminal
        assert ("ignorable" in side) == kind.is_ignorable


def test_the_commands_are_all_there() -> None:
    group: Any = typer.main.get_command(command_line)
    page = Page(DOCS / "reference" / "cli.md")
    sections = re.split(r"^### `nexus (\w+)[^\n]*$", page.prose(), flags=re.MULTILINE)
    described = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(described) == list(group.commands)
    everywhere = set(re.findall(r"`(--[a-z-]+)", sections[0]))
    for name, command in group.commands.items():
        leaves = list(command.commands.values()) if hasattr(command, "commands") else [command]
        parameters = [parameter for leaf in leaves for parameter in leaf.params]
        options = {opt for parameter in parameters for opt in parameter.opts if opt.startswith("--")}
        said = set(re.findall(r"`(--[a-z-]+)", described[name]))
        assert options - everywhere <= said, f"nexus {name}: {options - everywhere - said} is not described"
        assert said <= options, f"nexus {name} has no {said - options}"


def test_the_decisions_are_all_listed() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    for path in sorted((DOCS / "decisions").glob("0*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0]
        number, _, choice = title.removeprefix("# ").partition(": ")
        assert path.name.startswith(number)
        assert f"| {number} | [{choice}]({path.name}) |" in index
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Choice", "Consequences", "What would change our mind"]
