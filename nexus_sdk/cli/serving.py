"""What commands that serve have in common: signals, the live line, and leaving when threads would hold them.

The rule of signals: the first SIGTERM or SIGINT drains, the second exits at once with code 1.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from nexus_sdk.app import Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.mistakes import FAILED

T = TypeVar("T")

THREADS_SECONDS = 0.2
"""How long threads that still run an activity are waited for when everything else is over."""


class Stopped(Exception):
    """A signal asked to stop."""


@asynccontextmanager
async def signals(
    on_first: Callable[[], None], on_second: Callable[[], None] = lambda: None
) -> AsyncIterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT sets, after `on_first`; the second, after `on_second`, is the end."""
    asked = asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            on_second()
            leave_now(FAILED)
        asked.set()
        on_first()

    loop = asyncio.get_running_loop()
    handled: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, ask)
            except NotImplementedError:  # an event loop without signals (Windows): KeyboardInterrupt has to do
                continue
            handled.append(number)
    try:
        yield asked
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def unless(asked: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work.

    Raises:
        Stopped: it was asked to stop first; the work is cancelled.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Stopped
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


def release(app: Nexus) -> None:
    """Let go of the app's threads; if an activity keeps one busy, end the process without waiting for it.

    Its work was given back: another worker runs it again.
    """
    waiting = threading.Thread(target=app.environment.executor.shutdown, daemon=True)
    waiting.start()
    waiting.join(THREADS_SECONDS)
    if waiting.is_alive():
        output.say(
            "An activity still runs in a thread; it is given up here. A worker runs it again, if it may be tried again."
        )
        leave_now(FAILED)


def leave_now(code: int) -> None:
    """End the process at this instruction. Everything that was recorded is safe."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


LINES_KEPT = 4
"""So many lines of the terminal are left to what is said above what is live."""


SPINNER_COLUMNS = 2


@contextmanager
def live(
    text: Callable[[], str], above: Callable[[int, int], Iterable[Sequence[output.Piece]]] | None = None
) -> Iterator[Callable[[], None]]:
    """Show a line that renews itself at the foot of a terminal; nothing where stderr is none.

    Args:
        text: what the line says.
        above: lines that stand above it and renew themselves too, for so many columns and at most so many lines.

    Yields a function that takes it away for good.
    """
    if not output.is_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots" if output.can_draw(sys.stderr) else "line")
    started = time.monotonic()
    console = output.console(sys.stderr)
    console.soft_wrap = False

    def shown() -> Any:
        line = Text(f"{output.duration_text(time.monotonic() - started)} · {text()}")
        line.truncate(console.width - SPINNER_COLUMNS, overflow="ellipsis")
        spinner.update(text=line)
        if above is None:
            return spinner
        lines = above(console.width, max(1, console.height - LINES_KEPT))
        return Group(*(Text.assemble(*pieces, no_wrap=True, overflow="crop") for pieces in lines), spinner)

    redirect = output.is_terminal(sys.stdout)  # what activities print goes above the line; a pipe is left alone
    drawing = Live(
        get_renderable=shown, console=console, transient=True, refresh_per_second=8, redirect_stdout=redirect
    )
    with drawing:
        yield drawing.stop  # the cursor must come back also when the process ends at once
