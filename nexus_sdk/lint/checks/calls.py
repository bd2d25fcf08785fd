"""Calls and values that the tables name: clocks, randomness, the world, foreign event loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nexus_sdk.lint import names
from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.reach import Code, brief
from nexus_sdk.lint.values import Named


def forbidden_call(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A call of something that a table names."""
    if not isinstance(node, ast.Call):
        return
    if any(_code_of(code, inner) for inner in _calls_in_chain(node.func)):
        return  # `requests.get(…).json()`: the inner one is told
    found = _code_of(code, node)
    if found:
        name = code.name_of(node.func)
        yield code.found(node, found, _said(node.func, name, "(…)"), replacement=names.REPLACEMENTS.get(name, ""))


def handed_on(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A forbidden function given to something that will call it: ``sorted(…, key=id)``."""
    if not isinstance(node, ast.Call) or code.context_member(node) in names.UNRECORDED:
        return
    for given in (*node.args, *(keyword.value for keyword in node.keywords)):
        if isinstance(given, ast.Name | ast.Attribute):
            name = code.name_of(given)
            if name in names.CALLS and name.rpartition(".")[2][:1].islower():
                replacement = names.REPLACEMENTS.get(name, "")
                yield code.found(given, names.CALLS[name], _said(given, name), replacement=replacement)


def forbidden_value(code: Code, node: ast.AST) -> Iterator[Finding]:
    """A look at something that a table names: ``os.environ``."""
    if not isinstance(node, ast.Name | ast.Attribute):
        return
    name = code.name_of(node)
    if name in names.VALUES:
        yield code.found(node, names.VALUES[name], _said(node, name))


def foreign_block(code: Code, node: ast.AST) -> Iterator[Finding]:
    """`with` over what a table names; `async with` and `async for` over anything of another package."""
    match node:
        case ast.With(items=items) | ast.AsyncWith(items=items):
            used = [item.context_expr for item in items]
        case ast.AsyncFor(iter=iterated):
            used = [iterated]
        case _:
            return
    for one in used:
        name = code.name_of(one)
        if not name or (isinstance(one, ast.Call) and any(_code_of(code, call) for call in _calls_in_chain(one))):
            continue  # unknown, or told as a call
        found = _package_code(name)
        if not found and not isinstance(node, ast.With) and name.partition(".")[0] not in _HARMLESS:
            found = "NXL302"
        if found:
            yield code.found(one, found, f"{_KINDS[type(node)]} {brief(one)}")


_HARMLESS = frozenset({"builtins", "contextlib", "nexus_sdk"})
_KINDS = {ast.With: "with", ast.AsyncWith: "async with", ast.AsyncFor: "async for"}


def _code_of(code: Code, node: ast.Call) -> str:
    """The rule that a call breaks; empty for none."""
    value = code.resolve(node.func)
    if not isinstance(value, Named):
        return ""
    name = value.name
    if name.startswith("pathlib.Path()"):
        return "NXL201" if name.rpartition(".")[2] in names.PATH_CALLS else ""
    if name in names.SEEDED:
        return "" if node.args or node.keywords else "NXL103"
    if name in names.CLOCK_WITHOUT_ARGUMENTS:
        return "" if node.args or node.keywords else "NXL101"
    if name == "time.strftime":
        return "" if len(node.args) > 1 else "NXL101"
    if name in names.CALLS:
        return names.CALLS[name]
    is_told = name.rpartition(".")[0] in names.VALUES  # as a look at `os.environ`
    return "" if is_told or name in names.PURE else _package_code(name)


def _package_code(name: str) -> str:
    """The rule for everything of a package, by the longest package that a table names."""
    parts = name.split(".")
    if names.PURE_PARTS.intersection(parts[:-1]) or parts[-1].endswith(("Error", "Exception", "Warning")):
        return ""
    if not all(_is_made_to_be_used(part.removesuffix("()")) for part in parts if part.endswith("()")):
        return ""
    for count in range(len(parts), 0, -1):
        package = ".".join(parts[:count]).replace("()", "")
        if package in names.PACKAGES:
            is_seeded = any(name.startswith(f"{seeded}().") for seeded in names.SEEDED)
            return "" if is_seeded else names.PACKAGES[package]
    return ""


def _is_made_to_be_used(function: str) -> bool:
    """Whether a call gives an object of the package, and not only data: a class, or a known factory."""
    return function[:1].isupper() or function in names.FACTORIES


def _calls_in_chain(node: ast.expr) -> Iterator[ast.Call]:
    """The calls that a dotted expression goes through: ``a().b().c`` has two."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        else:
            node = node.value


def _said(node: ast.expr, name: str, call: str = "") -> str:
    """As it is written, and what that is where it does not show."""
    text, plain = brief(node), name.removeprefix("builtins.")
    is_plain = text == plain or ("." in text and plain.endswith(f".{text}")) or "()" in plain
    return f"{text}{call}" if is_plain else f"{text}{call}, which is {plain}"
