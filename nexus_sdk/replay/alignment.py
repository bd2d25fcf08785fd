"""Recorded and replayed side by side: the operations of both, aligned around the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from nexus_sdk.core import events as e
from nexus_sdk.core.mismatch import describe, key_of
from nexus_sdk.replay.survey import Asked

BEFORE = 3
"""So many operations are shown before the first difference,"""

AFTER = 6
"""and so many from there on."""

AHEAD = 200
"""So many operations from the difference on are looked at."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded output and its number."""

    number: int
    event: e.Output


@dataclass(frozen=True, slots=True)
class Pair:
    """A row: what is recorded, what the code asks for, and whether that is the same. One of them may be missing."""

    recorded: Recorded | None
    asked: Asked | None
    is_first: bool = False

    @property
    def is_same(self) -> bool:
        """Whether both are there and agree."""
        one, other = self.recorded, self.asked
        return one is not None and other is not None and is_same(one.event, other.event)

    @property
    def mark(self) -> str:
        """``|`` the same, ``~`` the same in another place, ``-`` recorded only, ``+`` asked for only."""
        if self.recorded is None or self.asked is None:
            return "+" if self.recorded is None else "-"
        return "|" if self.is_same else "~"


def is_same(one: e.Output, other: e.Output) -> bool:
    """Whether a replay takes one for the other."""
    return key_of(one) == key_of(other) and one.path == other.path


def outputs_of(events: Sequence[e.Event]) -> list[Recorded]:
    """What the code asked for, as recorded, without what a replay passes over."""
    return [
        Recorded(number, event)
        for number, event in enumerate(events, start=1)
        if isinstance(event, e.Output) and not event.is_ignorable and not isinstance(event, e.PatchDecided)
    ]


def around(recorded: Sequence[Recorded], asked: Sequence[Asked], first: int, rows: Sequence[Pair]) -> list[Pair]:
    """What is shown: some rows before the difference at index `first` of both, and some of the `rows` from there on."""
    before = [Pair(recorded[i], asked[i]) for i in range(max(0, first - BEFORE), min(first, len(asked)))]
    return [*before, *rows[:AFTER]]


def aligned(recorded: Sequence[Recorded], asked: Sequence[Asked]) -> list[Pair]:
    """The rows from the first difference on, which is where both sequences begin."""
    old, new = recorded[:AHEAD], asked[:AHEAD]
    matcher = SequenceMatcher(
        None, [key_of(one.event) for one in old], [key_of(one.event) for one in new], autojunk=False
    )
    tail: list[Pair] = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            tail += [Pair(one, other) for one, other in zip(old[a:b], new[c:d], strict=True)]
        else:
            tail += [Pair(one, None) for one in old[a:b]]
            tail += [Pair(None, other) for other in new[c:d]]
    if tail:
        tail[0] = Pair(tail[0].recorded, tail[0].asked, is_first=True)
    return tail


def text_of(event: e.Output, site: str) -> str:
    """One side of a row: ``1.0 activity 'charge' (orders.py:31)``."""
    path = f"{event.path} " if event.path else ""
    return f"{path}{describe(event)}{f' ({site})' if site else ''}"
