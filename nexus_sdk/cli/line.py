"""A line between two processes: JSON objects, both ways. When one process dies, the other hears it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Line:
    """One end of it.

    Args:
        end: a connected stream socket, which belongs to the line from now on.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._reader = end.makefile("r", encoding="utf-8")
        self._listener: threading.Thread | None = None

    def say(self, **news: Any) -> None:
        """Tell the other end; no effect when there is none any more."""
        with suppress(OSError):
            self._end.sendall(json.dumps(news).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """What is said next; empty when the other end is gone."""
        with suppress(OSError, ValueError):  # it may die within a word
            return dict(json.loads(self._reader.readline() or "{}"))
        return {}

    def listen(self, each: Callable[[dict[str, Any]], None], at_end: Callable[[], None] = lambda: None) -> None:
        """Hear from now on, on a thread: `each` gets what is said, `at_end` is called when nothing more can come."""

        def listen() -> None:
            while news := self.hear():
                each(news)
            at_end()

        self._listener = threading.Thread(target=listen, name="nexus line", daemon=True)
        self._listener.start()

    def finish(self, seconds: float) -> None:
        """Take in what has been said, for at most so long; then hang up."""
        if self._listener is not None:
            self._listener.join(seconds)
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()
