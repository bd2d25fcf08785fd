"""What an operation was given, and is given now: the parts that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus_sdk.core import events as e
from nexus_sdk.core.mismatch import bound, describe
from nexus_sdk.core.payload import Codec
from nexus_sdk.errors import PayloadError
from nexus_sdk.replay.values import brief

PARTS_MAX = 3
"""So many arguments that differ are told."""

_MISSING = object()


def told_otherwise(recorded: e.Event, asked: e.Event, codec: Codec, words: str) -> str:
    """One sentence: ``activity 'charge' is given another set of arguments: amount was 5.0, is now 6.0``.

    Args:
        codec: bound to the instance.
        words: what differs, from `differing`.
    """
    said = f"{describe(asked)} is given another {words}"
    parts = _parts(recorded, asked, codec, words)
    return f"{said}: {', '.join(parts)}" if parts else said


def _parts(recorded: e.Event, asked: e.Event, codec: Codec, words: str) -> list[str]:
    if words == "deadline":
        late_us = getattr(asked, "due_us", None), getattr(recorded, "due_us", None)
        if None in late_us:
            return ["there was none" if late_us[1] is None else "there is none now"]
        later = (late_us[0] - late_us[1]) / 1_000_000  # type: ignore[operator]  # None is ruled out above
        return [f"{abs(later):,.3f} s {'later' if later > 0 else 'earlier'}"]
    field = {"set of arguments": "arguments", "payload": "payload", "result": "result"}.get(words)
    if field is None:
        name = words.replace(" ", "_")
        return [f"was {getattr(recorded, name, '')!r}, is now {getattr(asked, name, '')!r}"]
    try:
        before = bound(codec, recorded).decode(getattr(recorded, field))
        now = bound(codec, asked).decode(getattr(asked, field))
    except PayloadError:
        return []
    return _differences(before, now)


def _differences(before: Any, now: Any) -> list[str]:
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return [f"was {brief(before)}, is now {brief(now)}"]
    names = [name for name in {**before, **now} if before.get(name, _MISSING) != now.get(name, _MISSING)]
    parts = [_difference(str(name), before.get(name, _MISSING), now.get(name, _MISSING)) for name in names[:PARTS_MAX]]
    return [*parts, f"and {len(names) - PARTS_MAX} more"] if len(names) > PARTS_MAX else parts


def _difference(name: str, before: Any, now: Any) -> str:
    if before is _MISSING:
        return f"{name} is new: {brief(now)}"
    if now is _MISSING:
        return f"{name} was {brief(before)}, is not given now"
    return f"{name} was {brief(before)}, is now {brief(now)}"
