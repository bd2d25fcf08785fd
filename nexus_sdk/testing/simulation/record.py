"""What is written down of a run: its trace, and what its activities did to the world.

The ledger is independent of the store: it knows effects only from the activities themselves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256


class Trace:
    """Everything that happened, line by line, with the true time."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, now_us: int, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append(f"{now_us} {who}: {what}")

    @property
    def hash(self) -> str:
        """The same for the same run."""
        digest = sha256()
        for line in self.lines:
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Effect:
    """One time that an activity's function took effect.

    Attributes:
        key: its idempotency key.
        what, number: the activity, and the node of the program that asked for it.
        attempt: which one it took itself for.
    """

    key: str
    what: str
    number: int
    attempt: int
    instance_id: str


class Ledger:
    """What activities did, told by themselves."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.counts: Counter[str] = Counter()
        """By idempotency key."""

    def add(self, effect: Effect) -> int:
        """How many there are with this key, this one included."""
        self.effects.append(effect)
        self.counts[effect.key] += 1
        return self.counts[effect.key]
