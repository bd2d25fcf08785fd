"""What is shown, and where: results on stdout, everything else on stderr.

The one rule: what goes to a pipe is plain, complete and never cut; colour and fitting to the width are for terminals.
`NO_COLOR` is honoured (by rich, which is imported where it draws: a pipe can do without).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from nexus_sdk.core.failure import Failure

Piece = str | tuple[str, str]
"""A text, or a text and its style."""

STYLES = {
    "completed": "green",
    "failed": "red",
    "terminated": "red",
    "blocked": "bold red",
    "cancelled": "yellow",
    "suspended": "yellow",
    "running": "cyan",
    "pending": "cyan",
}
"""How a status is coloured."""

ENDLESS = 1_000_000
"""The width of a pipe: nothing is cut there."""

PIPE_COLUMNS = 100
"""As wide as this is what is drawn for a pipe, unless COLUMNS says otherwise."""


def console(stream: IO[str] | None = None) -> Console:
    """A console on stdout (or the stream); made anew, because tests and pagers replace the streams."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else ENDLESS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person looks at it."""
    return (stream or sys.stdout).isatty()


def width_of(stream: IO[str] | None = None) -> int:
    """The columns to fit into; very many for a pipe."""
    return console(stream).width if is_terminal(stream) else ENDLESS


def canvas_width(stream: IO[str] | None = None) -> int:
    """The columns of a drawing: those of the terminal; for a pipe so many as fit most pages."""
    return width_of(stream) if is_terminal(stream) else shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns


def can_draw(stream: IO[str] | None = None) -> bool:
    """Whether the stream can carry bars and marks; ASCII has to do where it cannot."""
    try:
        "█─╌▓░━◆▶✓✗⊘…│└×".encode(getattr(stream or sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def put(*pieces: Piece, style: str = "") -> None:
    """A line of the answer, on stdout."""
    _line(sys.stdout, pieces, style, is_cut=False)


def put_cut(*pieces: Piece, style: str = "") -> None:
    """A line of the answer that a terminal shows only as far as it is wide."""
    _line(sys.stdout, pieces, style, is_cut=True)


def put_hanging(head: Sequence[Piece], text: str, style: str = "") -> None:
    """A line of the answer; what does not fit beside its head goes on below, under its beginning."""
    from rich.cells import cell_len

    indent = sum(cell_len(piece if isinstance(piece, str) else piece[0]) for piece in head)
    first, *rest = _wrapped(text, canvas_width() - indent) if is_terminal() else text.split("\n")
    put(*head, (first, style))
    for line in rest:
        put(" " * indent, (line, style))


def _wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, broken at blanks where they are longer than that."""
    import textwrap

    width = max(width, 20)
    return [part for line in text.split("\n") for part in textwrap.wrap(line, width) or [""]]


def say(*pieces: Piece, style: str = "") -> None:
    """A line about what is going on, on stderr."""
    _line(sys.stderr, pieces, style, is_cut=False)


def _line(stream: IO[str], pieces: Sequence[Piece], style: str, *, is_cut: bool) -> None:
    # While a live line stands at the foot of the terminal, its stand-in for the stream prints above it.
    if not stream.isatty() or hasattr(stream, "rich_proxied_file"):
        print("".join(piece if isinstance(piece, str) else piece[0] for piece in pieces).rstrip(), file=stream)
        return
    from rich.text import Text

    target = console(stream)
    text = Text.assemble(*pieces, style=style)
    if is_cut:
        text.truncate(target.width, overflow="ellipsis")
        target.print(text, no_wrap=True, crop=True)
    else:
        target.print(text, soft_wrap=False)


def say_cut(*pieces: Piece, style: str = "") -> None:
    """A line about what is going on, that a terminal shows only as far as it is wide."""
    _line(sys.stderr, pieces, style, is_cut=True)


def put_json(data: Any, *, is_compact: bool = False) -> None:
    """One JSON value on stdout; one in a line at once, for whoever reads line by line."""
    print(json_text(data, is_compact=is_compact), flush=is_compact)


def say_json(data: Any) -> None:
    """One JSON value on stderr: an error."""
    print(json.dumps(data, indent=2), file=sys.stderr)


def json_text(data: Any, *, is_compact: bool = False) -> str:
    """JSON that stdout can carry: other characters as they are where it can, escaped where it cannot."""
    indent = None if is_compact else 2
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(data, indent=indent)
    return text


def plain(value: Any) -> Any:
    """A user's value as JSON data; its repr where it has none. What is opaque stays so."""
    from nexus_sdk.client.json_views import value_shown

    return value_shown(value)


def brief(value: Any, width: int = 200) -> str:
    """A value in one line."""
    if hasattr(value, "text"):  # opaque: what is known of it is told in words
        value = value.text
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= width else text[: width - 1] + "…"


def sentence(value: Any) -> str:
    """A custom status for people: a text as it is, an object as ``name value · name value``."""
    if isinstance(value, dict) and value and not hasattr(value, "text"):
        return " · ".join(f"{name} {brief(item)}" for name, item in value.items())
    return brief(value)


# --- tables -----------------------------------------------------------------------------------------------------------


NOTE_COLUMNS = 20
"""The last column of a table gets at least so many, if it needs them."""


def put_table(headers: Sequence[str], rows: Iterable[Sequence[Piece]], optional: Sequence[str] = ()) -> None:
    """Columns under headers, aligned. On a terminal the last column is cut.

    Args:
        optional: columns left out, in this order, while a terminal is too narrow for the others.
    """
    from rich.cells import cell_len

    table = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
    kept = list(range(len(headers)))
    widths = [max([cell_len(header), *(cell_len(row[i][0]) for row in table)]) for i, header in enumerate(headers)]
    for name in optional:
        if sum(widths[i] + 2 for i in kept[:-1]) + min(widths[kept[-1]], NOTE_COLUMNS) <= width_of():
            break
        kept.remove(headers.index(name))
    put_cut(*(_padded((headers[i], "bold"), widths[i], i == kept[-1]) for i in kept))
    for row in table:
        put_cut(*(_padded(row[i], widths[i], i == kept[-1]) for i in kept))


def _padded(cell: tuple[str, str], width: int, is_last: bool) -> tuple[str, str]:
    from rich.cells import cell_len

    text, style = cell
    return (text if is_last else text + " " * (width - cell_len(text) + 2), style)


# --- times ------------------------------------------------------------------------------------------------------------


def clock_text(moment_us: int) -> str:
    """The local time of day, to the millisecond."""
    return _local(moment_us).strftime("%H:%M:%S.%f")[:-3]


def day_text(moment_us: int) -> str:
    """The local date."""
    return _local(moment_us).strftime("%Y-%m-%d")


def moment_text(moment: datetime) -> str:
    """A point in time for people: local, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration_text(seconds: float) -> str:
    """A length of time for people."""
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def deadline_text(due_us: int, now_us: int) -> str:
    """The local time of day, with the date when it is another day's."""
    day = day_text(due_us)
    return clock_text(due_us) if day == day_text(now_us) else f"{day} {clock_text(due_us)}"


def _local(moment_us: int) -> datetime:
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC).astimezone()


# --- failures ---------------------------------------------------------------------------------------------------------


def traceback_of(failure: Failure | None) -> str:
    """The recorded tracebacks of a failure and of what caused it, the cause first."""
    texts: list[str] = []
    while failure is not None:
        if failure.traceback.startswith("Traceback"):  # else it only repeats the message
            texts.insert(0, failure.traceback.rstrip())
        failure = failure.cause
    return "\n\nwhich led to\n\n".join(texts)
