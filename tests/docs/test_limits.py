"""The page of limits and the numbers in the code are the same, both ways."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from nexus_sdk.authoring.duration import to_us
from tests.docs.pages import ROOT, Page, rows_of

PAGE = Page(ROOT / "docs" / "reference" / "limits.md")

CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|MIN|SECONDS|BYTES|US)")
PARAMETER = re.compile(r"\w+_(max|min|seconds|bytes)|concurrency|threads|max_attempts")
"""What numbers that limit something are called."""

NOT_LIMITS = (
    ("nexus_sdk.testing", "a test's own patience"),
    ("nexus_sdk.lint", "how far the linter looks"),
    ("nexus_sdk.cli", "what a picture or a line shows"),
    ("nexus_sdk.costing", "how far an estimate looks"),
    ("nexus_sdk.replay", "what an explanation shows, and how far it looks"),
    ("nexus_sdk.core.deadlines:KEPT_MIN", "when a heap is tidied up"),
    ("nexus_sdk.engine.warm:FAR_US", "who counts as asleep"),
    ("nexus_sdk.store.sqlite.connection", "how SQLite goes about its file"),
    ("nexus_sdk.building.dependencies", "how much of what an installer says is told"),
    ("nexus_sdk.store.split", "how a split store goes about it: slices, graces, notes"),
)
"""Modules and names whose numbers nobody runs into, and why; the page may have some of them all the same."""


def test_the_limits_are_those_of_the_code() -> None:
    for what, said, _, source in _limits():
        assert _numbers(said) == _value_of(source), f"{what}: the page says {said}, {source} is {_value_of(source)}"


def test_every_number_of_the_code_is_on_the_page() -> None:
    sources = [source for *_, source in _limits()]
    constants = {source for source in sources if "(" not in source}
    parameters = {(found[1], _value_of(source)) for source in sources if (found := re.search(r"\((\w+)\)", source))}
    missing = [
        place
        for place, name, value in _numbers_in_code()
        if place not in constants and (name, (value,)) not in parameters
    ]
    assert missing == [], "name them on docs/reference/limits.md, or say in NOT_LIMITS why nobody runs into them"


# --- leaves -----------------------------------------------------------------------------------------------------------


def _limits() -> list[list[str]]:
    return [[*row[:3], row[3].strip("`")] for row in rows_of(PAGE) if len(row) == 4 and ":" in row[3]]


def _numbers(said: str) -> tuple[float, ...]:
    """The numbers of a cell: one, or several with a comma and a blank between them."""
    return tuple(float(number.replace(",", "").replace("−", "-")) for number in said.strip("`").split(", "))


def _value_of(source: str) -> tuple[float, ...]:
    """The numbers that ``module:NAME``, or ``module:function(parameter)`` by default, stands for."""
    module, _, name = source.partition(":")
    found = re.fullmatch(r"([\w.]+?)(?:\((\w+)\))?", name)
    assert found is not None, source
    value: Any = import_module(module)
    for part in found[1].split("."):
        value = getattr(value, part)
    if found[2]:
        value = inspect.signature(value).parameters[found[2]].default
    if isinstance(value, str):
        return (to_us(value, source) / 1_000_000,)
    if found[1].endswith("_US"):
        return (value / 1_000_000,)
    return tuple(float(number) for number in (value if isinstance(value, tuple) else (value,)))


def _numbers_in_code() -> Iterator[tuple[str, str, float]]:
    """Each number that limits something: where it stands, its name and its value."""
    for path in sorted((ROOT / "nexus_sdk").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for name, value in _numbers_of(path):
            place = f"{module}:{name}"
            if not any(f"{place}.".startswith((f"{known}.", f"{known}:")) for known, _ in NOT_LIMITS):
                yield place, name, value


def _numbers_of(path: Path) -> Iterator[tuple[str, float]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if CONSTANT.fullmatch(name):
                yield name, 0.0
    for inner in ast.walk(tree):
        match inner:
            case ast.arguments():
                positional = [*inner.posonlyargs, *inner.args]
                pairs = [*zip(positional[::-1], inner.defaults[::-1], strict=False)]
                for argument, default in [*pairs, *zip(inner.kwonlyargs, inner.kw_defaults, strict=True)]:
                    yield from _number(argument.arg, default)
            case ast.AnnAssign(target=ast.Name(id=name), value=default):
                yield from _number(name, default)


def _number(name: str, default: ast.expr | None) -> Iterator[tuple[str, float]]:
    is_number = isinstance(default, ast.Constant) and type(default.value) in (int, float)
    if is_number and PARAMETER.fullmatch(name) and default.value:  # zero is no limit
        yield name, float(default.value)
