"""What outlives the run: globals, and objects that are made outside of the workflow."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nexus_sdk.lint import names
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code, brief
from nexus_sdk.lint.values import Named

_ENVIRONMENT = "os.environ"


def written(code: Code, node: ast.AST) -> Iterator[Finding]:
    """An assignment to a global, or into an object from outside."""
    for target in _targets(node):
        root = _root(target)
        if root is None or not code.is_outside(root):
            continue
        if isinstance(target, ast.Name):
            yield code.found(target, "NXL501", target.id)
        elif code.name_of(target.value) != _ENVIRONMENT:  # that is told as a look at the environment
            yield code.found(target, "NXL502", brief(target))


def mutating_call(code: Code, node: ast.AST) -> Iterator[Finding]:
    """``seen.append(x)``, where `seen` was made outside."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    value, method = code.resolve(node.func.value), node.func.attr
    root = _root(node.func)
    if root is None or not isinstance(value, Named) or method not in names.MUTATORS.get(value.name, ()):
        return
    if code.is_outside(root):
        yield code.found(node, "NXL502", f"{brief(node.func)}(…)")


def rewritten_global(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A look at a global that some function rewrites."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and _is_rewritten(code, node.id):
        if code.is_outside(node):
            yield code.found(node, "NXL503", node.id)


def _targets(node: ast.AST) -> Iterator[ast.Name | ast.Attribute | ast.Subscript]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            waiting = list(targets)
        case ast.AugAssign(target=target):
            waiting = [target]
        case ast.AnnAssign(target=target, value=ast.expr()):
            waiting = [target]
        case _:
            return
    while waiting:
        match waiting.pop(0):
            case ast.Tuple(elts=inner) | ast.List(elts=inner):
                waiting = [*inner, *waiting]
            case ast.Starred(value=starred):
                waiting.insert(0, starred)
            case ast.Name() | ast.Attribute() | ast.Subscript() as target:
                yield target


def _root(target: ast.expr) -> ast.Name | None:
    """The name at the bottom of ``name.a[0].b``; None where a call stands in between."""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target if isinstance(target, ast.Name) else None


def _is_rewritten(code: Code, name: str) -> bool:
    """Whether a function that is no workflow code declares the name global, and assigns it."""
    top = code.source.top
    if len(top.bindings.get(name, ())) < 2:
        return False
    inside = code.source.scopes.inside.values()
    return any(scope.borrowed.get(name) is top and scope.node not in code.inside for scope in inside)
