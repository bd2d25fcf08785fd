"""What an expression stands for, as far as reading can tell."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nexus_sdk.lint.scopes import FunctionNode

if TYPE_CHECKING:
    from nexus_sdk.lint.source import Source


@dataclass(frozen=True, slots=True)
class Named:
    """Something that is not among the files: a qualified name, e.g. ``datetime.datetime.now`` or ``pathlib.Path()``."""

    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """One of the files."""

    source: Source


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda in one of the files."""

    source: Source
    node: FunctionNode

    @property
    def name(self) -> str:
        """Its name; ``lambda`` for one without."""
        return "lambda" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(frozen=True, slots=True)
class Member:
    """An attribute of a function: ``charge.fn``, ``charge.options``."""

    function: Function
    name: str


@dataclass(frozen=True, slots=True)
class Class:
    """A class in one of the files."""

    source: Source
    node: ast.ClassDef


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class in one of the files."""

    cls: Class


Value = Named | Module | Function | Member | Class | Instance
