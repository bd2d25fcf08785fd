"""A Python file, read: its text, tree, names and comments. The one rule: a file that cannot be read is `Unreadable`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nexus_sdk.lint.scopes import Scope, Scopes, scopes_of

_LINE_END = re.compile(r"\r\n|\r|\n")


class Unreadable(Exception):
    """The file cannot be read as Python.

    Attributes:
        line, column: where, from 1 on.
    """

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.line = max(line, 1)
        self.column = max(column, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a file: lines and columns from 1 on, in characters, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, eq=False)
class Source:
    """One file.

    Attributes:
        shown: its path as people see it.
        module: its dotted name, as far as packages reach.
        root: the folder that its top package, or the file itself, lies in.
        is_given: whether it is linted, and not only looked into.
    """

    path: Path
    shown: str
    module: str
    root: Path
    text: str
    tree: ast.Module
    is_given: bool

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return _LINE_END.split(self.text)

    @cached_property
    def scopes(self) -> Scopes:
        """What its names are bound to, and where."""
        return scopes_of(self.tree, self.package)

    @property
    def top(self) -> Scope:
        """The names of the module itself."""
        return self.scopes.at[self.tree]

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        if self.path.name == "__init__.py":
            return self.module
        return self.module.rpartition(".")[0]

    def span(self, node: ast.AST) -> Span:
        """Where a node stands; of a statement with a block only its first line."""
        line = getattr(node, "lineno", 1)
        column = self._characters(line, getattr(node, "col_offset", 0))
        if isinstance(getattr(node, "body", None), list):
            return Span(line, column, line, len(self.line(line)) + 1)
        end = getattr(node, "end_lineno", None) or line
        return Span(line, column, end, self._characters(end, getattr(node, "end_col_offset", None) or 0))

    def line(self, number: int) -> str:
        """The text of a line; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def comments(self) -> Iterator[tuple[int, int, str]]:
        """Line, column and text of each comment."""
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT:
                    yield token.start[0], token.start[1] + 1, token.string
        except (tokenize.TokenError, SyntaxError):  # the parser took it; so the comments before this are all
            return

    def _characters(self, line: int, offset: int) -> int:
        """The column of a byte offset."""
        return len(self.line(line).encode("utf-8", "replace")[:offset].decode("utf-8", "replace")) + 1


def read_source(path: Path, shown: str, *, is_given: bool) -> Source:
    """Read and parse a file.

    Raises:
        Unreadable: it is no text, or not Python of this version.
    """
    try:
        data = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding).removeprefix("\ufeff")
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be opened") from None
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"it is no text in the encoding it names: {error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(error.msg, error.lineno or 1, error.offset or 1) from None
    except ValueError as error:  # null bytes
        raise Unreadable(str(error)) from None
    except (RecursionError, MemoryError):
        raise Unreadable("it is nested too deeply") from None
    module, root = _name_of(path)
    return Source(path, shown, module, root, text, tree, is_given)


def _name_of(path: Path) -> tuple[str, Path]:
    """The module's dotted name, as far as there are packages around it, and the folder above."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder
