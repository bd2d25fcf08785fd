"""Which functions are workflow code: the workflows, and what they use of the linted files, and what that uses, …

The one rule: what is given to `ctx.side_effect` and `ctx.on_query` is not workflow code, and neither are activities.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nexus_sdk.lint import names
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.project import Project
from nexus_sdk.lint.resolver import Resolver
from nexus_sdk.lint.rules import RULES
from nexus_sdk.lint.scopes import FunctionNode
from nexus_sdk.lint.source import Source
from nexus_sdk.lint.values import Class, Function, Instance, Named, Value

_RUN_BY_A_CLASS = ("__init__", "__new__", "__post_init__", "__enter__", "__exit__", "__aenter__", "__aexit__")
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, eq=False)
class Code:
    """A function, and what checks ask about it.

    Attributes:
        workflow: the workflow that comes here first.
        inside: all functions that are workflow code; filled while they are found.
    """

    function: Function
    workflow: str
    resolver: Resolver
    inside: set[ast.AST]

    @property
    def source(self) -> Source:
        """The file it stands in."""
        return self.function.source

    @property
    def node(self) -> FunctionNode:
        """Its definition."""
        return self.function.node

    @property
    def is_workflow(self) -> bool:
        """Whether it is a workflow's own body."""
        return self.resolver.kind_of(self.function) == "workflow"

    @property
    def is_async(self) -> bool:
        """Whether it is an `async def`."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @cached_property
    def is_generator(self) -> bool:
        """Whether it yields."""
        return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in self.nodes)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """What runs when it runs, in the order of the source: without nested functions, and what is recorded."""
        return list(self._walk())

    def resolve(self, node: ast.expr) -> Value | None:
        """What an expression of it stands for."""
        return self.resolver.resolve(node, self.source)

    def name_of(self, node: ast.expr) -> str:
        """The qualified name of an expression; empty where it has none."""
        value = self.resolve(node)
        return value.name if isinstance(value, Named) else ""

    def context_member(self, node: ast.AST) -> str:
        """``sleep`` for the call ``ctx.sleep(…)`` or the attribute ``ctx.sleep``; empty for anything else."""
        name = self.name_of(node.func if isinstance(node, ast.Call) else node) if isinstance(node, ast.expr) else ""
        return name.removeprefix(_CONTEXT) if name.startswith(_CONTEXT) else ""

    def is_operation(self, node: ast.AST) -> bool:
        """Whether a call builds an operation."""
        if not isinstance(node, ast.Call):
            return False
        if self.context_member(node) in names.OPERATIONS:
            return True
        value = self.resolve(node.func)
        if isinstance(value, Function):
            return self.resolver.kind_of(value) is not None
        return isinstance(value, Named) and value.name in ("nexus_sdk.Activity()", "nexus_sdk.Workflow()")

    def parent(self, node: ast.AST) -> ast.AST:
        """The node around."""
        return self.source.scopes.parents[node]

    def around(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Each node around, innermost first, with the one in it that leads here; up to the function itself."""
        while node is not self.node:
            inner, node = node, self.parent(node)
            yield node, inner

    def is_outside(self, node: ast.Name) -> bool:
        """Whether the name is bound outside of all workflow code."""
        home = self.source.scopes.at[node].home_of(node.id)
        while home is not None and not isinstance(home.node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            if home.is_class:
                return True
            home = home.parent  # a comprehension or lambda
        return home is not None and home.node not in self.inside

    def found(self, node: ast.AST, code: str, subject: str = "", *, reason: str = "", replacement: str = "") -> Finding:
        """A finding at a node. Without a subject: the source of the node."""
        rule, span = RULES[code], self.source.span(node)
        return Finding(
            self.source.shown,
            span.line,
            span.column,
            span.end_line,
            span.end_column,
            code,
            subject or brief(node),
            reason or rule.reason,
            self._in_its_words(replacement or rule.replacement),
            self.workflow,
            self.source.line(span.line),
        )

    def _in_its_words(self, replacement: str) -> str:
        """What to write instead, as it is written here: a helper or a coroutine workflow awaits, and may not yield."""
        is_yielding = self.is_workflow and self.is_generator
        return replacement if is_yielding else replacement.replace("yield ctx.", "await ctx.")

    def _walk(self) -> Iterator[ast.AST]:
        body = [self.node.body] if isinstance(self.node, ast.Lambda) else self.node.body
        waiting: list[ast.AST] = list(reversed(body))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(list(self._run_by(node))))

    def _run_by(self, node: ast.AST) -> Iterator[ast.AST]:
        """The children of a node that are run where they stand."""
        if isinstance(node, _NESTED):
            yield from (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults))
            return
        for name, children in ast.iter_fields(node):
            if name in ("annotation", "returns", "ctx"):
                continue
            for child in children if isinstance(children, list) else (children,):
                if isinstance(child, ast.AST) and not self._is_for_later(child, node):
                    yield child

    def _is_for_later(self, child: ast.AST, node: ast.AST) -> bool:
        """Whether it is a function that is looked at where it is used, or that may do everything."""
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and isinstance(child, ast.Lambda):
            return True
        if not isinstance(node, ast.Call) or child is node.func or self.context_member(node) not in names.UNRECORDED:
            return False
        is_partial = isinstance(child, ast.Call) and self.name_of(child.func) == "functools.partial"
        plain = child.value if isinstance(child, ast.keyword) else child
        return is_partial or isinstance(plain, ast.Lambda | ast.Name | ast.Attribute)


