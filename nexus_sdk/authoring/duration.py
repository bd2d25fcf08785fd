"""Durations as users write them: `timedelta`, seconds as a number, or text such as ``"1h30m"`` and ``"500ms"``."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument

Duration: TypeAlias = timedelta | float | int | str

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_US = 100 * 366 * 86_400 * 1_000_000
"""A hundred years: longer is taken for a mistake in the unit."""

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNITS_US["w"] = 7 * _UNITS_US["d"]
_PART = r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)"


def to_us(value: Any, what: str) -> int:
    """A duration in microseconds.

    Args:
        what: what it is for, to be named in the error.

    Raises:
        InvalidArgument: not a duration, negative, not a number, or longer than a hundred years.
    """
    us = _parse(value, what)
    if us < 0:
        raise InvalidArgument(
            f"{what}: a duration cannot be negative, got {shown(value)}.", hint="Zero is the shortest."
        )
    if us > LONGEST_US:
        raise InvalidArgument(f"{what}: {shown(value)} is longer than a hundred years.", hint="Numbers are seconds.")
    return us


def optional_us(value: Any, what: str) -> int | None:
    """Like `to_us`, with None for none."""
    return None if value is None else to_us(value, what)


def moment_us(when: Any, what: str) -> int:
    """An aware datetime as microseconds since the epoch.

    Raises:
        InvalidArgument: not a datetime, or one without a time zone.
    """
    if not isinstance(when, datetime):
        raise InvalidArgument(
            f"{what}: expected a datetime, got {shown(when)}.",
            hint="Use an aware datetime, e.g. datetime(2030, 1, 1, tzinfo=UTC).",
        )
    if when.utcoffset() is None:
        raise InvalidArgument(
            f"{what}: {when.isoformat()} has no time zone.",
            hint="Use an aware datetime, e.g. datetime(2030, 1, 1, tzinfo=UTC).",
        )
    return (when - EPOCH) // timedelta(microseconds=1)


def datetime_of(us: int) -> datetime:
    """Microseconds since the epoch as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=us)


def text_of(us: int) -> str:
    """A duration as people write it: ``1h30m``."""
    if us == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, us = divmod(us, _UNITS_US[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _parse(value: Any, what: str) -> int:
    match value:
        case timedelta():
            return value // timedelta(microseconds=1)
        case bool():
            pass
        case int():
            return value * 1_000_000
        case float() if math.isfinite(value * 1_000_000):
            return round(value * 1_000_000)
        case str():
            text = value.strip().lower()
            parts = re.findall(_PART, text)
            lengths = [float(number) * _UNITS_US[unit] for number, unit in parts]
            if lengths and not re.sub(_PART, "", text).strip() and math.isfinite(sum(lengths)):
                return sum(map(round, lengths))
    raise InvalidArgument(
        f"{what}: {shown(value)} is not a duration.",
        hint='Use a timedelta, seconds as a number, or text such as "1h30m" or "500ms" (units: w d h m s ms us).',
    )
