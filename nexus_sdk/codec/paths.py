"""Where in a value the trouble is: `$.items[3].price`. Slow, and only on the way to an error.

The walk takes the same steps as `plain.pack`, so it finds what stopped that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.errors import PayloadError

ROOT = "$"
SHOWN_MAX = 60
_PATH_MAX = 200
_LEVELS_MAX = 200
_HINT = "Pass plain data, a dataclass or a pydantic model; keep live objects inside activities."


def shown(value: Any) -> str:
    """A value for a message, at most 60 characters."""
    try:
        text = repr(value)
    except Exception as error:  # its own code failed, and a message about something else is due
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def step(key: Any) -> str:
    """How a path goes on at a key of a mapping or an index of a sequence."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{shown(key)}]"


def explain(value: Any, error: Exception) -> PayloadError:
    """The error to raise when `plain.pack(value)` raised `error`: it names the place."""
    path, reason = _locate(value, ROOT, []) or (ROOT, _reason(error))
    if len(path) > _PATH_MAX:
        path = f"{path[: _PATH_MAX // 2]}…{path[-_PATH_MAX // 2 :]}"
    return PayloadError(f"{path}: {reason}.", hint=_HINT)


def _reason(error: Exception) -> str:
    if isinstance(error, plain.Refused):
        return error.reason
    if isinstance(error, UnicodeEncodeError):
        return "the text holds a lone surrogate, which is no character"
    if isinstance(error, RecursionError) or "recursion limit" in str(error):
        return "the value is nested too deeply"
    return f"it cannot be encoded ({type(error).__name__}: {error})"


def _locate(value: Any, path: str, above: list[int]) -> tuple[str, str] | None:
    """The path and reason of the first thing that cannot be written, depth first; None when all can."""
    if id(value) in above:
        return path, "the value contains itself"
    if len(above) >= _LEVELS_MAX:
        return None  # not looked for any deeper
    above.append(id(value))
    try:
        for where, child in _children(value, path):
            if trouble := _locate(child, where, above):
                return trouble
    except Exception as error:  # whatever the value's own code raises is the reason that is sought
        return path, _reason(error)
    finally:
        above.pop()
    return None


def _children(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The parts of a value, with their paths. Raises what `plain.pack` would raise for a value without parts."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            yield f"{path} key {shown(key)}", key
            _check_member(key)
            yield path + step(key), item
    elif kind in (list, tuple):
        yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
    elif kind in (set, frozenset):
        for member in value:
            yield f"{path} member {shown(member)}", member
            _check_member(member)
    elif kind in (type(None), bool, int, float, str, bytes) or plain.is_extension(kind):
        plain.pack(value)
    else:
        yield path, plain.simpler(value)


def _check_member(value: Any) -> None:
    if type(value) not in (str, int):
        plain.pack({value: None})
