"""Single keys from a terminal, without waiting for Enter; and lines, where there is no terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SEQUENCES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1bOH": "home",
    "\x1bOF": "end",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x04": "q",
}
"""What terminals send for keys that have no character."""

_ENTER_SCREEN = "\x1b[?1049h\x1b[?25l"
_LEAVE_SCREEN = "\x1b[?25h\x1b[?1049l"


def can_read_keys() -> bool:
    """Whether stdin and stdout are a terminal that can be read key by key."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return False
    try:
        import termios  # noqa: F401  # not on Windows
    except ImportError:
        return False
    return True


@contextmanager
def full_screen(redraw: Callable[[], None]) -> Iterator[Iterator[str]]:
    """The terminal as a screen of its own; gives the keys that are typed. Everything is as it was afterwards.

    Args:
        redraw: called when the window has another size, and when the process comes back to the foreground.
    """
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def enter(*_: Any) -> None:
        tty.setcbreak(fd)
        sys.stdout.write(_ENTER_SCREEN)
        redraw()

    handlers = {signal.SIGWINCH: lambda *_: redraw(), signal.SIGCONT: enter}
    kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        enter()
        yield _keys(fd)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        sys.stdout.write(_LEAVE_SCREEN)
        sys.stdout.flush()
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _keys(fd: int) -> Iterator[str]:
    """Keys, one by one; what is typed faster than it is answered is kept in order. Ends with the input."""
    while data := os.read(fd, 256):
        yield from keys_in(data.decode("utf-8", "replace"))


def keys_in(text: str) -> Iterator[str]:
    """The keys of what a terminal sent at once."""
    while text:
        found = next(
            (sequence for sequence in sorted(_SEQUENCES, key=len, reverse=True) if text.startswith(sequence)), ""
        )
        if found == "\x1b" and text[1:2] in ("[", "O"):  # a key that is not known here
            rest = text[2:].lstrip("0123456789;")
            text = rest[1:]
            continue
        yield _SEQUENCES[found] if found else text[0]
        text = text[len(found) or 1 :]
