"""The watchdog: stops workflow code that spins without ever yielding.

It lives in a thread of its own, because the event loop can do nothing while the code spins. It raises an exception
inside the spinning thread; code that swallows it is told again, and the turn fails in any case.

What is raised so may arrive between any two instructions, also while the block is being left. Therefore `watch` is a
call and not a context manager (whose `__exit__` could be cut off before it does anything), leaving can be done again,
and the lock is one whose `with` statement cannot be torn apart: `threading.Lock`, not `Condition`'s.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from time import sleep
from typing import ParamSpec, TypeVar, cast

from nexus_sdk.errors import WorkflowSpinningError

P = ParamSpec("P")
T = TypeVar("T")


class _Spinning(BaseException):
    """Raised inside the spinning code."""


class ThreadWatchdog:
    """Gives each block `seconds`; after that, `WorkflowSpinningError`.

    Thread-safe: several threads may be watched at a time. The watching thread starts with a block, and ends when it has
    had nothing to watch for a while.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._watched: dict[int, _Watch] = {}
        self._thread: threading.Thread | None = None
        self._has_begun = False

    def watch(self, instance_id: str, block: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Watchdog.watch`."""
        watch = _Watch(threading.get_ident())
        try:
            try:
                self._begin(watch)
                result: T | None = block(*args, **kwargs)
            finally:
                self._end(watch)
        except BaseException as error:
            while not watch.is_over:
                with suppress(_Spinning):
                    self._end(watch)
            if not isinstance(error, _Spinning):
                raise
            result = None
        if watch.has_barked:
            raise WorkflowSpinningError(
                f"{instance_id}: the workflow ran for {self._seconds:g} s without yielding, and was stopped.",
                hint="An endless loop, or heavy computing? Put the work into an activity, and yield inside loops.",
            )
        return cast("T", result)

    def _begin(self, watch: _Watch) -> None:
        with self._lock:
            self._watched[id(watch)] = watch
            self._has_begun = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="nexus watchdog", daemon=True)
                self._thread.start()

    def _end(self, watch: _Watch) -> None:
        with self._lock:
            self._watched.pop(id(watch), None)
        if watch.has_barked:
            _await_the_last()
        watch.is_over = True

    def _look(self) -> None:
        """Count each watched block down, a half of its time per look: no clock is compared, none has to agree.

        The first look may come at once, so that the third one ends it. To wake this thread for each block would cost
        more than most blocks do: it looks on as long as some began since its last look, and ends when none did.
        """
        while True:
            sleep(self._seconds / 2)
            with self._lock:
                if not self._watched and not self._has_begun:
                    self._thread = None
                    return
                self._has_begun = False
                for watch in self._watched.values():
                    if watch.has_another_look():
                        continue
                    watch.has_barked = True
                    _raise_in(watch.thread_id)


def _raise_in(thread_id: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(_Spinning))


def _await_the_last() -> None:
    """One that was sent and has not arrived yet must arrive here, and not in somebody else's code.

    Taking it back would not do. The interpreter notes that something was sent, and forgets it only when something
    arrives: until then it looks around at every call, and CPython 3.11 never gets past the first one that is traced
    (by pdb, by coverage). So another one is sent, in the place of the one before.
    """
    try:
        _raise_in(threading.get_ident())
        while True:
            pass
    except _Spinning:
        return


class _Watch:
    """One watched block."""

    def __init__(self, thread_id: int) -> None:
        self.thread_id = thread_id
        self.has_barked = False
        self.is_over = False
        self._patience = 2
        self._looks_left = self._patience

    def has_another_look(self) -> bool:
        """Whether it has time left; each time that it had none, the next takes twice as long."""
        self._looks_left -= 1
        if self._looks_left >= 0:
            return True
        self._patience *= 2
        self._looks_left = self._patience
        return False
