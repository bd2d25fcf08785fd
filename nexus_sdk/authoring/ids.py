"""Which instance ids are acceptable."""

from __future__ import annotations

from typing import Any

from nexus_sdk.authoring.names import NAME_LENGTH_MAX, RESERVED_PREFIX, check_name
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument

ID_LENGTH_MAX = NAME_LENGTH_MAX


def check_instance_id(id: Any) -> str:
    """The id, if it is one: 1 to 256 printable characters without blanks at the ends, not reserved.

    Raises:
        InvalidArgument: it is not.
    """
    check_name(id, "an instance id")
    if id.startswith(RESERVED_PREFIX):
        raise InvalidArgument(
            f"instance id {shown(id)}: ids beginning with {RESERVED_PREFIX!r} are reserved.", hint="Choose another."
        )
    return str(id)
