"""Why code and record part: both side by side, what may have been changed, and the ways to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.mismatch import describe
from nexus_sdk.core.payload import Codec
from nexus_sdk.errors import NonDeterminismError
from nexus_sdk.replay.alignment import Pair, Recorded, aligned, around, is_same, outputs_of, text_of
from nexus_sdk.replay.guesses import Change, Difference, Guess, guess
from nexus_sdk.replay.player import Played
from nexus_sdk.replay.source import Place
from nexus_sdk.replay.survey import Asked, survey

_NO_CHANGE = (
    "If nothing was changed, the code does something that differs from run to run (clock, random, environment, "
    "iteration over a set): use ctx.now(), ctx.random, ctx.side_effect or an activity. `nexus lint` finds most of it."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a non-determinism error is about.

    Attributes:
        number: of the recorded event at which they part; None when the record has nothing there.
        pairs: both sides around the first difference.
        guesses: the likeliest first.
        ways: how to mend it, the best first.
    """

    error: NonDeterminismError
    number: int | None
    pairs: tuple[Pair, ...]
    guesses: tuple[Guess, ...]
    ways: tuple[str, ...]

    @property
    def place(self) -> Place | None:
        """The line of the code that asks for something else."""
        first = next((pair for pair in self.pairs if not pair.is_same and pair.asked is not None), None)
        return first.asked.place if first is not None and first.asked is not None else None

    def lines(self, width: int = 100) -> list[str]:
        """It as text: the two columns, the guesses, the ways."""
        return [
            *diff_lines(self.pairs, width),
            "",
            *(("Most likely:  " if i == 0 else "Or:  ") + one.text for i, one in enumerate(self.guesses)),
            "",
            "To mend it:",
            *(f"- {way}" for way in self.ways),
        ]


def explain(workflow: Workflow[Any, Any], played: Played, codec: Codec) -> Explanation:
    """Explain the `NonDeterminismError` that a run was stopped by."""
    error = played.error
    assert isinstance(error, NonDeterminismError)
    bound = codec.bound_to(played.run.header.instance_id)
    recorded = outputs_of(played.run.events)
    if error.mismatch is not None and error.mismatch.given:
        pairs, number = _of_arguments(error, recorded)
        change = Guess(Change.ARGUMENTS, f"What {describe(error.mismatch.asked)} is given was changed.")
        return Explanation(error, number, tuple(pairs), (change,), _ways_for_arguments())
    asked = survey(workflow, played.run, codec)
    first = sum(1 for one in recorded if one.number <= played.reached)
    asked = _held_to(error, recorded, asked, first)
    rows = aligned(recorded[first:], asked[first:])
    there = error.mismatch.recorded if error.mismatch is not None else None
    is_at_end = there is not None and there.is_terminal
    file = workflow.fn.__code__.co_filename
    difference = Difference(recorded[first:], asked[first:], rows, is_at_end, file, bound)
    guesses = guess(difference)
    pairs = around(recorded, asked, first, rows)
    number = recorded[first].number if first < len(recorded) else None
    return Explanation(error, number, tuple(pairs), tuple(guesses), _ways(guesses, difference))


def _held_to(error: NonDeterminismError, recorded: Sequence[Recorded], asked: list[Asked], first: int) -> list[Asked]:
    """What the code asks for, where the survey came by the same way; else only what is known for certain."""
    surveyed = asked[first] if first < len(asked) else None
    certain = error.mismatch.asked if error.mismatch is not None else None
    agrees = all(is_same(one.event, other.event) for one, other in zip(recorded[:first], asked[:first], strict=False))
    if not isinstance(certain, e.Output):
        # The code asked for nothing where something is recorded: what comes later in the survey it asks too late.
        return asked if agrees else [Asked(one.event, None, one.number) for one in recorded[:first]]
    if agrees and surveyed is not None and is_same(surveyed.event, certain):
        return asked
    return [*(Asked(one.event, None, one.number) for one in recorded[:first]), Asked(certain, None, None)]


