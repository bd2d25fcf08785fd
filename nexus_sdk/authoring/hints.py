"""Annotations as types. The one rule: each is resolved by itself, so that one that cannot be does not hide the others.

With postponed annotations (``from __future__ import annotations``) a function knows only the text of them, and Python
looks names up in its module. Names of the function around a definition (a model inside a test, say) are gone by the
time that they are wanted; so they are looked up when the definition is made.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import FrameType, SimpleNamespace
from typing import Any


def names_around(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """What the postponed annotations of a function that is just being decorated mean where it is defined."""
    texts = [text for text in getattr(fn, "__annotations__", {}).values() if isinstance(text, str)]
    if not texts or "<locals>" not in getattr(fn, "__qualname__", ""):
        return {}
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    found: dict[str, Any] = {}
    wanted = {name for text in texts for name in _names_in(text)}
    while frame is not None and wanted:  # a function in a function in a test: the names of all of them
        if frame.f_code.co_name == "<module>":
            break
        for name in wanted.intersection(frame.f_locals):  # 3.13: a proxy, whose keys are a list
            found.setdefault(name, frame.f_locals[name])
        if frame.f_globals is not getattr(fn, "__globals__", None):
            break
        frame = frame.f_back
    return found


def resolved_hints(fn: Callable[..., Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of a function as types, those left out that cannot be resolved.

    Args:
        names: what `names_around` found.
    """
    module = getattr(inspect.unwrap(fn), "__globals__", None) or vars(sys.modules[fn.__module__])
    try:
        return typing.get_type_hints(fn, localns={**module, **names} if names else None, include_extras=True)
    except Exception:  # some annotation can only be read by a type checker
        annotations = getattr(inspect.unwrap(fn), "__annotations__", {})
    found: dict[str, Any] = {}
    for name, annotation in annotations.items():
        alone: Any = SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(alone, module, {**module, **names}, include_extras=True)
        except Exception:  # this one
            continue
    return found


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "nexus_sdk"


def _names_in(text: str) -> set[str]:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
