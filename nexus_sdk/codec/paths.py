"""Where in a value the trouble is: `$.items[3].price`. Slow, and only on the way to an error.

The walk takes the same steps as `plain.pack`, so it finds what stopped that. Nothing here shows more of a value than
one short scalar, and nothing at all of a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.codec.custom import NO_TYPES, CustomTypes
from nexus_sdk.codec.depth import DEPTH_MAX
from nexus_sdk.codec.extensions import DIGITS_MAX
from nexus_sdk.codec.plainer import KIND, Refused, simpler
from nexus_sdk.codec.secret import PydanticSecret, Secret
from nexus_sdk.errors import PayloadError

ROOT = "$"
SHOWN_MAX = 60
_PATH_MAX = 200
_STEPS_MAX = 250
_HINT = "Pass plain data, a dataclass or a pydantic model; keep live objects inside activities."
_SECRET_HINT = "Give the app a codec that encrypts (extra `encryption`), or keep the secret out of the workflow."
_DEPTH_HINT = "Keep the parts in a flat list with references between them, or keep the whole elsewhere."
_SCALARS = (type(None), bool, int, float, str, bytes)
_CONTAINERS = (list, dict, tuple, set, frozenset)


def shown(value: Any) -> str:
    """A value for a message: its type, and a scalar itself in at most 60 characters. A container only by its size."""
    kind = type(value)
    if issubclass(kind, list | dict | tuple | set | frozenset):
        return f"{kind.__name__} of {len(value)}"
    is_scalar = kind in _SCALARS or (plain.is_extension(kind) and kind is not Secret) or issubclass(kind, Enum)
    return f"{kind.__name__} {_short(value)}" if is_scalar else kind.__name__


def _short(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**DIGITS_MAX:
        return f"of more than {DIGITS_MAX:,} digits"
    try:
        text = repr(value[: SHOWN_MAX * 2] if type(value) in (str, bytes) else value)
    except Exception as error:  # its own code failed, and a message about something else is due
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def step(key: Any) -> str:
    """How a path goes on at a key of a mapping or an index of a sequence."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() and len(key) <= SHOWN_MAX else f"[{_short(key)}]"


def shortened(path: str) -> str:
    """A path for a message: a long one without its middle."""
    return path if len(path) <= _PATH_MAX else f"{path[: _PATH_MAX // 2]}…{path[-_PATH_MAX // 2 :]}"


def explain(
    value: Any, error: Exception, *, types: CustomTypes = NO_TYPES, allow_secrets: bool = False
) -> PayloadError:
    """The error to raise when `plain.pack(value)` raised `error`: it names the place."""
    path, reason = _Walk(types, allow_secrets).locate(value, ROOT, [], 0) or (ROOT, _reason(error))
    hint = _SECRET_HINT if reason.startswith("a secret ") else _DEPTH_HINT if "nested" in reason else _HINT
    return PayloadError(f"{shortened(path)}: {reason}.", hint=hint)


def largest_part(value: Any, *, types: CustomTypes = NO_TYPES, allow_secrets: bool = False) -> tuple[str, int]:
    """The path and the bytes of the part that makes a value large: the innermost that is most of what it lies in."""
    walk = _Walk(types, allow_secrets)
    path, size = ROOT, walk.size(value)
    for _ in range(DEPTH_MAX):
        parts = [(where, part, walk.size(part)) for where, part in walk.parts(value, path)]
        where, part, bytes_ = max(parts, key=lambda found: found[2], default=(path, value, 0))
        if bytes_ * 2 < size:
            break
        path, value, size = where, part, bytes_
    return shortened(path), size


def _reason(error: Exception) -> str:
    if isinstance(error, Refused):
        return error.reason
    if isinstance(error, UnicodeEncodeError):
        return "the text holds a lone surrogate, which is no character"
    if isinstance(error, RecursionError) or "recursion limit" in str(error):
        return f"the value is nested more than {DEPTH_MAX} levels deep"
    said = str(error)
    return f"it cannot be encoded ({type(error).__name__}: {said[:200]}{'…' if len(said) > 200 else ''})"


class _Walk:
    """Takes the steps of one call of `plain.pack`."""

    def __init__(self, types: CustomTypes, allow_secrets: bool) -> None:
        self.types = types
        self.allow_secrets = allow_secrets

    def pack(self, value: Any) -> bytes:
        return plain.pack(value, types=self.types, allow_secrets=self.allow_secrets)

    def size(self, value: Any) -> int:
        return len(self.pack(value))

    def locate(self, value: Any, path: str, above: list[int], depth: int) -> tuple[str, str] | None:
        """The path and reason of the first thing that cannot be written, depth first; None when all can."""
        if id(value) in above:
            return path, "the value contains itself"
        depth += type(value) in _CONTAINERS
        if depth > DEPTH_MAX or len(above) >= _STEPS_MAX:
            return path, f"the value is nested more than {DEPTH_MAX} levels deep"
        above.append(id(value))
        try:
            for where, part in self.parts(value, path):
                if trouble := self.locate(part, where, above, depth):
                    return trouble
            self.check(value)
        except Exception as error:  # whatever the value's own code raises is the reason that is sought
            return path, _reason(error)
        finally:
            above.pop()
        return None

    def parts(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        """The parts of a value, with their paths. Raises what `plain.pack` raises of the value itself."""
        kind = type(value)
        if kind is dict:
            for key, item in value.items():
                if type(key) is not type(KIND):
                    yield f"{path} key {_short(key)}", key
                    yield path + step(key), item
        elif kind in (list, tuple):
            yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
        elif kind in (set, frozenset):
            yield from ((f"{path} member {_short(member)}", member) for member in value)
        elif kind not in _SCALARS and not plain.is_extension(kind):
            codec = plain.codec_of(kind, self.types)
            yield path, simpler(value) if codec is None else plain.plain_of(value, codec)

    def check(self, value: Any) -> None:
        """Raise what stands in the way although all parts of the value can be written."""
        kind = type(value)
        if kind in (Secret, PydanticSecret):
            self.check_secret(value)
        elif kind is dict and any(type(key) not in (str, int) for key in value):
            self.pack(dict.fromkeys(value))
        elif kind in _SCALARS or (plain.is_extension(kind) and kind is not tuple):
            self.pack(value)

    def check_secret(self, value: Any) -> None:
        try:
            self.pack(value)
        except Exception as error:
            if not self.allow_secrets:
                raise
            name = type(error).__name__
            raise Refused(f"what a secret holds cannot be encoded ({name}); it is not shown") from None
