"""What was reached by a number of runs, how often, and what was not: with the reason, where it cannot be.

Every fault is counted by where it struck (`rates.PLACES` says where it can); events, transitions of status and codes of
errors by what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from nexus_sdk.core import events as e
from nexus_sdk.core.status import TRANSITIONS, Status
from nexus_sdk.errors import Codes
from nexus_sdk.testing.simulation.rates import OUT_OF_REACH, PLACES

ENOUGH = 100
"""So often every fault must have struck at each of its places, in a nightly run of `NIGHTLY_SEEDS`."""

NIGHTLY_SEEDS = 50_000


@dataclass(slots=True)
class Coverage:
    """How often what was reached. Coverages of several runs can be added up."""

    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By fault and place: a store verb, or one of its sub-steps."""
    events: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """Codes of errors: those recorded in failures, and those that clients got."""
    acts: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Count what another run reached, too."""
        for name in ("faults", *_TITLES):
            getattr(self, name).update(getattr(other, name))

    @property
    def seeds(self) -> int:
        """How many runs were counted."""
        return self.profiles.total()

    def lines(self) -> Iterator[str]:
        """A report, what was never reached last."""
        yield from self._table()
        for name, title in _TITLES.items():
            yield f"{title}:"
            for key, count in sorted(getattr(self, name).items(), key=str):
                yield f"  {count:>9,}  {' → '.join(key) if isinstance(key, tuple) else key}"
        yield "never reached:"
        for what, why in self._missing():
            yield f"  {what}{f': {why}' if why else ''}"
        seldom = list(self.seldom())
        yield f"faults that would strike somewhere less than {ENOUGH} times in {NIGHTLY_SEEDS:,} seeds: {len(seldom)}"
        for fault, place, count in seldom:
            yield f"  {count:>9,}  {fault} {place}"

    def seldom(self) -> Iterator[tuple[str, str, int]]:
        """The faults that struck too seldom at some place, with how often, for so many seeds."""
        for fault, places in PLACES.items():
            for place in sorted(places):
                count = self.faults[fault, place]
                is_enough = count * NIGHTLY_SEEDS >= ENOUGH * max(1, self.seeds)
                if not is_enough and (fault, place) not in UNREACHABLE:
                    yield fault, place, count

    def unexplained(self) -> list[str]:
        """What was never reached, and nobody says why."""
        return [what for what, why in self._missing() if not why]

    def _table(self) -> Iterator[str]:
        """Faults by place, the faults as columns."""
        columns = list(PLACES)
        initials = [_initials(fault) for fault in columns]
        yield "faults by store verb and sub-step:"
        yield from (f"  {short} = {fault}" for short, fault in zip(initials, columns, strict=True))
        yield "  " + f"{'':<16}" + "".join(f"{short:>7}" for short in initials)
        for place in sorted({place for places in PLACES.values() for place in places}):
            cells = (f"{self.faults[fault, place]:,}" if place in PLACES[fault] else "" for fault in columns)
            yield "  " + f"{place:<16}" + "".join(f"{cell:>7}" for cell in cells)
        for (fault, place), count in sorted(self.faults.items()):
            if place not in PLACES.get(fault, ()):
                yield f"  beside: {fault} {place} {count:,}"

    def _missing(self) -> Iterator[tuple[str, str]]:
        for fault, places in PLACES.items():
            for place in sorted(places):
                if not self.faults[fault, place]:
                    yield f"fault {fault} {place}", UNREACHABLE.get((fault, place), "")
        for kind in sorted(kind.__name__ for kind in e.KINDS.values()):
            if not self.events[kind]:
                yield f"event {kind}", UNREACHABLE.get(("event", kind), "")
        for status, row in TRANSITIONS.items():
            for then in dict.fromkeys(row.values()):
                if not self.transitions[status, then]:
                    yield f"transition {status} → {then}", UNREACHABLE.get((status, then), "")
        for code in sorted(Codes.all):
            if not self.codes[code]:
                yield f"code {code} {Codes.all[code].__name__}", UNREACHABLE.get(("code", code), "")


def status_change(before: Status | None, after: Status) -> tuple[str, str]:
    """As a key of `Coverage.transitions`."""
    return (before or "nothing", after)


def _initials(fault: str) -> str:
    first, *rest = fault.split()
    return "".join([first[:3], *(word[0] for word in rest)])


_TITLES = {
    "profiles": "runs by store",
    "acts": "acts of clients",
    "events": "events",
    "transitions": "transitions",
    "codes": "codes of errors",
}

_CODES_OUT_OF_REACH = {
    "NX1": "told where code is written, before anything is sent",
    "NX202 NX203 NX204 NX208": "programs keep the rules of workflow code",
    "NX206": "nothing spins in one thread: see tests/engine",
    "NX207": "turns fail of nothing here but of damage, which has a code of its own",
    "NX209": "histories are short here: see tests/engine/test_history_limits.py",
    "NX321 NX322 NX406": "told where a call is made, before anything is sent",
    "NX404": "stores in memory have no schema",
    "NX405": "stores are handed over, not found by URL",
    "NX501": "programs are values that can be encoded",
    "NX502": "only thousands of operations in one turn are too large for a commit",
    "NX504 NX505": "the codec of the simulation neither encrypts nor seals",
    "NX613": "caught by the programs that wait",
    "NX7": "of testing tools that the simulation does not use",
    "NX8": "of the command line",
}
"""Codes, or how those of a range begin, that no run can reach, and why."""

UNREACHABLE: dict[tuple[str, str], str] = {
    ("event", "LookRequested"): "a message that is never recorded",
    **{(fault, step): why for fault in PLACES for step, why in OUT_OF_REACH.items()},
    **{("code", code): "a base of others" for code in ("NX000", "NX200", "NX310", "NX610")},
    **{
        ("code", code): why
        for beginnings, why in _CODES_OUT_OF_REACH.items()
        for code in Codes.all
        if code.startswith(tuple(beginnings.split()))
    },
}
"""What no run can reach, and why."""