_CONTEXT = f"{names.CONTEXT}()."


def workflow_code(project: Project, resolver: Resolver) -> list[Code]:
    """Every function of the linted files that a workflow runs, the workflows first."""
    inside: set[ast.AST] = set()
    waiting = [
        Code(function, function.name, resolver, inside)
        for source in project.given
        for function in functions_of(source, resolver, "workflow")
    ]
    found: list[Code] = []
    for code in waiting:
        if code.node in inside:
            continue
        inside.add(code.node)
        found.append(code)
        waiting.extend(
            Code(used, code.workflow, resolver, inside)
            for node in code.nodes
            for used in _used_by(node, code)
            if used.source.is_given and resolver.kind_of(used) is None
        )
    return found


def functions_of(source: Source, resolver: Resolver, kind: str) -> Iterator[Function]:
    """The workflows or activities that are defined in a file: decorated, or made by a call."""
    may_call = kind in source.text  # most files define none: then their calls need no look
    if not may_call and "@" not in source.text:
        return
    for node in source.scopes.at:
        if isinstance(node, _NESTED):
            function = Function(source, node)
            if resolver.kind_of(function) == kind:
                yield function
        elif may_call and isinstance(node, ast.Call) and len(node.args) == 1:
            # `workflow(fn)` and `workflow(name="…")(fn)`
            plain = node.func.func if isinstance(node.func, ast.Call) else node.func
            if isinstance(plain, ast.Name | ast.Attribute) and resolver.resolve(plain, source) == Named(
                f"nexus_sdk.{kind}"
            ):
                made = resolver.resolve(node.args[0], source)
                if isinstance(made, Function) and made.source.is_given:
                    resolver.declare(made, kind)
                    yield made


def brief(node: ast.AST, width: int = 60) -> str:
    """The source of an expression in one line, cut."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError):  # deeper than Python unparses
        return "this"
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _used_by(node: ast.AST, code: Code) -> Iterator[Function]:
    """The functions of the files that a node calls, or hands on."""
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        value = code.resolve(node)
        if isinstance(node, ast.Attribute) and not isinstance(value, Function):
            base = code.resolve(node.value)
            value = code.resolver.member_of(base, node.attr) if isinstance(base, Instance) else value
        if isinstance(value, Function):
            yield value
    elif isinstance(node, ast.Call):
        cls = code.resolve(node.func)
        if isinstance(cls, Class):
            members = (code.resolver.member_of(cls, name) for name in _RUN_BY_A_CLASS)
            yield from (member for member in members if isinstance(member, Function))
