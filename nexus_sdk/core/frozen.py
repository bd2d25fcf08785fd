"""Making and changing frozen dataclasses at little cost: a step of a workflow makes two dozen of them.

The `__init__` of a frozen dataclass calls `object.__setattr__` for each field, and `dataclasses.replace` looks at each
field and calls that `__init__`. What is generated here does the same otherwise: `quick` sets the slots directly;
`changed` fills a value of a *blank* class, which has the same slots and is not frozen, and then makes it of its own
class. The one rule: nobody ever sees a value of a blank class.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")

_COPIES: dict[type, Any] = {}


def quick(kind: type[T]) -> type[T]:
    """A frozen dataclass with slots, with an `__init__` that takes half the time. For those that each step makes."""
    names: dict[str, Any] = {}
    taken, body = ["self"], []
    for field in fields(kind):  # type: ignore[arg-type]  # it is a dataclass: it comes from that decorator
        name, default = field.name, ""
        if field.default is not MISSING:
            names[f"default_{name}"], default = field.default, f"=default_{name}"
        elif field.default_factory is not MISSING:
            names[f"make_{name}"], names["MISSING"], default = field.default_factory, MISSING, "=MISSING"
        names[f"set_{name}"] = getattr(kind, name).__set__
        value = f"make_{name}() if {name} is MISSING else {name}" if f"make_{name}" in names else name
        taken.append(f"{name}{default}")
        body.append(f"    set_{name}(self, {value})")
    slow = kind.__init__
    made = _compiled("__init__", [f"def __init__({', '.join(taken)}):", *body], names, kind)
    made.__qualname__, made.__annotations__ = slow.__qualname__, slow.__annotations__
    kind.__init__ = made  # type: ignore[method-assign]  # that is what this is for
    return kind


def changed(value: T, **changes: Any) -> T:
    """`dataclasses.replace` for a frozen dataclass with slots, at a fraction of its cost.

    Raises:
        AttributeError: there is no such field.
    """
    kind = type(value)
    copy = _COPIES.get(kind)
    if copy is None:
        copy = _COPIES[kind] = _copier(kind)
    return copy(value, changes)  # type: ignore[no-any-return]  # it is generated


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
    return _compiled("copy", lines, names, kind)


def _compiled(name: str, lines: list[str], names: dict[str, Any], kind: type) -> Any:
    exec(compile("\n".join(lines), f"<{name} {kind.__name__}>", "exec"), names)
    return names[name]
