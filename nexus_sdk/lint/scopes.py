"""What each name of a file is bound to, scope by scope. The one rule: bindings are collected, not judged."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


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
    """The names of one file.

    Attributes:
        at: the scope that each node is evaluated in.
        inside: the scope that a module, function, class or comprehension opens.
        parents: the node around each node.
    """

    at: dict[ast.AST, Scope]
    inside: dict[ast.AST, Scope]
    parents: dict[ast.AST, ast.AST]


def scopes_of(tree: ast.Module, package: str) -> Scopes:
    """Collect the bindings of a file. `package`: what relative imports start from."""
    top = Scope(tree, None)
    found = Scopes({tree: top}, {tree: top}, {})
    waiting: list[tuple[ast.AST, ast.AST, Scope]] = []

    def wait_for(children: Iterable[ast.AST], parent: ast.AST, scope: Scope) -> None:
        waiting.extend((child, parent, scope) for child in reversed(list(children)))

    wait_for(tree.body, tree, top)
    while waiting:  # without recursion: expressions can be nested deeply
        node, parent, scope = waiting.pop()
        if isinstance(node, _SHARED):
            continue
        found.at[node], found.parents[node] = scope, parent
        _bind(node, scope, package)
        if not isinstance(node, _OPENING):
            wait_for(ast.iter_child_nodes(node), node, scope)
            continue
        inner = found.inside[node] = Scope(node, scope)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for argument in _arguments(node.args):
                inner.bindings[argument.arg] = [Parameter(node, argument)]
        evaluated_here = list(_evaluated_around(node))
        here = set(map(id, evaluated_here))
        wait_for((child for child in ast.iter_child_nodes(node) if id(child) not in here), node, inner)
        wait_for(evaluated_here, node, scope)
    return found


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OPENING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *_COMPREHENSIONS)
_SHARED = (ast.expr_context, ast.operator, ast.boolop, ast.cmpop, ast.unaryop)
"""Nodes that the parser makes once for all that use them."""


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from filter(None, (arguments.vararg, arguments.kwarg))


def _evaluated_around(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a function or class that are evaluated where it is defined."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from node.decorator_list
        yield node.args
        if node.returns is not None:
            yield node.returns
    elif isinstance(node, ast.Lambda):
        yield node.args
    elif isinstance(node, ast.ClassDef):
        yield from (*node.decorator_list, *node.bases, *node.keywords)


def _bind(node: ast.AST, scope: Scope, package: str) -> None:
    """Note what a node binds in the scope it is evaluated in."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            _add(scope, name, Defined(node))
        case ast.Import(names=aliases):
            for alias in aliases:
                top_level = alias.name.partition(".")[0]
                _add(scope, alias.asname or top_level, Imported(alias.name if alias.asname else top_level))
        case ast.ImportFrom(names=aliases):
            module = _absolute(node, package)
            for alias in aliases:
                if alias.name == "*":
                    scope.stars.append(module)
                else:
                    _add(scope, alias.asname or alias.name, Imported(f"{module}.{alias.name}".lstrip(".")))
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _assign(scope, target, value)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            _add(scope, name, Annotated(annotation, value))
        case ast.AugAssign(target=ast.Name(id=name)):
            _local(scope, name).bindings.setdefault(name, [])  # `seen |= …` changes no type
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            while isinstance(scope.node, _COMPREHENSIONS) and scope.parent is not None:
                scope = scope.parent
            _add(scope, name, Assigned(value))
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            _assign(scope, target, value)
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
            _assign(scope, target, None)
        case ast.Global(names=names):
            top = scope
            while top.parent is not None:
                top = top.parent
            for name in names:
                scope.borrowed[name] = top
        case ast.Nonlocal(names=names):
            for name in names:
                scope.borrowed[name] = None  # the nearest one around, which may not be known yet
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            _add(scope, name, Opaque())
        case ast.MatchMapping(rest=str(name)):
            _add(scope, name, Opaque())


def _assign(scope: Scope, target: ast.expr, value: ast.expr | None) -> None:
    match target, value:
        case ast.Name(id=name), None:
            _add(scope, name, Opaque())
        case ast.Name(id=name), ast.expr():
            _add(scope, name, Assigned(value))
        case ast.Tuple(elts=targets) | ast.List(elts=targets), ast.Tuple(elts=values) | ast.List(elts=values) if len(
            targets
        ) == len(values) and not any(isinstance(one, ast.Starred) for one in (*targets, *values)):
            for one, its in zip(targets, values, strict=True):
                _assign(scope, one, its)
        case ast.Tuple(elts=targets) | ast.List(elts=targets), _:
            for one in targets:
                _assign(scope, one, None)
        case ast.Starred(value=inner), _:
            _assign(scope, inner, None)


def _local(scope: Scope, name: str) -> Scope:
    """Where an assignment to the name goes."""
    return scope.borrowed.get(name) or scope


def _add(scope: Scope, name: str, binding: Binding) -> None:
    if name in scope.borrowed:
        home = scope.borrowed[name]
        if home is not None:
            home.bindings.setdefault(name, []).append(Opaque())
        return
    scope.bindings.setdefault(name, []).append(binding)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that `from … import` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])
