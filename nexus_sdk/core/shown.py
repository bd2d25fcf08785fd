"""Values in messages. The one rule: a message says what was wrong, and repeats nobody's data at length.

Short texts and numbers are shown as they are: they are what was mistyped. Of everything else only the kind and the size
are told: what is in it may be large, may be a secret, and its own `repr` may fail.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

SHOWN_MAX = 60
"""Characters of a text or number that are shown."""

_AS_THEY_ARE = (type(None), bool, float, complex, date, time, timedelta)
_UNITS: dict[type, str] = {str: "characters", bytes: "bytes", bytearray: "bytes"}
_CONTAINERS = (list, tuple, dict, set, frozenset)


def shown(value: Any) -> str:
    """A value for a message. Never long, never raises.

    ``'twelve'`` · ``a str of 13,000 characters`` · ``a dict of 3`` · ``a value of type Order``
    """
    kind = type(value)
    if kind in _UNITS:
        return repr(value) if len(value) <= SHOWN_MAX else f"a {kind.__name__} of {len(value):,} {_UNITS[kind]}"
    if kind is int:
        return str(value) if value.bit_length() <= 3 * SHOWN_MAX else f"a number of {value.bit_length():,} bits"
    if kind in _CONTAINERS:
        return f"a {kind.__name__} of {len(value):,}" if value else f"an empty {kind.__name__}"
    if isinstance(value, _AS_THEY_ARE) or kind.__module__.startswith("nexus_sdk."):
        return _cut(repr(value))
    if isinstance(value, type):
        return f"the class {_cut(value.__qualname__)!r}"
    name = getattr(value, "__qualname__", None) if kind.__module__ == "builtins" else None
    return (
        f"the {kind.__name__} {_cut(name)!r}" if isinstance(name, str) else f"a value of type {_cut(kind.__qualname__)}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
