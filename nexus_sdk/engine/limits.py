"""How long a history may become: from one length on the log says so, once; from another on the instance is blocked.

The one rule: the length is known from the turns themselves. Nothing is counted for it, or read again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from nexus_sdk.core.history import LONG_BYTES, LONG_EVENTS
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import DefinitionError, HistoryTooLong

Length = tuple[int, int]
"""Events and bytes, as `HistorySize` counts them."""

_REMEDY = "Let the workflow continue as new in time: `if ctx.history.is_long: yield ctx.continue_as_new(...)`."


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How long the history of a run may become. See `HistorySize` for what is counted.

    Attributes:
        events_warn, bytes_warn: when one of them is reached, a warning is logged, once for the run. By default what
            `ctx.history.is_long` goes by.
        events_max, bytes_max: when one of them is reached, the next turn blocks the instance, NX209. Raise it and
            resume: the instance goes on.

    Raises:
        DefinitionError: a limit is no whole number from 1 on.
    """

    events_warn: int = LONG_EVENTS
    bytes_warn: int = LONG_BYTES
    events_max: int = 100_000
    bytes_max: int = 100_000_000

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if type(value) is not int or value < 1:
                raise DefinitionError(
                    f"HistoryLimits: {one.name} must be a whole number from 1 on, got {shown(value)}.",
                    hint="Leave it out for its default.",
                )

    def is_warned_of(self, length: Length) -> bool:
        """Whether a history of this length is one to warn of."""
        return length[0] >= self.events_warn or length[1] >= self.bytes_warn

    def check(self, instance_id: str, length: Length) -> None:
        """Stop at a history that is too long for another turn.

        Raises:
            HistoryTooLong: it is.
        """
        if length[0] >= self.events_max or length[1] >= self.bytes_max:
            raise HistoryTooLong(
                f"{instance_id}: its history has {text_of(length)}; the limit is {self.events_max:,} events or "
                f"{self.bytes_max:,} bytes.",
                hint=f"To let it go on: raise history_limits of the app and resume it. {_REMEDY}",
            )

    def warning(self, instance_id: str, length: Length) -> str:
        """What the log says of a long history."""
        return (
            f"the history of {instance_id} is long: {text_of(length)}. At {self.events_max:,} events or "
            f"{self.bytes_max:,} bytes it will be blocked. {_REMEDY}"
        )


DEFAULT_LIMITS = HistoryLimits()


def text_of(length: Length) -> str:
    """A length in words."""
    return f"{length[0]:,} events and {length[1]:,} bytes"
