"""Attributes: short values that instances are found by. The one rule: every store can index what is accepted here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nexus_sdk.authoring.names import check_name
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument

Attributes = Mapping[str, str | int | float | bool]

ATTRIBUTES_MAX = 100
TEXT_LENGTH_MAX = 1_000
_INT_MAX = 2**63


def check_attributes(attributes: Any) -> Attributes:
    """The attributes, if they are some: names to short texts, 64-bit integers, finite numbers or booleans.

    Raises:
        InvalidArgument: they are not; the message names the first that is not.
    """
    if not isinstance(attributes, Mapping):
        raise InvalidArgument(
            f"attributes are values by name, got {shown(attributes)}.", hint='attributes={"customer": "anna"}'
        )
    if len(attributes) > ATTRIBUTES_MAX:
        raise InvalidArgument(
            f"there are at most {ATTRIBUTES_MAX} attributes, got {len(attributes):,}.",
            hint="They are for finding instances; data belongs into the arguments.",
        )
    for name, value in attributes.items():
        check_name(name, "an attribute's name")
        if (trouble := _trouble(value)) is not None:
            raise InvalidArgument(
                f"attribute {name!r} {trouble}.",
                hint="A value is a short text, a 64-bit integer, a number or a boolean.",
            )
    return dict(attributes)


def _trouble(value: Any) -> str | None:
    match value:
        case bool():
            return None
        case int():
            return None if -_INT_MAX <= value < _INT_MAX else f"is out of range: {shown(value)}"
        case float():
            return None if math.isfinite(value) else f"is {value}, which equals nothing"
        case str() if len(value) > TEXT_LENGTH_MAX:
            return f"has at most {TEXT_LENGTH_MAX:,} characters, got {len(value):,}"
        case str():
            return "holds a control character or a lone surrogate" if _is_odd(value) else None
    return f"is {shown(value)}"


def _is_odd(text: str) -> bool:
    return any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in text)
