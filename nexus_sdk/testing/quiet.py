"""Knowing when everybody waits: nothing is ready on the event loop, no thread is at work, no store is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from nexus_sdk.store.port import Store

VERBS = (
    *("create", "load", "find", "commit", "send", "receive", "extend", "retry", "release", "ack"),
    *("due", "list", "count", "put_blobs", "get_blobs", "purge"),
)
"""What a store is asked and answers by itself; `watch` and bells wait for others."""

BLIND_ROUNDS = 200
"""So often a loop goes round, where it cannot be seen whether something is ready, before everybody waits."""


_LOOKING: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Held by whoever looks whether anything is ready on a loop."""


class ThreadWatch:
    """Counts the work that the event loop has given to threads and not got back."""

    def __init__(self) -> None:
        self._under_way: set[Future[Any]] = set()
        self._executor = ThreadPoolExecutor(8, thread_name_prefix="nexus test")

    def __enter__(self) -> ThreadWatch:
        self._loop = asyncio.get_running_loop()
        self._plain = self._loop.run_in_executor
        self._loop.run_in_executor = self._run_in_executor  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_in_executor = self._plain  # type: ignore[method-assign]
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def executor(self) -> Executor:
        """Threads for synchronous activities."""
        return self._executor

    async def everybody_waits(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Return when the loop has nothing to do, threads have given back their work, and `is_busy` says no.

        One looks at a time: two who look at the same loop would see each other, and never rest.
        """
        async with _LOOKING.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            while True:
                await self._let_others_run()
                if self._loop_is_ready() or is_busy():
                    continue
                if not self._under_way:
                    return
                await asyncio.wait({asyncio.wrap_future(one) for one in self._under_way}, return_when="FIRST_COMPLETED")

    def leave_threads_alone(self) -> None:
        """Wait no longer for what threads do now: they are meant to hang."""
        self._under_way.clear()

    async def _let_others_run(self) -> None:
        # A loop that does not show what is ready (uvloop) is given time for long chains of callbacks instead.
        for _ in range(1 if hasattr(self._loop, "_ready") else BLIND_ROUNDS):
            await asyncio.sleep(0)

    def _loop_is_ready(self) -> bool:
        # The loop keeps what is ready in `_ready`; there is no public way to ask. Our own turn is already taken out.
        return bool(getattr(self._loop, "_ready", ()))

    def _run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:
        future: Future[Any] = (executor or self._executor).submit(func, *args)
        self._under_way.add(future)
        wrapped = asyncio.wrap_future(future, loop=self._loop)  # first: the result is heard of before it is forgotten
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._under_way.discard, done))
        return wrapped


class CallWatch:
    """Counts the calls of a store that are under way: one whose database is elsewhere waits for a socket, and the
    event loop shows nothing of it. A store that lies in this process waits for nothing but what a test wants it to."""

    def __init__(self) -> None:
        self._loops: list[asyncio.AbstractEventLoop] = []

    @property
    def is_busy(self) -> bool:
        """Whether a call that was made on the running event loop has not come back yet."""
        return asyncio.get_running_loop() in self._loops

    @classmethod
    def of(cls, store: Store) -> CallWatch:
        """The one of this store. From now on its calls are counted, whoever makes them, if it is shared."""
        known = _WATCHED.get(store)
        if known is None:
            known = _WATCHED[store] = cls()
            for name in VERBS if store.capabilities.is_shared else ():
                setattr(store, name, known._counted(getattr(store, name)))
        return known

    def _counted(self, verb: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(verb)
        async def counted(*args: Any, **named: Any) -> Any:
            loop = asyncio.get_running_loop()
            self._loops.append(loop)
            try:
                return await verb(*args, **named)
            finally:
                self._loops.remove(loop)

        return counted


_WATCHED: WeakKeyDictionary[Store, CallWatch] = WeakKeyDictionary()
