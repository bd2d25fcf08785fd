"""A replay for people and for machines: a row per event with the source line that asked for it. Data in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from rich.cells import cell_len, set_cell_size

from nexus_sdk.cli import output
from nexus_sdk.cli.mistakes import described
from nexus_sdk.cli.output import Piece
from nexus_sdk.cli.timeline import WIDE, Row, rows_of
from nexus_sdk.codec.wire_json import event_to_json
from nexus_sdk.core.payload import Codec
from nexus_sdk.replay.explanation import Explanation
from nexus_sdk.replay.player import Played
from nexus_sdk.replay.recorded import Recording
from nexus_sdk.replay.source import Place
from nexus_sdk.replay.standing import Standing, Strand

WHAT_SHARE = 0.52
"""So much of a wide terminal is for what happened; the rest, for the source line."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReplayText:
    """A replay as lines.

    Args:
        codec: the app's.
    """

    def __init__(self, recording: Recording, played: Played, codec: Codec) -> None:
        self.recording = recording
        self.played = played
        self.rows: list[Row] = list(rows_of(played.run.batches, codec.bound_to(recording.instance_id)))
        self._digits = len(str(len(self.rows)))
        self._event_width = max((len(row.event) for row in self.rows), default=0)

    def head(self) -> list[Piece]:
        """Whose run it is."""
        created, runs = self.played.run.created, len(self.recording.runs)
        last = max(run.number for run in self.recording.runs)
        number = f", run {self.played.run.number} of {last}" if runs > 1 or last > 1 else ""
        began = output.day_text(self.rows[0].stamped_at_us)
        return [
            (self.recording.instance_id, "bold"),
            f"  {created.workflow}{number}, {len(self.rows):,} events, {began}",
        ]

    def lines(self, row: Row, width: int) -> Iterator[list[Piece]]:
        """An event: one line where it is wide, two where it is not."""
        number: Piece = (f"{row.number:>{self._digits}}  ", "dim")
        time: Piece = (f"{output.clock_text(row.stamped_at_us)}  ", "dim")
        what = self.what(row)
        source = self.source(row)
        if width >= WIDE:
            room = self._what_width(width)
            text, style = what[0]
            rest = f"  {what[1]}" if what[1] else ""
            cut = _fitted(f"{text:<{self._event_width}}{rest}", room, is_cut=width < output.ENDLESS)
            yield [number, time, (cut[: self._event_width], style), cut[self._event_width :], "  ", *source]
            return
        yield [number, time, what[0], f" {what[1]}"]
        if source:
            yield [" " * (self._digits + 4), *source]

    def what(self, row: Row) -> tuple[tuple[str, str], str]:
        """What happened: the event with its style, and the rest."""
        style = row.tone if row.number <= self.played.reached else "dim"
        return (row.event, style), " ".join(part for part in (row.operation, row.detail) if part)

    def source(self, row: Row) -> list[Piece]:
        """The line that asked for it: today's where the code came to it, else the one that was recorded."""
        place = self.played.places.get(row.number)
        if place is not None:
            return [(f"{place.short}  ", "dim"), place.text]
        return [(f"{row.site} (recorded)", "dim")] if row.site else []

    def verdict(self) -> Iterator[list[Piece]]:
        """What came of it."""
        played, count = self.played, len(self.rows)
        for warned in played.warnings:
            place = f" ({warned.place.short})" if warned.place else ""
            yield [("warning  ", "yellow"), f"event {warned.number:,}{place}: {warned.text}"]
        if played.error is None:
            yield [(f"{_tick()} ", "bold green"), ("all of it replays with this code", "bold"), f": {count:,} events"]
            return
        error = played.error
        yield [(f"{_cross()} ", "bold red"), (f"the replay stops behind event {played.reached:,} of {count:,}", "bold")]
        yield [(f"[{error.code}] ", "bold red"), error.message]
        if error.hint and error.code != "NX201":  # of that the explanation says more
            yield [error.hint]

    @cached_property
    def _longest(self) -> int:
        return min(60, max((cell_len(self.what(row)[1]) for row in self.rows), default=0))

    def _what_width(self, width: int) -> int:
        if width >= output.ENDLESS:
            return self._event_width + 2 + self._longest
        return max(self._event_width + 12, int((width - self._digits - 18) * WHAT_SHARE))


def put_rows(text: ReplayText, until: int | None) -> None:
    """Show the rows on stdout, up to an event."""
    width, day = output.width_of(), ""
    for row in text.rows[:until]:
        today = output.day_text(row.stamped_at_us)
        if day and today != day:
            output.put((f"{'':>{len(str(len(text.rows)))}}  {today}", "dim"))
        day = today
        for line in text.lines(row, width):
            output.put_cut(*line)
        if row.number == text.played.reached and text.played.error is not None:
            output.put((f"{_cross()} the code goes another way from here", "bold red"))


