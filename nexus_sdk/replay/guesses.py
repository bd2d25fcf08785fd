"""What may have been changed, told from the first difference and from how code and record go on behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nexus_sdk.core import events as e
from nexus_sdk.core.mismatch import bound, describe, is_other_value, same
from nexus_sdk.core.payload import Codec
from nexus_sdk.replay.alignment import Pair, Recorded
from nexus_sdk.replay.branches import Decider, callers_of, deciders_of
from nexus_sdk.replay.source import Place
from nexus_sdk.replay.survey import Asked


class Change(StrEnum):
    """A kind of edit."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    RENAMED = "renamed"
    REPLACED = "replaced"
    REGROUPED = "regrouped"
    CONDITION = "condition"
    LOOP = "loop"
    ENDED = "ended"
    ARGUMENTS = "arguments"


@dataclass(frozen=True, slots=True)
class Guess:
    """A change that would explain the difference, as a sentence."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference, with what follows on both sides.

    Attributes:
        recorded, asked: each side from the difference on; empty where nothing follows.
        rows: both, aligned.
        is_at_end: the end of the run is recorded right where the code asks for something else.
        file: the workflow's source.
    """

    recorded: Sequence[Recorded]
    asked: Sequence[Asked]
    rows: Sequence[Pair]
    is_at_end: bool
    file: str
    codec: Codec


def guess(difference: Difference) -> list[Guess]:
    """The likeliest change first, then what else would explain it."""
    main = _main(difference)
    others = _deciders(difference)
    # A name that the source still has was not removed and not renamed: something decides otherwise now.
    is_still_there = main.change in (Change.REMOVED, Change.RENAMED, Change.REPLACED, Change.ENDED)
    return [*others, main] if others and is_still_there else [main, *others]


def _main(difference: Difference) -> Guess:
    old = difference.recorded[0].event if difference.recorded else None
    new = difference.asked[0] if difference.asked else None
    if old is None and new is None:
        return Guess(Change.ENDED, "The code asks for nothing that is recorded here.")
    if new is None:
        assert old is not None
        return Guess(Change.REMOVED, f"{_name(old)} was removed: the code asks for nothing more.")
    if old is None:
        return Guess(Change.ADDED, f"{_told(new)} was added: history has nothing here.")
    if new.event.is_terminal or old.is_terminal:
        return _at_an_end(old, new, difference)
    if same(old, new.event):
        return Guess(
            Change.REGROUPED,
            f"{_name(old)} is the same, but in another place of the code's structure: it was operation {old.path} "
            f"and is now {new.event.path}. Something was wrapped in a group or a helper, or taken out of one.",
        )
    return _between(old, new, difference)


def _between(old: e.Output, new: Asked, difference: Difference) -> Guess:
    comes_later = any(same(asked.event, old) for asked in difference.asked[1:])
    was_later = any(same(one.event, new.event) for one in difference.recorded[1:])
    if comes_later and was_later and _is_moved(old, new.event, difference.rows):
        return Guess(Change.MOVED, f"{_name(old)} and {_told(new)} have changed places: one of them was moved.")
    if comes_later and (not was_later or difference.rows[0].recorded is None):
        return Guess(Change.ADDED, f"{_told(new)} was added in front of {describe(old)}.")
    if was_later:
        return Guess(Change.REMOVED, f"{_name(old)} was removed: the code goes on with {describe(new.event)}.")
    if type(old) is type(new.event) and _is_given_the_same(old, new.event, difference.codec):
        return Guess(Change.RENAMED, f"{_name(old)} was renamed: it is {_told(new)} now, and is given the same.")
    return Guess(Change.REPLACED, f"{_name(old)} was replaced by {_told(new)}.")


def _is_moved(old: e.Output, new: e.Output, rows: Sequence[Pair]) -> bool:
    """Whether one of them is missing in one place and is too many in another."""
    is_missing = any(pair.asked is None and pair.recorded and same(pair.recorded.event, new) for pair in rows)
    is_surplus = any(pair.recorded is None and pair.asked and same(pair.asked.event, old) for pair in rows)
    return is_missing or is_surplus


def _at_an_end(old: e.Output, new: Asked, difference: Difference) -> Guess:
    if new.event.is_terminal and old.is_terminal:
        return Guess(
            Change.ENDED, f"The run ended with {describe(old)}, and the code now ends with {describe(new.event)}."
        )
    if new.event.is_terminal:
        how = "fails" if isinstance(new.event, e.WorkflowFailed) else "ends"
        return Guess(Change.REMOVED, f"{_name(old)} was removed, or the code {how} before it comes to it.")
    where = "behind what was the end." if difference.is_at_end else "where history has nothing."
    return Guess(Change.ADDED, f"{_told(new)} was added {where}")


def _deciders(difference: Difference) -> list[Guess]:
    """Conditions and loops that may decide otherwise than they did."""
    guesses: list[Guess] = []
    if difference.recorded:
        old = difference.recorded[0].event
        is_gone = not any(same(asked.event, old) for asked in difference.asked)
        if is_gone and not old.is_terminal:
            guesses += _told_deciders(
                [decider for place in callers_of(old, difference.file) for decider in deciders_of(place)[:1]],
                f"{_name(old)} is still in the code",
            )
    if difference.asked and not guesses:
        new = difference.asked[0]
        is_new = not any(same(one.event, new.event) for one in difference.recorded)
        if is_new and new.place is not None and not new.event.is_terminal:
            guesses += _told_deciders(deciders_of(new.place)[:1], f"{_told(new)} was not asked for then")
    return guesses


def _told_deciders(deciders: Sequence[Decider], because: str) -> list[Guess]:
    told: dict[Place, Guess] = {}
    for decider in deciders:
        if decider.is_loop:
            text = f"{because}: does the loop at {_quoted(decider.place)} go round more or less often now?"
        else:
            text = f"{because}: does the condition at {_quoted(decider.place)} decide otherwise now?"
        told.setdefault(decider.place, Guess(Change.LOOP if decider.is_loop else Change.CONDITION, text))
    return list(told.values())


def _is_given_the_same(old: e.Output, new: e.Output, codec: Codec) -> bool:
    for field in ("arguments", "payload", "due_us"):
        before, now = getattr(old, field, None), getattr(new, field, None)
        if before is None and now is None:
            continue
        if field == "due_us" or before is None or now is None:
            return bool(before == now)
        return not is_other_value(before, now, bound(codec, old), bound(codec, new))
    return True


def _name(event: e.Output) -> str:
    text = describe(event)
    site = f" (recorded at {event.site})" if event.site else ""
    return f"{text[:1].upper()}{text[1:]}{site}"


def _told(asked: Asked) -> str:
    return f"{describe(asked.event)}{f' ({asked.place.short})' if asked.place else ''}"


def _quoted(place: Place) -> str:
    return f"{place.short} (`{place.text}`)" if place.text else place.short
