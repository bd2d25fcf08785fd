"""Iteration over sets: the order of text in a set differs from process to process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nexus_sdk.lint import names
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code, brief
from nexus_sdk.lint.resolver import SET


def iterated(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A loop over a set, or ``*set``."""
    match node:
        case ast.For(iter=used) | ast.AsyncFor(iter=used):
            pass
        case ast.comprehension(iter=used):
            if _is_orderless(code, code.parent(node)):
                return
        case ast.Starred(value=used, ctx=ast.Load()):
            if _is_orderless(code, node):
                return
        case _:
            return
    yield from _at(code, used)


def handed_over(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A set given to what keeps its order: ``list(names)``, ``ctx.map(fn, names)``; and ``names.pop()``."""
    if not isinstance(node, ast.Call):
        return
    function = node.func
    name = code.name_of(function)
    if name == "builtins.set().pop" and isinstance(function, ast.Attribute):
        yield code.found(node, "NXL107", replacement=f"min({brief(function.value)}), and discard it")
    is_join = isinstance(function, ast.Attribute) and function.attr == "join" and len(node.args) == 1
    is_list_extend = isinstance(function, ast.Attribute) and name == "builtins.list().extend"
    if name in names.TAKES_ORDER or is_join or is_list_extend or code.context_member(node) == "map":
        if not _is_orderless(code, node):
            for given in node.args:
                yield from _at(code, given)


def _at(code: Code, used: ast.expr) -> Iterator[Finding]:
    if code.resolve(used) == SET and not _has_only_numbers(used):
        yield code.found(used, "NXL107", replacement=f"sorted({brief(used)})")


def _has_only_numbers(node: ast.expr) -> bool:
    """Small literal sets of whole numbers have one order everywhere."""
    return isinstance(node, ast.Set) and all(
        isinstance(one, ast.Constant) and isinstance(one.value, int) for one in node.elts
    )


def _is_orderless(code: Code, node: ast.AST) -> bool:
    """Whether what is made here goes into something that ignores its order, and does nothing durable on the way."""
    if any(isinstance(inner, ast.Await | ast.Yield) or code.is_operation(inner) for inner in ast.walk(node)):
        return False
    if isinstance(node, ast.SetComp):
        return True
    parent = code.parent(node)
    return (
        isinstance(parent, ast.Set)
        or (isinstance(parent, ast.Compare) and parent.left is not node)
        or (isinstance(parent, ast.Call) and code.name_of(parent.func) in names.IGNORES_ORDER)
    )