def put_standing(standing: Standing | None, place: Place | None) -> None:
    """Show where the workflow stands, and what it knows."""
    output.put("")
    strands = standing.strands if standing is not None else ()
    if not strands:
        output.put(
            "The code has ended, or has not begun." if place is None else f"It stands at {place.short}  {place.text}"
        )
        return
    for strand in strands:
        output.put_cut(*strand_head(strand))
        for name, value in strand_lines(strand):
            output.put_hanging([name], value)
    if standing is not None and standing.hidden:
        output.put((f"  and {standing.hidden:,} more strands", "dim"))


def strand_head(strand: Strand) -> list[Piece]:
    """The line that a strand stands on."""
    place = strand.place
    level = strand.levels[-1] if strand.levels else None
    name = f"{level.function if level else ''} {strand.path}".strip()
    pieces: list[Piece] = [("▶ " if strand.is_next and output.can_draw() else "> " if strand.is_next else "  ", "bold")]
    return [*pieces, (name, "bold"), (f"  {place.short}  " if place else "", "dim"), place.text if place else ""]


def strand_lines(strand: Strand) -> Iterator[tuple[Piece, str]]:
    """What a strand is about to get, and the variables of its functions: each a name and a value."""
    if strand.gets:
        yield ("    ← " if output.can_draw() else "    <- ", "green"), strand.gets
    for level in strand.levels:
        if len(strand.levels) > 1:
            yield f"  {level.function}  ", level.place.short
        for name, value in level.variables.items():
            yield (f"    {name} = ", "cyan"), value


def put_explanation(explanation: Explanation) -> None:
    """Show the two columns, the guesses and the ways."""
    width = min(output.canvas_width(), 140)
    output.put("")
    for line in explanation.lines(width):
        head, _, rest = line.partition(" ")
        if head == "-":
            output.put_hanging(["- "], rest)
        elif line.startswith(("Most likely:", "Or:")):
            label, _, text = line.partition("  ")
            output.put_hanging([(f"{label}  ", "bold yellow")], text)
        else:
            output.put((line, "bold" if line.startswith(("->", "To mend")) else ""))


# --- for machines -----------------------------------------------------------------------------------------------------


def replay_to_json(
    recording: Recording, played: Played, explanation: Explanation | None, codec: Codec, until: int | None
) -> dict[str, Any]:
    """A replay as data."""
    created, bound = played.run.created, codec.bound_to(recording.instance_id)
    rows = list(rows_of(played.run.batches, bound))[:until]
    error = played.error
    if error is not None and until is not None and until <= played.reached:
        error = None  # what is beyond was not asked for
    return {
        "id": recording.instance_id,
        "workflow": created.workflow,
        "version": created.version,
        "run": played.run.number,
        "ok": error is None,
        "events": [
            {
                "number": row.number,
                "time": (_EPOCH + timedelta(microseconds=row.stamped_at_us)).isoformat(),
                **event_to_json(event, bound),
                **_place_to_json(played.places.get(row.number)),
                "replayed": row.number <= played.reached,
            }
            for row, event in zip(rows, played.run.events, strict=False)
        ],
        "warnings": [
            {"number": one.number, "text": one.text, **_place_to_json(one.place)}
            for one in played.warnings
            if until is None or one.number <= until
        ],
        "stopped": None if error is None else {"after": played.reached, "error": described(error)},
        "difference": None if error is None or explanation is None else _explanation_to_json(explanation),
    }


def _place_to_json(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"file": None, "line": None, "source": None}
    return {"file": place.file, "line": place.line, "source": place.text}


def _explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    return {
        "number": explanation.number,
        **_place_to_json(explanation.place),
        "diff": [
            {
                "mark": pair.mark,
                "recorded": None
                if pair.recorded is None
                else _operation(pair.recorded.event, pair.recorded.event.site),
                "replayed": None
                if pair.asked is None
                else _operation(
                    pair.asked.event, pair.asked.place.short if pair.asked.place else pair.asked.event.site
                ),
            }
            for pair in explanation.pairs
        ],
        "guesses": [{"change": str(one.change), "text": one.text} for one in explanation.guesses],
        "ways": list(explanation.ways),
    }


def _operation(event: Any, site: str) -> dict[str, Any]:
    from nexus_sdk.core.mismatch import describe

    return {"path": event.path, "event": type(event).__name__, "text": describe(event), "site": site}


def _fitted(text: str, width: int, *, is_cut: bool) -> str:
    text = " ".join(text.splitlines())
    if cell_len(text) <= width or not is_cut:
        return set_cell_size(text, width) if cell_len(text) < width else text
    return set_cell_size(text, width - 1) + "…"


def _tick() -> str:
    return "✓" if output.can_draw() else "+"


def _cross() -> str:
    return "✗" if output.can_draw() else "x"
