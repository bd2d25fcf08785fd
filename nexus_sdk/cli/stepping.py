"""`nexus replay --step`: through a recorded run by keys. A `Stepper` is where one is; its `screen` is what one sees.

The one rule: it is a function of the keys. So it is tested without a terminal, and works by lines where there is none.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.cli import output
from nexus_sdk.cli.keys import can_read_keys, full_screen
from nexus_sdk.cli.output import Piece
from nexus_sdk.cli.replayed import ReplayText, strand_head, strand_lines
from nexus_sdk.core.payload import Codec
from nexus_sdk.replay.explanation import Explanation
from nexus_sdk.replay.player import Played
from nexus_sdk.replay.recorded import Recording
from nexus_sdk.replay.source import Place, lines_around
from nexus_sdk.replay.standing import Standing, Standings, Strand

Line = list[Piece]

LEAST_WIDTH, LEAST_HEIGHT = 40, 12
"""A smaller window is drawn as if it had this size, and cut by the terminal."""

PAGE = 10
"""So many events at once."""

HELP = (
    ("n → ↓ space", "the next event"),
    ("b p ← ↑", "the one before"),
    ("page down, page up", f"{PAGE} events on, or back"),
    ("home <  end >", "the first, the last"),
    ("g NUMBER enter", "go to an event; typing a number does it, too"),
    ("/ TEXT enter", "search events: their kinds, names, values and source lines"),
    (". and ,", "the next one found, the one before"),
    ("v", "the variables, whole"),
    ("d", "where code and record part, and why"),
    ("q", "quit"),
)

_NEXT = ("n", "right", "down", " ", "enter", "j")
_BACK = ("b", "p", "left", "up", "backspace", "k")


class Stepper:
    """One's place in a replay.

    Attributes:
        at: the number of the event.
        is_over: it was quit.
    """

    def __init__(
        self,
        workflow: Workflow[Any, Any],
        recording: Recording,
        played: Played,
        explanation: Explanation | None,
        codec: Codec,
        *,
        at: int = 1,
    ) -> None:
        self.text = ReplayText(recording, played, codec)
        self.played = played
        self.count = len(self.text.rows)
        self.at = min(at, self.count)
        self.is_over = False
        self._explanation = explanation
        self._standings = Standings(workflow, played.run, codec)
        self._typed: str | None = None  # what is being typed, with the key that began it
        self._said = ""
        self._sought = ""
        self._page: str | None = None  # what is shown instead: "help", "values", "difference"
        self._scrolled = 0

    # --- keys -------------------------------------------------------------------------------------------------------

    def key(self, key: str) -> None:
        """Do what a key asks for."""
        self._said = ""
        if self._typed is not None:
            self._type(key)
        elif self._page is not None:
            self._turn_page(key)
        elif key in _NEXT:
            self._go(self.at + 1, "This is the last event.")
        elif key in _BACK:
            self._go(self.at - 1, "This is the first event.")
        elif key in ("g", "/"):
            self._typed = key
        elif key.isdigit():
            self._typed = "g" + key
        elif key in _COMMANDS:
            _COMMANDS[key](self)
        elif key not in ("escape",):
            self._said = "? shows the keys"

    def line(self, text: str) -> None:
        """Do what a line asks for: a key, ``g NUMBER``, a number, or ``/TEXT``."""
        text = text.strip()
        if text[:1] in ("g", "/") and len(text) > 1:
            self._enter(text[0] + text[1:].strip())
        elif text.isdigit():
            self._enter("g" + text)
        else:
            self.key(text or "n")

    def _type(self, key: str) -> None:
        assert self._typed is not None
        if key == "enter":
            typed, self._typed = self._typed, None
            self._enter(typed)
        elif key == "escape":
            self._typed = None
        elif key == "backspace":
            self._typed = self._typed[:-1] or None
        elif len(key) == 1:
            self._typed += key

    def _enter(self, typed: str) -> None:
        what, text = typed[0], typed[1:].strip()
        if what == "g":
            if text.replace(",", "").isdigit():
                self._go(int(text.replace(",", "")), f"There is no event {text}: it has 1 to {self.count:,}.")
            else:
                self._said = f"{text!r} is no number"
            return
        self._sought = text or self._sought
        self._search(1)

    def _search(self, way: int) -> None:
        if not self._sought:
            self._said = "Search first: / TEXT"
            return
        sought = self._sought.casefold()
        for distance in range(1, self.count + 1):
            number = (self.at - 1 + way * distance) % self.count + 1
            if sought in self._searchable(number):
                around = number <= self.at if way > 0 else number >= self.at
                self._said = f"{self._sought!r}: from the {'beginning' if way > 0 else 'end'} again" if around else ""
                self.at = number
                return
        self._said = f"nothing with {self._sought!r}"

    def _searchable(self, number: int) -> str:
        row = self.text.rows[number - 1]
        place = self.played.places.get(number)
        return f"{row.event} {row.operation} {row.detail} {place.short + ' ' + place.text if place else ''}".casefold()

    def _go(self, number: int, refusal: str) -> None:
        if 1 <= number <= self.count:
            self.at = number
        else:
            self._said = refusal

    def _open(self, page: str) -> None:
        self._page, self._scrolled = page, 0

    def _turn_page(self, key: str) -> None:
        if key in ("down", "enter", "j", "n"):
            self._scrolled += 1
        elif key in ("up", "k", "b"):
            self._scrolled = max(0, self._scrolled - 1)
        elif key in ("page down", " "):
            self._scrolled += PAGE
        elif key == "page up":
            self._scrolled = max(0, self._scrolled - PAGE)
        else:
            self._page = None

    def _quit(self) -> None:
        self.is_over = True

    def _difference(self) -> None:
        if self._explanation is None and self.played.error is None:
            self._said = "Code and record agree."
            return
        self.at = min(self.count, max(1, self.played.reached))
        self._open("difference")

    # --- the screen -------------------------------------------------------------------------------------------------

    def screen(self, width: int, height: int) -> list[Line]:
        """What one sees: `height` lines, none of them wider than `width` if they are cut there."""
        width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
        foot = self._foot(width)
        body = self._page_lines(width) if self._page is not None else None
        if body is not None:
            room = height - len(foot) - 1
            self._scrolled = max(0, min(self._scrolled, len(body) - room))
            lines = [self._head(width), *body[self._scrolled : self._scrolled + room]]
        else:
            lines = [self._head(width), *self._body(width, height - len(foot) - 1)]
        lines += [Line() for _ in range(height - len(foot) - len(lines))]
        return [*lines[: height - len(foot)], *foot]

    def _head(self, width: int) -> Line:
        name = f"{self.text.recording.instance_id}  {self.played.run.created.workflow}"
        row = self.text.rows[self.at - 1]
        place = f"event {self.at:,} of {self.count:,}  {output.clock_text(row.stamped_at_us)}"
        room = width - cell_len(place) - 2
        name = name if cell_len(name) <= room else name[: max(0, room - 1)] + "…"
        return [(name, "bold"), " " * max(2, width - cell_len(name) - cell_len(place)), place]

    def _body(self, width: int, height: int) -> list[Line]:
        standing = self._standings.at(self.at)
        place = self._place(standing)
        rows_max = max(3, height // 4)
        source_max = max(3, min(11, height // 3))
        rows = self._rows(width, rows_max)
        source = self._source(place, source_max)
        rule = f"{'─' if output.can_draw() else '-'}" * width
        lines: list[Line] = [*rows, [(rule, "dim")], *source, [(rule, "dim")]]
        return lines + self._variables(standing, height - len(lines))

    def _place(self, standing: Standing | None) -> Place | None:
        if standing is not None and standing.next is not None and standing.next.place is not None:
            return standing.next.place
        return self.played.places.get(self.at)

    def _rows(self, width: int, number: int) -> list[Line]:
        first = max(1, min(self.at - number // 2, self.count - number + 1))
        lines: list[Line] = []
        for row in self.text.rows[first - 1 : first - 1 + number]:
            (event, tone), rest = self.text.what(row)
            is_here = row.number == self.at
            pointer = ("▶ " if output.can_draw() else "> ") if is_here else "  "
            digits = len(str(self.count))
            style = f"bold {tone}".strip() if is_here else tone
            lines.append(
                [(f"{pointer}{row.number:>{digits}}  ", "bold" if is_here else "dim"), (event, style), f"  {rest}"]
            )
        return lines

    def _source(self, place: Place | None, number: int) -> list[Line]:
        if place is None:
            return [[("no line of the code asked for this", "dim")]]
        around = lines_around(place, before=number // 2, after=number - number // 2 - 1)
        if not around:
            return [[(place.short, "bold"), ("  the source is not at hand", "dim")]]
        digits = len(str(around[-1][0]))
        arrow = "→" if output.can_draw() else ">"
        lines: list[Line] = [[(place.short, "bold")]]
        for line, text in around[: number - 1] if place.line < around[-1][0] else around[-number + 1 :]:
            is_here = line == place.line
            lines.append(
                [
                    (f"{arrow if is_here else ' '} {line:>{digits}}  ", "bold" if is_here else "dim"),
                    (text, "bold" if is_here else ""),
                ]
            )
        return lines

    def _variables(self, standing: Standing | None, height: int) -> list[Line]:
        lines: list[Line] = []
        for strand in _nearest_first(standing):
            lines.append(strand_head(strand))
            lines += [[name, value] for name, value in strand_lines(strand)]
        if not lines:
            lines.append([(self._nothing_runs(), "dim")])
        if standing is not None and standing.hidden:
            lines.append([(f"  and {standing.hidden:,} more strands", "dim")])
        if len(lines) > height:
            hidden = len(lines) - height + 1
            lines = [*lines[: max(0, height - 1)], [(f"    and {hidden} more lines: v", "dim")]]
        return lines[:height]

    def _nothing_runs(self) -> str:
        if self.at > self.played.reached:
            return "The code never comes here: d tells why."
        return "The code has not begun." if self.at <= 1 else "The code has ended."

    def _foot(self, width: int) -> list[Line]:
        if self._typed is not None:
            what = "go to event: " if self._typed[0] == "g" else "search: "
            return [[(what + self._typed[1:], "bold"), ("_", "dim")], [("enter does it, escape does not", "dim")]]
        said: Line = [(self._said, "yellow")]
        if not self._said and self.played.error is not None and self.at >= self.played.reached:
            said = [(f"[{self.played.error.code}] code and record part here: d", "bold red")]
        if self._page is not None:
            return [said, [("↑ ↓ scroll  any other key: back", "dim")]]
        return [said, _keys_line(width)]

    # --- pages ------------------------------------------------------------------------------------------------------

    def _page_lines(self, width: int) -> list[Line]:
        if self._page == "help":
            return [Line([(f"  {keys:<20}", "bold"), what]) for keys, what in HELP]
        if self._page == "values":
            return list(self._values(width))
        return list(self._told(width))

    def _values(self, width: int) -> Iterator[Line]:
        found = self._standings.whole_at(self.at, width - 4)
        if not found:
            yield [(self._nothing_runs(), "dim")]
        for name, lines in found.items():
            yield [(name, "cyan")]
            for line in lines:
                yield [f"    {line}"]

    def _told(self, width: int) -> Iterator[Line]:
        for verdict in self.text.verdict():
            yield from _wrapped(verdict, width)
        if self._explanation is not None:
            yield []
            for line in self._explanation.lines(width):
                yield from _wrapped([line], width)


_COMMANDS: dict[str, Callable[[Stepper], None]] = {
    "q": Stepper._quit,
    "v": lambda stepper: stepper._open("values"),
    "?": lambda stepper: stepper._open("help"),
    "h": lambda stepper: stepper._open("help"),
    "d": Stepper._difference,
    ".": lambda stepper: stepper._search(1),
    ",": lambda stepper: stepper._search(-1),
    "home": lambda stepper: stepper._go(1, ""),
    "<": lambda stepper: stepper._go(1, ""),
    "end": lambda stepper: stepper._go(stepper.count, ""),
    ">": lambda stepper: stepper._go(stepper.count, ""),
    "page down": lambda stepper: stepper._go(min(stepper.count, stepper.at + PAGE), ""),
    "page up": lambda stepper: stepper._go(max(1, stepper.at - PAGE), ""),
}


def _nearest_first(standing: Standing | None) -> Sequence[Strand]:
    """The strand that runs next, then the others."""
    if standing is None:
        return ()
    return sorted(standing.strands, key=lambda strand: not strand.is_next)


def _keys_line(width: int) -> Line:
    keys = ("n next", "b back", "g go to", "/ search", "v values", "q quit", "? keys", "d why")
    pieces: Line = []
    used = 0
    for text in keys:
        used += len(text) + 2
        if used > width:
            break
        pieces += [(text[0], "bold"), (f"{text[1:]}  ", "dim")]
    return pieces


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    import textwrap

    text = "".join(piece if isinstance(piece, str) else piece[0] for piece in line)
    if cell_len(text) <= width:
        yield line
        return
    for part in textwrap.wrap(text, width, subsequent_indent="  ") or [""]:
        yield [part]


# --- on a terminal, and without one -----------------------------------------------------------------------------------


def step_through(stepper: Stepper) -> None:
    """Let somebody step, by keys on a terminal, by lines otherwise; until quit, or the end of the input."""
    if not can_read_keys():
        _by_lines(stepper)
        return
    try:
        with full_screen(lambda: _draw(stepper)) as keys:
            for key in keys:
                stepper.key(key)
                if stepper.is_over:
                    return
                _draw(stepper)
    except KeyboardInterrupt:
        return


def _draw(stepper: Stepper) -> None:
    from rich.text import Text

    width, height = shutil.get_terminal_size((output.PIPE_COLUMNS, 24))
    console = output.console(sys.stdout)
    with console.capture() as captured:
        for number, line in enumerate(stepper.screen(width, height)):
            text = Text.assemble(*line)
            text.truncate(width, overflow="ellipsis")
            console.print(text, end="" if number == height - 1 else "\n", no_wrap=True, crop=True)
    # Each line is cleared behind its end rather than the screen before it: nothing flickers.
    drawn = captured.get().replace("\n", "\x1b[K\r\n")
    sys.stdout.write(f"\x1b[H{drawn}\x1b[K\x1b[J")
    sys.stdout.flush()


def _by_lines(stepper: Stepper) -> None:
    size = shutil.get_terminal_size((output.PIPE_COLUMNS, 30))
    while not stepper.is_over:
        for line in stepper.screen(size.columns, size.lines - 1):
            output.put_cut(*line)
        text = sys.stdin.readline()
        if not text:
            return
        stepper.line(text)
