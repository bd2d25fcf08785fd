"""Which instance ids are acceptable."""

from __future__ import annotations

from typing import Any

from nexus_sdk.errors import InvalidArgument

ID_LENGTH_MAX = 256
RESERVED_PREFIX = "nexus:"


def check_instance_id(id: Any) -> str:
    """The id, if it is one: 1 to 256 printable characters without blanks at the ends, not reserved.

    Raises:
        InvalidArgument: it is not.
    """
    if not isinstance(id, str):
        raise InvalidArgument(f"an instance id is a text, got {type(id).__name__}.")
    if not 1 <= len(id) <= ID_LENGTH_MAX:
        raise InvalidArgument(f"an instance id has 1 to {ID_LENGTH_MAX} characters, got {len(id)}.")
    if not id.isprintable() or id != id.strip():
        raise InvalidArgument(
            f"instance id {id[:60]!r}: only printable characters, and no blanks at either end, are allowed."
        )
    if id.startswith(RESERVED_PREFIX):
        raise InvalidArgument(f"instance id {id[:60]!r}: ids beginning with {RESERVED_PREFIX!r} are reserved.")
    return id
