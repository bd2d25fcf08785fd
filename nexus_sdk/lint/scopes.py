"""What each name of a file is bound to, scope by scope. The one rule: bindings are collected, not judged."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Imported:
    """By an import, to this qualified name."""

    name: str


@dataclass(frozen=True, slots=True)
class Defined:
    """By a `def` or `class`."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Assigned:
    """By an assignment, or `with … as`, to what this gives."""

    value: ast.expr


@dataclass(frozen=True, slots=True)
class Annotated:
    """By an annotated assignment."""

    annotation: ast.expr
    value: ast.expr | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """As a parameter."""

    function: FunctionNode
    argument: ast.arg


@dataclass(frozen=True, slots=True)
class Opaque:
    """In a way that says nothing about the value."""


Binding = Imported | Defined | Assigned | Annotated | Parameter | Opaque


@dataclass(eq=False, slots=True)
class Scope:
    """The names that one module, class, function or comprehension binds.

    Attributes:
        borrowed: names declared `global` or `nonlocal` here.
        stars: modules of which everything is imported.
    """

    node: ast.AST
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    borrowed: dict[str, Scope | None] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def is_class(self) -> bool:
        """Whether functions inside do not see its names."""
        return isinstance(self.node, ast.ClassDef)

    def home_of(self, name: str) -> Scope | None:
        """The scope whose binding the name means when it is used here; None for a builtin, or an unknown name."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.borrowed:
                return scope.borrowed[name] or (scope.parent and scope.parent.home_of(name))
            if name in scope.bindings and (scope is self or not scope.is_class):
                return scope
            scope = scope.parent
        return None


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scope of each node, and the node around each node, of one file."""

    at: dict[ast.AST, Scope]
    parents: dict[ast.AST, ast.AST]


def scopes_of(tree: ast.Module, package: str) -> Scopes:
    """Collect the bindings of a file. `package`: what relative imports start from."""
    top = Scope(tree, None)
    at: dict[ast.AST, Scope] = {tree: top}
    parents: dict[ast.AST, ast.AST] = {}
    waiting: list[tuple[ast.AST, Scope]] = [(child, top) for child in reversed(list(ast.iter_child_nodes(tree)))]
    for child, _ in waiting:
        parents[child] = tree
    while waiting:
        node, scope = waiting.pop()
        if isinstance(node, ast.expr_context | ast.operator | ast.boolop | ast.cmpop | ast.unaryop):
            continue  # shared by all that use them
        _bind(node, scope, top, package)
        inner = _opened_by(node, scope)
        # A scope is entered at its node; what is evaluated outside of it is told apart by `_outside`.
        at[node] = scope if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else inner or scope
        outside = set(map(id, _outside(node))) if inner else set()
        for child in reversed(list(ast.iter_child_nodes(node))):
            parents[child] = node
            waiting.append((child, scope if inner is None or id(child) in outside else inner))
        if inner is not None:
            _bind_parameters(node, inner)
            at.setdefault(node, inner)
            _INNER[node] = inner if False else inner
    return Scopes(at, parents)
