"""How the time of an invocation is divided. The one rule: when it is over, everything was given back."""

from __future__ import annotations

from dataclasses import dataclass

RESERVED_SECONDS = 2.0
"""So long before an invocation ends all that runs is given back; of a short one a fifth."""

DRAIN_SECONDS = 20.0
"""So long before that nothing more is begun, and activities that run may finish; of a short one a quarter."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Times of one invocation, in seconds.

    Attributes:
        taking: how long work is begun, or waited for.
        draining: how long what runs then may still take.
        reserved: how long the giving back may take, and the answer.
    """

    taking: float
    draining: float
    reserved: float

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """The budget of an invocation that may still take so long."""
        seconds = max(seconds, 0.0)
        reserved = min(RESERVED_SECONDS, seconds / 5)
        draining = min(DRAIN_SECONDS, seconds / 4)
        return cls(seconds - reserved - draining, draining, reserved)
