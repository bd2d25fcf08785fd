"""What a name or expression stands for: through imports, aliases, annotations and scopes. Nothing is executed."""

from __future__ import annotations

import ast
import builtins
from functools import cache

from nexus_sdk.lint import names
from nexus_sdk.lint.project import Project
from nexus_sdk.lint.scopes import Annotated, Assigned, Binding, Defined, Imported, Parameter, Scope
from nexus_sdk.lint.source import Source
from nexus_sdk.lint.values import Class, Function, Instance, Member, Module, Named, Value

DEPTH_MAX = 40
"""An expression that leads further than this stands for nothing known."""

_DISPLAYS: tuple[tuple[tuple[type[ast.expr], ...], str], ...] = (
    ((ast.List, ast.ListComp), "builtins.list()"),
    ((ast.Dict, ast.DictComp), "builtins.dict()"),
    ((ast.Set, ast.SetComp), "builtins.set()"),
)
_TRANSPARENT = frozenset({"typing.Optional", "typing.Annotated", "typing.Final", "typing.ClassVar"})
_CONTEXT = Named(f"{names.CONTEXT}()")
SET = Named("builtins.set()")


class Resolver:
    """Answers what an expression of one of the project's files stands for; None where reading cannot tell."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._depth = 0
        self._open: set[tuple[int, str]] = set()
        self._known: dict[ast.expr, Value | None] = {}
        self._kinds: dict[ast.AST, str | None] = {}

    def resolve(self, node: ast.expr | None, source: Source, scope: Scope | None = None) -> Value | None:
        """What the expression stands for, in the scope it stands in or the one given."""
        if node is None or self._depth >= DEPTH_MAX:
            return None
        is_first = self._depth == 0  # what is found on the way to something else may have been cut
        if is_first and node in self._known:
            return self._known[node]
        self._depth += 1
        try:
            value = self._resolve(node, source, source.scopes.at.get(node, scope) or source.top)
        finally:
            self._depth -= 1
        if is_first:
            self._known[node] = value
        return value

    def kind_of(self, function: Function) -> str | None:
        """``workflow`` or ``activity`` for a function that is decorated as one."""
        node = function.node
        if isinstance(node, ast.Lambda):
            return None
        if node not in self._kinds:
            self._kinds[node] = None  # a decorator that leads back here decides nothing
            for decorator in node.decorator_list:
                plain = decorator.func if isinstance(decorator, ast.Call) else decorator
                value = self.resolve(plain, function.source)
                if isinstance(value, Named) and value.name in (names.WORKFLOW, names.ACTIVITY):
                    self._kinds[node] = value.name.rpartition(".")[2]
        return self._kinds[node]

    def declare(self, function: Function, kind: str) -> None:
        """Note that a call makes a workflow or activity of the function."""
        self._kinds.setdefault(function.node, kind)
        self._kinds[function.node] = self._kinds[function.node] or kind

    def member_of(self, base: Class | Instance, name: str) -> Value | None:
        """What a class of the files has under a name; a property is its function."""
        return self._of_class(base.cls if isinstance(base, Instance) else base, name, set())

    def instance_of(self, annotation: ast.expr | None, source: Source, scope: Scope) -> Value | None:
        """What a value with this annotation is."""
        match annotation:
            case ast.Constant(value=str(text)):
                try:
                    return self.instance_of(ast.parse(text, mode="eval").body, source, scope)
                except (SyntaxError, ValueError, RecursionError):
                    return None
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                for one, other in ((left, right), (right, left)):
                    if isinstance(other, ast.Constant) and other.value is None:
                        return self.instance_of(one, source, scope)
                return None
            case ast.Subscript(value=value, slice=inner):
                base = self.resolve(value, source, scope)
                if isinstance(base, Named) and base.name in _TRANSPARENT:
                    first = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner
                    return self.instance_of(first, source, scope)
                return _instance(base)
            case ast.Name() | ast.Attribute():
                return _instance(self.resolve(annotation, source, scope))
        return None

    # --- expressions --------------------------------------------------------------------------------------------------

    def _resolve(self, node: ast.expr, source: Source, scope: Scope) -> Value | None:
        match node:
            case ast.Name(id=name):
                return self._name(name, source, scope)
            case ast.Attribute(value=value, attr=name):
                return self._attribute(self.resolve(value, source, scope), name, source)
            case ast.Call(func=function, args=arguments):
                return self._called(self.resolve(function, source, scope), bool(arguments))
            case ast.Lambda():
                return Function(source, node)
            case ast.NamedExpr(value=value):
                return self.resolve(value, source, scope)
            case ast.Await(value=ast.Call(func=function)) | ast.Yield(value=ast.Call(func=function)):
                called = self.resolve(function, source, scope)
                return self._result(called) if isinstance(called, Function) else None
            case ast.BinOp(left=left, op=operator, right=right):
                return self._combined(left, operator, right, source, scope)
        for kinds, name in _DISPLAYS:
            if isinstance(node, kinds):
                return Named(name)
        return None

    def _name(self, name: str, source: Source, scope: Scope) -> Value | None:
        home = scope.home_of(name)
        if home is not None:
            return self._bound(name, source, home)
        for star in source.top.stars:
            value = self._qualified(f"{star}.{name}", source)
            if isinstance(value, Named) and not _is_known(value.name):
                continue
            if value is not None:
                return value
        return Named(f"builtins.{name}") if hasattr(builtins, name) else None

    def _bound(self, name: str, source: Source, home: Scope) -> Value | None:
        """What a name of a scope is bound to, if all its bindings say the same."""
        key = (id(home), name)
        if key in self._open:
            return None
        self._open.add(key)
        try:
            bindings = home.bindings.get(name, [])
            if bindings and all(isinstance(binding, Defined) for binding in bindings):
                bindings = bindings[-1:]  # overloads, conditional definitions
            values = [self._binding(binding, source, home) for binding in bindings]
        finally:
            self._open.discard(key)
        return values[0] if values and all(value == values[0] for value in values) else None

    def _binding(self, binding: Binding, source: Source, home: Scope) -> Value | None:
        match binding:
            case Imported(name):
                return self._qualified(name, source)
            case Defined(ast.ClassDef() as node):
                return Class(source, node)
            case Defined(ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                return Function(source, node)
            case Assigned(value):
                return self.resolve(value, source, home)
            case Annotated(annotation, value):
                return self.instance_of(annotation, source, home) or self.resolve(value, source, home)
            case Parameter(function, argument):
                return self._parameter(Function(source, function), argument, source.scopes.at[function])
        return None

    def _parameter(self, function: Function, argument: ast.arg, around: Scope) -> Value | None:
        if argument.annotation is not None:
            if function.node.args.vararg is argument or function.node.args.kwarg is argument:
                return None
            return self.instance_of(argument.annotation, function.source, around)
        arguments = [*function.node.args.posonlyargs, *function.node.args.args]
        if arguments and arguments[0] is argument:
            if self.kind_of(function) == "workflow":
                return _CONTEXT
            if around.is_class and isinstance(around.node, ast.ClassDef) and not isinstance(function.node, ast.Lambda):
                return Instance(Class(function.source, around.node))
        return _CONTEXT if argument.arg == "ctx" else None

    # --- attributes, calls --------------------------------------------------------------------------------------------

    def _attribute(self, base: Value | None, name: str, source: Source) -> Value | None:
        match base:
            case Named(qualified) if "()" in qualified:
                return Named(f"{qualified}.{name}")
            case Named(qualified):
                return self._qualified(f"{qualified}.{name}", source)
            case Module(module):
                return self._of_module(module, name)
            case Class() | Instance():
                value = self.member_of(base, name)
                is_property = isinstance(value, Function) and is_decorated(value, "property", "cached_property")
                return self._result(value) if is_property and isinstance(value, Function) else value
            case Function():
                return Member(base, name)
        return None

    def _called(self, function: Value | None, has_arguments: bool) -> Value | None:
        match function:
            case Named(name):
                return Named(_result_name(name, has_arguments))
            case Class():
                return Instance(function)
            case Member(inner, "options"):
                return inner
            case Function(_, node) if not isinstance(node, ast.AsyncFunctionDef) and self.kind_of(function) is None:
                return self._result(function)
        return None

    def _result(self, function: Function) -> Value | None:
        """What a function gives, by its annotation."""
        if isinstance(function.node, ast.Lambda):
            return None
        around = function.source.scopes.at[function.node]
        return self.instance_of(function.node.returns, function.source, around)

    def _combined(
        self, left: ast.expr, operator: ast.operator, right: ast.expr, source: Source, scope: Scope
    ) -> Value | None:
        first = self.resolve(left, source, scope)
        if isinstance(operator, ast.Div) and isinstance(first, Named) and first.name.startswith("pathlib.Path()"):
            return first
        if isinstance(operator, ast.BitOr | ast.BitAnd | ast.BitXor | ast.Sub):
            views = (SET, Named("builtins.dict().keys()"))
            if first in views or self.resolve(right, source, scope) == SET:
                return SET
        return None

    def _of_module(self, module: Source, name: str) -> Value | None:
        if name in module.top.bindings:
            return self._bound(name, module, module.top)
        inner = self._project.find(f"{module.module}.{name}", module)
        return Module(inner) if inner is not None else self._name(name, module, module.top)

    def _of_class(self, cls: Class, name: str, seen: set[ast.AST]) -> Value | None:
        if cls.node in seen:
            return None
        seen.add(cls.node)
        inner = cls.source.scopes.inside[cls.node]
        if name in inner.bindings:
            return self._bound(name, cls.source, inner)
        for base in cls.node.bases:
            parent = self.resolve(base, cls.source)
            if isinstance(parent, Class) and (value := self._of_class(parent, name, seen)) is not None:
                return value
        return None

    def _qualified(self, name: str, importer: Source) -> Value | None:
        """What a qualified name stands for: something in one of the files, or the name itself."""
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            module = self._project.find(".".join(parts[:count]), importer)
            if module is None:
                continue
            value: Value | None = Module(module)
            for part in parts[count:]:
                value = self._attribute(value, part, importer)
            return value
        return Named(_canonical(name))


def is_decorated(function: Function, *decorators: str) -> bool:
    """Whether the function has a decorator with one of these last names."""
    if isinstance(function.node, ast.Lambda):
        return False
    return any(
        (isinstance(one, ast.Name) and one.id in decorators)
        or (isinstance(one, ast.Attribute) and one.attr in decorators)
        for one in function.node.decorator_list
    )


def _instance(value: Value | None) -> Value | None:
    match value:
        case Named(name):
            return Named(f"{names.SAME_CLASS.get(name, name)}()")
        case Class():
            return Instance(value)
    return None


def _result_name(name: str, has_arguments: bool) -> str:
    """The name of what a call of `name` gives."""
    if name in (names.ACTIVITY, names.WORKFLOW):  # `activity(fn)`, or `activity(…)` that waits for its function
        return f"nexus_sdk.{name.rpartition('.')[2].title()}()" if has_arguments else f"{name}()"
    if name in (f"{names.ACTIVITY}()", f"{names.WORKFLOW}()"):
        return f"nexus_sdk.{name.rpartition('.')[2].removesuffix('()').title()}()"
    if name in ("nexus_sdk.Activity().options", "nexus_sdk.Workflow().options"):
        return name.removesuffix(".options")
    if name.startswith("builtins.set().") and name.rpartition(".")[2] in names.SET_TO_SET:
        return "builtins.set()"
    return f"{names.SAME_CLASS.get(name, name)}()"


@cache
def _canonical(name: str) -> str:
    """A public name of ours by its short form, wherever it was imported from."""
    last = name.rpartition(".")[2]
    if name.startswith("nexus_sdk."):
        import nexus_sdk

        return f"nexus_sdk.{last}" if last in nexus_sdk.__all__ else name
    return name


def _is_known(name: str) -> bool:
    """Whether a table speaks of the name, so that `from … import *` may be taken for its origin."""
    if name.startswith("nexus_sdk."):
        import nexus_sdk

        return name.removeprefix("nexus_sdk.") in nexus_sdk.__all__
    return name in names.CALLS or name in names.VALUES or name in names.REPLACEMENTS or name == "datetime.datetime"
