"""Which names and texts are acceptable: of instances, events, queues, requests, attributes, and the rest.

The one rule: what is accepted here can be kept by every store, typed in a shell, and read in a log.
"""

from __future__ import annotations

from typing import Any

from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError, InvalidArgument

NAME_LENGTH_MAX = 256
REASON_LENGTH_MAX = 8_000
RESERVED_PREFIX = "nexus:"

_ACCEPTED = f"1 to {NAME_LENGTH_MAX} printable characters, without blanks at either end."


def check_name(name: Any, what: str) -> str:
    """The name, if it is one: 1 to 256 printable characters without blanks at the ends.

    Args:
        what: what it names, with its article: ``an event's name``.

    Raises:
        InvalidArgument: it is not.
    """
    if not isinstance(name, str):
        raise InvalidArgument(f"{what} is a text, got {shown(name)}.", hint=f"Accepted: {_ACCEPTED}")
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise InvalidArgument(
            f"{what} has 1 to {NAME_LENGTH_MAX} characters, got {len(name):,}.", hint=f"Accepted: {_ACCEPTED}"
        )
    if not name.isprintable() or name != name.strip():
        raise InvalidArgument(
            f"{what} has only printable characters and no blanks at either end, got {shown(name)}.",
            hint=f"Accepted: {_ACCEPTED}",
        )
    return name


def check_defined_name(name: Any, what: str) -> str:
    """Like `check_name`, for what a definition names; those beginning with ``nexus:`` are reserved.

    Raises:
        DefinitionError: it is no name, or reserved.
    """
    try:
        check_name(name, what)
    except InvalidArgument as error:
        raise DefinitionError(error.message, hint=error.hint) from None
    if name.startswith(RESERVED_PREFIX):
        raise DefinitionError(
            f"{what} is {shown(name)}: names beginning with {RESERVED_PREFIX!r} are reserved.", hint="Choose another."
        )
    return str(name)


def check_reason(reason: Any) -> str:
    """The reason of a cancel, terminate or suspend, if it is one: any text that can be recorded.

    Raises:
        InvalidArgument: no text, too long, or not encodable.
    """
    if not isinstance(reason, str):
        raise InvalidArgument(f"a reason is a text, got {shown(reason)}.", hint="Leave it out, or say it in words.")
    if len(reason) > REASON_LENGTH_MAX:
        raise InvalidArgument(
            f"a reason has at most {REASON_LENGTH_MAX:,} characters, got {len(reason):,}.",
            hint="It is recorded in the history: keep it short.",
        )
    try:
        reason.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            "a reason holds a lone surrogate, which is no character.", hint="Decode the text with its real encoding."
        ) from None
    return reason
