"""The picture of a history: a row per operation, a bar where it was under way. Pure: spans in, lines of pieces out.

What is alike and many is one row. A failure's reason stands under its row, so that nothing is lost on a narrow
terminal; without colours and without Unicode the marks say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size

from nexus_sdk.cli.output import Piece, deadline_text, duration_text
from nexus_sdk.cli.spans import Kind, Outcome, Span

Line = list[Piece]

ALIKE_MAX = 8
"""So many operations of one name under one parent have a row each; more of them are one row together."""

REASONS_MAX = 3
"""So many different reasons are told of those that are one row."""

BAR_MIN = 8
"""A bar of fewer columns says nothing, and is left out."""

WIDE = 80
NARROW = 50

BARS: Mapping[Kind, tuple[str, str]] = {
    Kind.RUN: ("━", "="),
    Kind.ACTIVITY: ("█", "#"),
    Kind.TIMER: ("─", "-"),
    Kind.WAIT: ("╌", "."),
    Kind.CHILD: ("▓", "%"),
    Kind.SENDING: ("─", "-"),
    Kind.HELD: ("░", ":"),
    Kind.MOMENT: ("◆", "*"),
}
"""What a bar is made of, in Unicode and in ASCII."""

MARKS: Mapping[Outcome, tuple[str, str, str]] = {
    Outcome.OPEN: ("…", "~", "cyan"),
    Outcome.DONE: ("✓", "+", "green"),
    Outcome.FAILED: ("✗", "x", "red"),
    Outcome.CANCELLED: ("⊘", "o", "yellow"),
    Outcome.LATE: ("✗", "x", "yellow"),
}
"""How an outcome is marked, in Unicode and in ASCII, and coloured."""

QUIET = frozenset({Kind.TIMER, Kind.WAIT, Kind.SENDING, Kind.MOMENT})
"""Waiting is no work: it is drawn in a quieter tone."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What is drawn on.

    Attributes:
        width: columns.
        is_unicode: whether it can show bars and marks beyond ASCII.
        is_cut: whether what does not fit is cut (a terminal), or written all the same (a pipe).
        is_whole: whether operations that are alike have a row each, however many they are.
    """

    width: int
    is_unicode: bool = True
    is_cut: bool = True
    is_whole: bool = False

    def sign(self, signs: Sequence[str]) -> str:
        """The one of two signs that it can show."""
        return signs[0] if self.is_unicode else signs[1]


@dataclass(frozen=True, slots=True)
class _Row:
    """A span, or several that are alike, ready to be drawn."""

    span: Span
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        return "  " * self.span.path.count(".") + self.span.name


@dataclass(frozen=True, slots=True)
class _Columns:
    """How many columns each part of a row has; 0 leaves it out."""

    path: int
    name: int
    bar: int
    length: int
    note: int


def drawn(spans: Sequence[Span], canvas: Canvas, *, now_us: int) -> list[Line]:
    """The picture, line by line: an axis, then the rows."""
    if not spans:
        return []
    rows = [_row_of(span, now_us) for span in spans] if canvas.is_whole else _folded(spans, now_us)
    begin = min(span.start_us for span in spans)
    end = max([span.end_us if span.end_us is not None else now_us for span in spans])
    end = max(end, begin + 1)
    columns = _columns(rows, canvas, now_us)
    lines = [_axis(columns, end - begin)] if columns.bar else []
    for row in rows:
        lines.append(_drawn_row(row, columns, canvas, begin, end, now_us))
        lines += [_reason(reason, columns, canvas) for reason in row.reasons]
    return lines


def newest(lines: list[Line], lines_max: int) -> list[Line]:
    """The picture in so many lines: its head, and the end, where it happens now."""
    if len(lines) <= lines_max:
        return lines
    head = lines[: min(2, lines_max - 1)]
    rest = lines_max - len(head) - 1
    hidden: Line = [(f"({len(lines) - len(head) - rest} lines more)", "dim")]
    return [*head, hidden, *lines[len(lines) - rest :]]


# --- rows -------------------------------------------------------------------------------------------------------------


def _folded(spans: Sequence[Span], now_us: int) -> list[_Row]:
    """A row per span, but one for many that are alike; it stands where the first of them stood."""
    alike: dict[tuple[str, Kind, str], list[Span]] = {}
    for span in spans:
        alike.setdefault(_likeness(span), []).append(span)
    rows = []
    for span in spans:
        group = alike[_likeness(span)]
        if len(group) <= ALIKE_MAX:
            rows.append(_row_of(span, now_us))
        elif span is group[0]:
            rows.append(_row_of_many(group))
    return rows


def _likeness(span: Span) -> tuple[str, Kind, str]:
    """Operations of one name, asked for at the same depth of the same part of the workflow."""
    family = span.path.partition(".")[0] if "." in span.path else "*"
    return (f"{family}/{span.path.count('.')}", span.kind, span.name)


def _row_of(span: Span, now_us: int) -> _Row:
    notes = [f"attempt {span.attempts}"] if span.attempts > 1 else []
    if span.outcome is Outcome.OPEN and span.due_us is not None:
        notes.append(f"until {deadline_text(span.due_us, now_us)}")
    if span.outcome is Outcome.LATE:
        notes.append("time limit")
    notes += [span.note] if span.note else []
    return _Row(span, (span.reason,) if span.reason else (), ", ".join(notes))


def _row_of_many(group: Sequence[Span]) -> _Row:
    counts = Counter(span.outcome for span in group)
    outcome = next(one for one in (Outcome.FAILED, Outcome.LATE, Outcome.OPEN, *Outcome) if counts[one])
    ends = [span.end_us for span in group if span.end_us is not None]
    whole = replace(
        group[0],
        name=f"{group[0].name} ×{len(group):,}",
        end_us=max(ends) if ends and not counts[Outcome.OPEN] else None,
        start_us=min(span.start_us for span in group),
        outcome=outcome,
    )
    reasons = [
        f"{number} × {reason}"
        for reason, number in Counter(s.reason for s in group if s.reason).most_common(REASONS_MAX)
    ]
    said = "" if len(counts) == 1 else ", ".join(f"{number:,} {one}" for one, number in counts.items())
    return _Row(whole, tuple(reasons), said)


# --- columns ----------------------------------------------------------------------------------------------------------


def _columns(rows: Sequence[_Row], canvas: Canvas, now_us: int) -> _Columns:
    """Names and lengths as wide as they are, within reason; the bar has the rest."""
    width = canvas.width
    length = max(len(_length(row.span, now_us)) for row in rows)
    path = min(8, max(len(row.span.path) for row in rows)) if width >= NARROW else 0
    name_max = 28 if width >= WIDE else 18 if width >= NARROW else 14
    name = min(name_max, max(cell_len(row.label) for row in rows))
    note = min(24, max(cell_len(row.note) for row in rows)) if width >= WIDE else 0
    bar = width - name - 2 - 2 - length - (path and path + 2) - (note and note + 2)
    return _Columns(path, name, bar - 2 if bar - 2 >= BAR_MIN else 0, length, note)


def _length(span: Span, now_us: int) -> str:
    if span.kind is Kind.MOMENT:
        return ""
    return duration_text(((now_us if span.end_us is None else span.end_us) - span.start_us) / 1e6)


def _axis(columns: _Columns, lasted_us: int) -> Line:
    """The time from left to right, with its middle where there is room."""
    last, middle = duration_text(lasted_us / 1e6), duration_text(lasted_us / 2e6)
    axis = list("0" + " " * (columns.bar - 1))
    axis[max(1, columns.bar - len(last)) :] = list(last)
    start = columns.bar // 2
    if columns.bar >= 40:
        axis[start : start + len(middle)] = list(middle)
    margin = (columns.path and columns.path + 2) + columns.name + 2
    return [(" " * margin + "".join(axis)[: columns.bar], "dim")]


# --- drawing ----------------------------------------------------------------------------------------------------------


def _drawn_row(row: _Row, columns: _Columns, canvas: Canvas, begin: int, end: int, now_us: int) -> Line:
    span = row.span
    *marks, tone = MARKS[span.outcome]
    style = "bold" if span.kind is Kind.RUN else ""
    line: Line = [(f"{span.path:<{columns.path}}"[: columns.path] + "  ", "dim")] if columns.path else []
    line.append((_fitted(row.label, columns.name, canvas) + "  ", style))
    if columns.bar:
        line += [*_bar(span, columns.bar, canvas, begin, end, now_us), "  "]
    line += [(canvas.sign(marks) + " ", tone), (f"{_length(span, now_us):>{columns.length}}", "dim")]
    if columns.note and row.note:
        note = row.note if not canvas.is_cut else _fitted(row.note, columns.note, canvas).rstrip()
        line.append((f"  {note}", "dim"))
    return line


def _bar(span: Span, width: int, canvas: Canvas, begin: int, end: int, now_us: int) -> Line:
    """Where on the axis it was under way; at least one column."""
    until = span.end_us if span.end_us is not None else now_us
    first = min(width - 1, (span.start_us - begin) * width // (end - begin))
    last = max(first + 1, -((begin - until) * width // (end - begin)))
    filled = canvas.sign(BARS[span.kind]) * (1 if span.kind is Kind.MOMENT else min(last, width) - first)
    tone = MARKS[span.outcome][2]
    quiet = " dim" if span.kind in QUIET and span.outcome in (Outcome.DONE, Outcome.CANCELLED) else ""
    return [" " * first, (filled, tone + quiet), " " * (width - first - len(filled))]


def _reason(reason: str, columns: _Columns, canvas: Canvas) -> Line:
    """Under a row: why it failed."""
    corner = "└ " if canvas.is_unicode else "` "
    margin = (columns.path and columns.path + 2) + 2
    room = canvas.width - margin - len(corner)
    said = reason if not canvas.is_cut else _fitted(reason, room, canvas).rstrip()
    return [" " * margin, (corner, "dim"), (said, "red")]


def _fitted(text: str, width: int, canvas: Canvas) -> str:
    """The text in exactly so many columns, its end cut off where it is longer."""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    cut = "…" if canvas.is_unicode else "~"
    return set_cell_size(text, max(0, width - 1)) + cut
