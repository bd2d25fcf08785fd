"""Operations: forgotten, yielded wrongly, or asked for where there are none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nexus_sdk.lint import names
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code, brief
from nexus_sdk.lint.values import Function, Member, Named

_NOT_OPERATIONS = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.Compare,
    ast.UnaryOp,
    ast.BinOp,
)


def forgotten(code: Code, node: ast.AST) -> Iterator[Finding]:
    """An operation, a scope or a helper's call as a statement: nobody yields, enters or awaits it."""
    if not isinstance(node, ast.Call) or not isinstance(code.parent(node), ast.Expr):
        return
    called, subject = code.resolve(node.func), _called(node)
    if code.is_operation(node):
        yield code.found(node, "NXL401", subject, replacement=_mended(code, node))
    elif code.context_member(node) in names.SCOPES:
        reason = "it does nothing outside of `async with`"
        yield code.found(node, "NXL401", subject, reason=reason, replacement=f"async with {brief(node)}: …")
    elif isinstance(called, Function) and _is_coroutine(code, called):
        reason = "a helper does nothing until it is awaited"
        yield code.found(node, "NXL401", subject, reason=reason, replacement=f"await {brief(node)}")


def looked_at(code: Code, node: ast.AST) -> Iterator[Finding]:
    """An operation where its result is meant: tested, computed with, subscripted, or given on as a value."""
    if (
        not isinstance(node, ast.Call)
        or not _is_looked_at(code, node, code.parent(node))
        or not code.is_operation(node)
    ):
        return
    reason = "this looks at the operation, not at its result"
    yield code.found(node, "NXL401", _called(node), reason=reason, replacement=f"({_mended(code, node)})")


def never_used(code: Code, node: ast.AST) -> Iterator[Finding]:
    """An operation that is kept in a variable which nobody reads."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(id=name) as target, value=ast.expr() as value):
            pass
        case _:
            return
    home = code.source.scopes.at[target].home_of(name)
    if not code.is_operation(value) or home is None or home.node is not code.node or _is_read(code, name):
        return
    reason = f"`{name}` is never used, and an operation does nothing until it is yielded or awaited"
    yield code.found(value, "NXL402", _called(value), reason=reason, replacement=_mended(code, value))


def illegal_yield(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A yield of what can be seen to be no operation."""
    if not isinstance(node, ast.Yield) or not code.is_workflow:
        return
    value = node.value
    if value is None:
        if not _is_unreachable(code, node):
            yield code.found(node, "NXL403", "a bare yield")
    elif isinstance(value, _NOT_OPERATIONS):
        has_operations = any(code.is_operation(inner) for inner in ast.walk(value))
        yield code.found(value, "NXL403", replacement="yield ctx.gather(…)" if has_operations else "")
    elif isinstance(value, ast.Call | ast.Attribute) and code.context_member(value) in names.AT_ONCE:
        reason = "it answers at once, and is no operation"
        yield code.found(value, "NXL403", reason=reason, replacement="the same without yield")
    elif isinstance(value, ast.Call) and code.context_member(value) in names.SCOPES:
        yield code.found(value, "NXL403", replacement=f"async with {brief(value)}: …")
    elif isinstance(value, ast.Call):
        called = code.resolve(value.func)
        if isinstance(called, Function) and _is_coroutine(code, called):
            yield code.found(value, "NXL403", replacement=f"await {brief(value)}")


