"""Changing frozen dataclasses at little cost: a step of a workflow changes some of them, and one has thirty fields.

`dataclasses.replace` looks at each field and calls an `__init__` that goes through `object.__setattr__`. What is
generated here fills the slots of a value of a *blank* class, which has the same ones and is not frozen; then the value
becomes of its own class. The one rule: nobody ever sees a value of a blank class.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")

_COPIES: dict[type, Any] = {}


def changed(value: T, **changes: Any) -> T:
    """`dataclasses.replace` for a frozen dataclass with slots, at a fraction of its cost.

    Raises:
        AttributeError: there is no such field.
    """
    kind = type(value)
    copy = _COPIES.get(kind)
    if copy is None:
        copy = _COPIES[kind] = _copier(kind)
    return copy(value, changes)  # type: ignore[no-any-return]


def blank_of(kind: Any) -> type:
    """A class with the slots of a frozen dataclass, and not frozen: an instance may become one of that class."""
    own = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    # Both of the latter, or the interpreter takes the slow way to either: they share a slot.
    return type(f"Blank{kind.__name__}", (kind.__base__,), {"__slots__": kind.__dict__["__slots__"], **own})


def _copier(kind: Any) -> Any:
    copied = [f"    made.{field.name} = value.{field.name}" for field in fields(kind)]
    lines = ["def copy(value, changes):", "    made = blank()", *copied]
    lines += ["    for name, new in changes.items():", "        put(made, name, new)"]
    lines += ["    made.__class__ = kind", "    return made"]
    names: dict[str, Any] = {"blank": blank_of(kind), "kind": kind, "put": object.__setattr__}
    exec(compile("\n".join(lines), f"<copy {kind.__name__}>", "exec"), names)
    return names["copy"]
