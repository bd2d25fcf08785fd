"""What decides whether a line runs: the conditions and loops around it, as the source has them."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from nexus_sdk.core import events as e
from nexus_sdk.replay.source import Place, place_at

_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension)
_CHOICES = (ast.If, ast.IfExp, ast.Match, ast.ExceptHandler)
_FUNCTIONS = (ast.AsyncFunctionDef, ast.FunctionDef)

_MADE_BY: dict[type[e.Event], tuple[str, ...]] = {
    e.TimerStarted: ("sleep", "sleep_until", "timeout"),
    e.EventAwaited: ("wait_for_event",),
    e.SideEffectRecorded: ("side_effect",),
    e.EventSent: ("send_event",),
    e.WorkflowCompleted: ("complete",),
    e.ContinuedAsNew: ("continue_as_new",),
}
"""What on `ctx` makes an output, where that has no function of its own."""


@dataclass(frozen=True, slots=True)
class Decider:
    """What decides whether, or how often, a line runs."""

    place: Place
    is_loop: bool


def deciders_of(place: Place) -> list[Decider]:
    """The conditions and loops around a line, innermost first; those outside its function do not count."""
    found: list[Decider] = []
    for node in _around(place.file, place.line):
        if isinstance(node, _FUNCTIONS):
            found = []
        elif isinstance(node, _LOOPS):
            found.append(Decider(place_at(place.file, _line(node)), True))
        elif isinstance(node, _CHOICES) and _is_decided(node, place.line):
            found.append(Decider(place_at(place.file, _line(node)), False))
    return [decider for decider in reversed(found) if decider.place.line != place.line or decider.is_loop]


def callers_of(event: e.Event, file: str) -> list[Place]:
    """Where the source still asks for what an event says, by name; empty where it does so no more."""
    name = _name_of(event)
    makers = _MADE_BY.get(type(event), ())
    places = []
    for node in ast.walk(_tree(file)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        mentions = [arg.id for arg in node.args if isinstance(arg, ast.Name)]  # ctx.map(print_label, items)
        if makers:
            is_found = called in makers and (name is None or name in texts)
        else:
            is_found = name is not None and (called == name or name in texts or name in mentions)
        if is_found:
            places.append(place_at(file, node.lineno))
    return places


def _name_of(event: e.Event) -> str | None:
    match event:
        case e.ActivityScheduled(name=name) | e.EventAwaited(name=name) | e.EventSent(name=name):
            return name
        case e.ChildScheduled(workflow=name):
            return name
    return None


def _around(file: str, line: int) -> Iterator[ast.AST]:
    """The nodes that a line is in, outermost first."""
    children = list(ast.iter_child_nodes(_tree(file)))
    while children:
        node = next((child for child in children if _first(child) <= line <= _last(child)), None)
        if node is None:
            return
        yield node
        children = list(ast.iter_child_nodes(node))


def _first(node: ast.AST) -> int:
    return min((part.lineno for part in ast.walk(node) if hasattr(part, "lineno")), default=0)


def _last(node: ast.AST) -> int:
    return max((part.end_lineno or 0 for part in ast.walk(node) if hasattr(part, "end_lineno")), default=-1)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0)) or _first(node)


def _is_decided(node: ast.AST, line: int) -> bool:
    """Whether the line is in a branch, not in the condition itself."""
    return not isinstance(node, ast.If | ast.IfExp) or not _first(node.test) <= line <= _last(node.test)


@lru_cache(maxsize=16)
def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _tree(file: str) -> ast.Module:
    return _parsed("".join(linecache.getlines(file)))
