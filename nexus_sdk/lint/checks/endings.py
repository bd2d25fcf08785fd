"""How workflows end: what is swallowed, left early, never run, or never ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code, brief
from nexus_sdk.lint.resolver import is_decorated
from nexus_sdk.lint.values import Function

_EVERYTHING = frozenset({"builtins.BaseException", "builtins.GeneratorExit"})
_DURABLE = (ast.Yield, ast.Await, ast.AsyncWith, ast.AsyncFor)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def swallowed(code: Code, node: ast.AST) -> Iterator[Finding]:
    """`except BaseException` or a bare `except` around durable work, without a `raise`."""
    if not isinstance(node, ast.ExceptHandler):
        return
    kinds = _kinds(code, node)
    if node.type is not None and not _EVERYTHING.intersection(kinds):
        return
    around = code.parent(node)
    body = around.body if isinstance(around, ast.Try | ast.TryStar) else []
    if _is_durable(body) and not any(isinstance(inner, ast.Raise) for inner in _own(node.body)):
        subject = "a bare except" if node.type is None else f"except {brief(node.type)}"
        yield code.found(node.type or node, "NXL601", subject)


def suppressed(code: Code, node: ast.AST) -> Iterator[Finding]:
    """``with suppress(BaseException)`` around durable work."""
    if not isinstance(node, ast.With) or not _is_durable(node.body):
        return
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and code.name_of(call.func) == "contextlib.suppress":
            if any(code.name_of(kind) in _EVERYTHING for kind in call.args):
                yield code.found(call, "NXL601")


def foreign_cancelled(code: Code, node: ast.AST) -> Iterator[Finding]:
    """`except asyncio.CancelledError`."""
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        if "asyncio.CancelledError" in _kinds(code, node):
            yield code.found(node.type, "NXL303", f"except {brief(node.type)}")


def left_early(code: Code, node: ast.AST) -> Iterator[Finding]:
    """`return`, `break` or `continue` in a `finally` around durable work."""
    if not isinstance(node, ast.Try | ast.TryStar) or not _is_durable(node.body):
        return
    for inner in _own(node.finalbody):
        if isinstance(inner, ast.Return) or (
            isinstance(inner, ast.Break | ast.Continue) and _leaves(code, inner, node)
        ):
            yield code.found(inner, "NXL602", f"{brief(inner)} in finally")


def may_not_run(code: Code, node: ast.AST) -> Iterator[Finding]:
    """Durable work in the `finally` of an async generator that a workflow iterates."""
    if not isinstance(node, ast.Try | ast.TryStar) or code.is_workflow or not (code.is_async and code.is_generator):
        return
    if is_decorated(code.function, "asynccontextmanager"):
        return  # `async with` runs it to its end
    for inner in _own(node.finalbody):
        if isinstance(inner, ast.Await):
            yield code.found(inner, "NXL604", f"{brief(inner)} in finally")


def endless_loop(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A loop of a workflow's body that nothing ends."""
    if not code.is_workflow or not isinstance(node, ast.While | ast.For) or not _is_endless(code, node):
        return
    if any(_ends(code, inner, node) for inner in _own(node.body)):
        return
    for around, leads in code.around(node):
        if isinstance(around, ast.Try | ast.TryStar) and around.handlers and leads in around.body:
            return  # it is meant to be left by an exception
        if isinstance(around, ast.AsyncWith) and any(
            code.context_member(i.context_expr) == "timeout" for i in around.items
        ):
            return
    what = f"while {brief(node.test)}" if isinstance(node, ast.While) else f"for … in {brief(node.iter)}"
    if _is_durable(node.body):
        yield code.found(node, "NXL603", what)
    else:
        reason = "it never ends and never yields: the watchdog stops it, and the instance is blocked"
        yield code.found(node, "NXL603", what, reason=reason, replacement="a loop that ends")


# --- leaves -----------------------------------------------------------------------------------------------------------


def _kinds(code: Code, node: ast.ExceptHandler) -> set[str]:
    """The names of what a handler catches."""
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return {code.name_of(kind) for kind in kinds if kind is not None}


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a block, without functions and classes in it."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting = [*ast.iter_child_nodes(node), *waiting]


def _is_durable(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, _DURABLE) for node in _own(body))


def _leaves(code: Code, node: ast.AST, scope: ast.AST) -> bool:
    """Whether a `break` or `continue` belongs to a loop around `scope`."""
    for around, _ in code.around(node):
        if around is scope:
            return True
        if isinstance(around, _LOOPS):
            return False
    return False


def _is_endless(code: Code, node: ast.While | ast.For) -> bool:
    if isinstance(node, ast.While):
        return isinstance(node.test, ast.Constant) and bool(node.test.value)
    return isinstance(node.iter, ast.Call) and code.name_of(node.iter.func) == "itertools.count"


def _ends(code: Code, node: ast.AST, loop: ast.AST) -> bool:
    """Whether the node leaves the loop, or the run."""
    if isinstance(node, ast.Break):
        return not any(isinstance(around, _LOOPS) and around is not loop for around, _ in _up_to(code, node, loop))
    if isinstance(node, ast.Call):
        called = code.resolve(node.func)
        if isinstance(called, Function):  # a helper may end the run
            helper = Code(called, code.workflow, code.resolver, code.inside)
            return any(_ends_run(helper, inner) for inner in helper.nodes)
        return _ends_run(code, node)
    return isinstance(node, ast.Return | ast.Raise)


def _ends_run(code: Code, node: ast.AST) -> bool:
    """Whether it is `ctx.complete` or `ctx.continue_as_new`, called anywhere."""
    return isinstance(node, ast.Call) and code.context_member(node) in ("complete", "continue_as_new")


def _up_to(code: Code, node: ast.AST, end: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for around, leads in code.around(node):
        if around is end:
            return
        yield around, leads
