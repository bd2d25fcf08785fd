"""What is wrong in workflow code, by theme. A check takes the code and one of its nodes, and tells what it finds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from nexus_sdk.lint.checks import calls, endings, operations, order, state
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code

Check = Callable[[Code, ast.AST], Iterator[Finding]]

CHECKS: Mapping[type[ast.AST], Sequence[Check]] = {
    ast.Call: (
        calls.forbidden_call,
        calls.handed_on,
        operations.forgotten,
        operations.looked_at,
        operations.raw_function,
        operations.context_given,
        order.handed_over,
        state.mutating_call,
    ),
    ast.Name: (calls.forbidden_value, state.rewritten_global),
    ast.Attribute: (calls.forbidden_value,),
    ast.With: (calls.foreign_block, endings.suppressed),
    ast.AsyncWith: (calls.foreign_block,),
    ast.AsyncFor: (calls.foreign_block, order.iterated),
    ast.For: (order.iterated, endings.endless_loop),
    ast.comprehension: (order.iterated,),
    ast.Starred: (order.iterated,),
    ast.While: (endings.endless_loop,),
    ast.Assign: (operations.never_used, state.written),
    ast.AnnAssign: (operations.never_used, state.written),
    ast.AugAssign: (state.written,),
    ast.Delete: (state.written,),
    ast.Yield: (operations.illegal_yield,),
    ast.Return: (operations.returned,),
    ast.If: (operations.decides_by_replaying,),
    ast.IfExp: (operations.decides_by_replaying,),
    ast.ExceptHandler: (endings.swallowed, endings.foreign_cancelled),
    ast.Try: (endings.left_early, endings.may_not_run),
    ast.TryStar: (endings.left_early, endings.may_not_run),
}
"""The checks of each kind of node."""


def check(code: Code) -> Iterator[Finding]:
    """Everything that is found in a function that is workflow code."""
    yield from operations.not_async(code)
    for node in code.nodes:
        for one in CHECKS.get(type(node), ()):
            yield from one(code, node)


check_activity = operations.context_in_activity
