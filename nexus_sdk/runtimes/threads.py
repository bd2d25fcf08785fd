"""Threads for synchronous activities. The one rule: a thread that hangs never keeps the process from ending.

A thread cannot be stopped. When a worker has drained, what still runs in one was given back and is somebody else's by
now; the executor of the standard library would wait for it at exit, without end.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """Runs calls in at most `threads` threads, each started when all others are busy. They end with the executor."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads_max = threads
        self._name = name
        self._lock = threading.Lock()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        weakref.finalize(self, self._calls.put, None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `Executor.submit`."""
        call = _Call(lambda: fn(*args, **kwargs))
        with self._lock:
            if self._is_closed:
                raise RuntimeError("these threads take no more calls")
            self._calls.put(call)
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._threads_max:
                number = len(self._threads)
                thread = threading.Thread(
                    target=_work, args=(self._calls, self._idle), name=f"{self._name} {number}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor.shutdown`."""
        with self._lock:
            self._is_closed = True
            left = []
            while cancel_futures and not self._calls.empty():
                left.append(self._calls.get())
            self._calls.put(None)
        for call in left:
            if call is not None:
                call.future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()


class _Call:
    """A call and the future of its outcome."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self.future: Future[Any] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            value = self._run()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(value)


def _work(calls: SimpleQueue[_Call | None], idle: threading.Semaphore) -> None:
    while (call := calls.get()) is not None:
        call.run()
        del call  # an idle thread holds on to nothing
        idle.release()
    calls.put(None)  # for the next thread