def _of_arguments(error: NonDeterminismError, recorded: Sequence[Recorded]) -> tuple[list[Pair], int | None]:
    mismatch = error.mismatch
    assert mismatch is not None
    here = next((one for one in recorded if one.event is mismatch.recorded), None)
    asked = Asked(mismatch.asked, None, None) if isinstance(mismatch.asked, e.Output) else None
    return [Pair(here, asked, is_first=True)], here.number if here else None


# --- the ways to mend it ----------------------------------------------------------------------------------------------


def _ways(guesses: Sequence[Guess], difference: Difference) -> tuple[str, ...]:
    change = guesses[0].change
    old = difference.recorded[0].event if difference.recorded else None
    new = difference.asked[0].event if difference.asked else None
    guard = _guard(change, old, new)
    ways = [
        guard,
        'Or make it a new version, and serve both: @workflow(version="2"). Instances keep the version they began with.',
        "Or deploy the code again that this was recorded with.",
    ]
    if isinstance(old, e.WorkflowFailed):
        ways.insert(0, "A run that has failed is not replayed any more. To try its last step again: nexus rewind ID.")
    else:
        ways.append(
            "Or give this instance up: nexus terminate ID, and start it anew. (nexus rewind is for what has failed.)"
        )
    return (*ways, _NO_CHANGE)


def _guard(change: Change, old: e.Output | None, new: e.Output | None) -> str:
    was, now = describe(old), describe(new)
    match change:
        case Change.ADDED:
            return f'Guard what was added: if ctx.patched("…"): {now}. Old runs pass it by.'
        case Change.REMOVED:
            return f'Keep for old runs what was removed: if not ctx.patched("…"): {was}.'
        case Change.RENAMED if isinstance(old, e.ActivityScheduled):
            return f'Keep the recorded name: @activity(name="{old.name}"). Then nothing else needs to be done.'
        case Change.RENAMED if isinstance(old, e.ChildScheduled):
            return f'Keep the recorded name: @workflow(name="{old.workflow}"). Then nothing else needs to be done.'
        case Change.CONDITION | Change.LOOP:
            return 'Let old runs decide as they did: if ctx.patched("…"): the new condition, else: the old one.'
        case Change.MOVED | Change.REGROUPED:
            return 'Keep the old order for old runs: if ctx.patched("…"): the new one, else: the old one.'
        case _:
            return f'Keep the old path for old runs: if ctx.patched("…"): {now}, else: {was}.'


def _ways_for_arguments() -> tuple[str, ...]:
    return (
        "If it was meant: nothing. Production does not compare what operations are given; what has begun keeps what is "
        "recorded.",
        _NO_CHANGE,
    )


# --- the two columns --------------------------------------------------------------------------------------------------


def diff_lines(pairs: Sequence[Pair], width: int) -> list[str]:
    """Recorded on the left, replayed on the right; where that is too narrow, one above the other."""
    rows = [(pair, *_sides(pair)) for pair in pairs]
    left = max([len("recorded"), *(len(old) for _, old, _ in rows)])
    right = max([len("replayed"), *(len(new) for _, _, new in rows)])
    if left + right + 7 > width:
        return [line for pair, old, new in rows for line in _stacked(pair, old, new)]
    lines = [f"   {'recorded':<{left}}  | replayed"]
    lines += [f"{_pointer(pair)} {old:<{left}}  {pair.mark} {new}" for pair, old, new in rows]
    return [line.rstrip() for line in lines]


def _stacked(pair: Pair, old: str, new: str) -> list[str]:
    if pair.is_same:
        return [f"   {new}"]
    sides = [("- recorded ", old), ("+ replayed ", new)]
    said = [f"{head}{text}" for head, text in sides if text]
    return [f"{_pointer(pair) if i == 0 else '  '} {line}" for i, line in enumerate(said)]


def _sides(pair: Pair) -> tuple[str, str]:
    old = text_of(pair.recorded.event, pair.recorded.event.site) if pair.recorded else ""
    new = ""
    if pair.asked is not None:
        new = text_of(pair.asked.event, pair.asked.place.short if pair.asked.place else pair.asked.event.site)
    return old, new


def _pointer(pair: Pair) -> str:
    return "->" if pair.is_first else "  "