def returned(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A value, or an operation that was not awaited, returned by a workflow."""
    if not isinstance(node, ast.Return) or node.value is None or not code.is_workflow or not code.is_async:
        return
    if code.is_generator:
        yield code.found(node, "NXL404", brief(node), replacement=f"yield ctx.complete({brief(node.value)})")
    elif code.is_operation(node.value):
        yield code.found(node.value, "NXL401", _called(node.value), replacement=f"return await {brief(node.value)}")


def raw_function(code: Code, node: ast.AST) -> Iterator[Finding]:
    """``charge.fn(order)``: the function behind a definition."""
    if not isinstance(node, ast.Call):
        return
    called = code.resolve(node.func)
    if isinstance(called, Member) and called.name == "fn" and code.resolver.kind_of(called.function) is not None:
        replacement = f"{'yield' if code.is_generator else 'await'} {called.function.name}(…)"
        yield code.found(node, "NXL406", _called(node), replacement=replacement)


def context_given(code: Code, node: ast.AST) -> Iterator[Finding]:
    """``charge(ctx, order)``: a context among the arguments of an operation."""
    if not isinstance(node, ast.Call) or not code.is_operation(node):
        return
    for given in (*node.args, *(keyword.value for keyword in node.keywords)):
        if isinstance(given, ast.Name) and code.resolve(given) == _CONTEXT:
            yield code.found(given, "NXL407", f"{given.id} as an argument")


def decides_by_replaying(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A branch on `ctx.is_replaying` that does more than to log or count."""
    if not isinstance(node, ast.If | ast.IfExp):
        return
    asked = [one for one in ast.walk(node.test) if code.context_member(one) == "is_replaying"]
    branches = [*node.body, *node.orelse] if isinstance(node, ast.If) else [node.body, node.orelse]
    decisive = ast.Yield | ast.Await | ast.Return | ast.Raise | ast.Break | ast.Continue
    if asked and (isinstance(node, ast.IfExp) or any(isinstance(n, decisive) for b in branches for n in ast.walk(b))):
        yield code.found(asked[0], "NXL504")


def not_async(code: Code) -> Iterator[Finding]:
    """A workflow that is no `async def`."""
    if code.is_workflow and isinstance(code.node, ast.FunctionDef):
        yield code.found(code.node, "NXL405", f"def {code.node.name}", replacement=f"async def {code.node.name}(…)")


def context_in_activity(code: Code) -> Iterator[Finding]:
    """An activity that takes or uses a workflow's context."""
    if isinstance(code.node, ast.Lambda):
        return
    arguments = code.node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        around = code.source.scopes.at[code.node]
        if argument.annotation and code.resolver.instance_of(argument.annotation, code.source, around) == _CONTEXT:
            yield code.found(argument, "NXL407", f"parameter {argument.arg}")
    for node in code.nodes:
        if not isinstance(node, ast.Name) or code.resolve(node) != _CONTEXT:
            continue
        home = code.source.scopes.at[node].home_of(node.id)
        if home is not None and home.node is not code.node:
            yield code.found(node, "NXL407", node.id)


_CONTEXT = Named(f"{names.CONTEXT}()")


# --- leaves -----------------------------------------------------------------------------------------------------------


def _called(node: ast.expr) -> str:
    """A call without its arguments."""
    return f"{brief(node.func)}(…)" if isinstance(node, ast.Call) else brief(node)


def _mended(code: Code, node: ast.expr) -> str:
    return f"{'yield' if code.is_workflow and code.is_generator else 'await'} {brief(node)}"


def _is_coroutine(code: Code, called: Function) -> bool:
    """Whether a call of it gives a coroutine: an async def helper."""
    if not isinstance(called.node, ast.AsyncFunctionDef) or code.resolver.kind_of(called) is not None:
        return False
    return not Code(called, "", code.resolver, code.inside).is_generator


def _is_looked_at(code: Code, node: ast.Call, parent: ast.AST) -> bool:
    """Whether the operation itself is tested, computed with, subscripted, or given on as a value."""
    if isinstance(parent, ast.keyword):
        parent = code.parent(parent)
    match parent:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return test is node
        case ast.Compare() | ast.BinOp() | ast.UnaryOp() | ast.FormattedValue():
            return True
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            return value is node
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated) | ast.AsyncFor(iter=iterated):
            return iterated is node
        case ast.Call():
            takes = code.context_member(parent)
            return code.is_operation(parent) and takes not in names.TAKES_OPERATIONS and parent.func is not node
    return False


def _is_read(code: Code, name: str) -> bool:
    """Whether the function, or one inside it, reads the name."""
    return any(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Store)
        for node in ast.walk(code.node)
    )


def _is_unreachable(code: Code, node: ast.AST) -> bool:
    """Whether it stands behind a raise or return, only to make the function a generator."""
    statement = code.parent(node)
    block = getattr(code.parent(statement), "body", None)
    if not isinstance(statement, ast.Expr) or not isinstance(block, list) or statement not in block:
        return False
    before = block[: block.index(statement)]
    return any(isinstance(one, ast.Raise | ast.Return | ast.Continue | ast.Break) for one in before)
