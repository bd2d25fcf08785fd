"""What is written down of a run: its trace, what it covered, and what its activities did to the world.

The ledger is independent of the store: it knows effects only from the activities themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from nexus_sdk.core import events as e
from nexus_sdk.core.status import TRANSITIONS, Status
from nexus_sdk.errors import Codes


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


@dataclass(slots=True)
class Coverage:
    """How often what was reached. Coverages of several runs can be added up."""

    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By fault and store verb."""
    events: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """Codes of errors: those recorded in failures, and those that clients got."""
    acts: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Count what another run reached, too."""
        for name in _TITLES:
            getattr(self, name).update(getattr(other, name))

    def lines(self) -> Iterable[str]:
        """A report, what was never reached last."""
        for name, title in _TITLES.items():
            yield f"{title}:"
            for key, count in sorted(getattr(self, name).items(), key=str):
                yield f"  {count:>9,}  {' '.join(key) if isinstance(key, tuple) else key}"
        yield "never reached:"
        for line in self._missing():
            yield f"  {line}"

    def _missing(self) -> Iterable[str]:
        for kind in sorted(kind.__name__ for kind in e.KINDS.values() if not issubclass(kind, e.LookRequested)):
            if not self.events[kind]:
                yield f"event {kind}"
        for status, row in TRANSITIONS.items():
            for then in dict.fromkeys(row.values()):
                if not self.transitions[status, then]:
                    yield f"transition {status} → {then}"
        for code in sorted(Codes.all):
            if not self.codes[code]:
                yield f"code {code} {Codes.all[code].__name__}"


_TITLES = {
    "profiles": "runs by store",
    "acts": "acts of clients",
    "faults": "faults by verb",
    "events": "events",
    "transitions": "transitions",
    "codes": "codes of errors",
}


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


def status_change(before: Status | None, after: Status) -> tuple[str, str]:
    """As a key of `Coverage.transitions`."""
    return (before or "nothing", after)
