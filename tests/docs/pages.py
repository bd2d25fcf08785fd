"""The pages of the documentation, taken apart: fenced blocks, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)
DIRECTIVE = re.compile(r"^::: (\S+)$", re.M)
"""Where the site puts a docstring; its anchor is the name."""

KINDS = frozenset({"python", "console", "text", ""})
"""Fences that pages may use. Only `python` and `console` are run; the others are for reading."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line`: where its text begins on the page."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed after ``$``, and the lines that the page shows below it."""

    text: str
    shown: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """One markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """Its text."""
        return self.path.read_text(encoding="utf-8")

    def blocks(self) -> list[Block]:
        """Its fenced blocks, in order."""
        text = self.text
        return [
            Block(found["kind"].strip(), found["text"], text.count("\n", 0, found.start("text")) + 1)
            for found in FENCE.finditer(text)
        ]

    def prose(self) -> str:
        """Its text without the blocks."""
        return FENCE.sub("", self.text)

    def anchors(self) -> set[str]:
        """What a link to one of its headings or names may say after ``#``."""
        prose = self.prose()
        return {_anchor(heading) for heading in HEADING.findall(prose)} | set(DIRECTIVE.findall(prose))

    def links(self) -> list[str]:
        """The targets of its links."""
        return LINK.findall(self.prose())


def all_pages() -> list[Page]:
    """Every page for readers: those of `docs`, those of the samples, and those at the root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*.md"), *ROOT.glob("samples/*/*.md")]
    return [Page(path) for path in sorted(found)]


def commands_of(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    typed, shown, line = "", [], block.line
    for number, text in enumerate(block.text.splitlines(), block.line):
        if text.startswith("$ "):
            if typed:
                yield Command(typed, tuple(shown), line)
            typed, shown, line = text[2:], [], number
        else:
            assert typed, f"line {number}: output without a command"
            shown.append(text)
    if typed:
        yield Command(typed, tuple(shown), line)


def rows_of(page: Page) -> list[list[str]]:
    """The cells of the page's table rows."""
    lines = [line for line in page.prose().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _anchor(heading: str) -> str:
    plain = re.sub(r"[`*]", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
