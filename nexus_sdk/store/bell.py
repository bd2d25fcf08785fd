"""Doorbells and watches inside one process. The one rule: a ring may come twice, and is never lost on the way.

Bells may be rung from any thread and awaited on any event loop; a loop that has ended takes nothing with it.
asyncio is imported where a bell is first waited for, so that opening a store stays cheap.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from nexus_sdk.core.status import Status
    from nexus_sdk.store.port import InstanceRecord


class LocalBell:
    """A doorbell of this process. Belongs to no event loop: each `wait` binds to the loop it runs on.

    `wants_every_move`: of a watch; otherwise it is for a change of status.
    """

    def __init__(self, board: BellBoard | None = None, *, wants_every_move: bool = True) -> None:
        self.wants_every_move = wants_every_move
        self._board = board
        self._lock = threading.Lock()
        self._has_rung = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None], int]] = []

    async def wait(self) -> None:
        """Return at once if it rang since the last `wait` returned, else when it rings next."""
        import asyncio

        loop = asyncio.get_running_loop()
        with self._lock:
            if self._has_rung:
                self._has_rung = False
                return
            waiter = (loop, loop.create_future(), threading.get_ident())
            self._waiters.append(waiter)
        try:
            await waiter[1]
        except asyncio.CancelledError:
            if waiter[1].done() and not waiter[1].cancelled():
                self.ring()  # it rang for somebody who had just stopped listening: keep it for the next
            raise
        finally:
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def ring(self) -> None:
        """Ring this one bell."""
        with self._lock:
            waiters, self._waiters = self._waiters, []
            if not waiters:
                self._has_rung = True
        here = threading.get_ident()
        for loop, future, thread in waiters:
            try:
                if thread == here:  # a call across threads costs two system calls
                    _wake(future)
                else:
                    loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:  # the loop has ended, and its waiter with it
                with self._lock:
                    self._has_rung = True

    def close(self) -> None:
        """No more rings."""
        if self._board is not None:
            self._board.drop(self)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class BellBoard:
    """All the bells of one store object: doorbells, and the watches of single instances.

    It also remembers what each receiver was told about the next due time, so that a time which is set later and
    falls earlier rings.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A mapping, for its order: bells ring in the order in which they were made, in every process.
        self._bells: weakref.WeakKeyDictionary[LocalBell, None] = weakref.WeakKeyDictionary()
        self._watches: dict[str, list[LocalBell]] = {}
        self._told: dict[frozenset[str], int | None] = {}

    def new_bell(self) -> LocalBell:
        """A doorbell that `ring_all` rings until it is closed or dropped."""
        bell = LocalBell(self)
        with self._lock:
            self._bells[bell] = None
        return bell

    def drop(self, bell: LocalBell) -> None:
        """Forget a doorbell."""
        with self._lock:
            self._bells.pop(bell, None)

    def ring_all(self) -> None:
        """Ring every doorbell."""
        with self._lock:
            bells = list(self._bells)
        for bell in bells:
            bell.ring()

    def tell(self, queues: Iterable[str], next_due_us: int | None) -> None:
        """Note what a receiver of these queues was told."""
        key = frozenset(queues)
        with self._lock:
            if len(self._told) > 64 and key not in self._told:
                self._told.clear()
            self._told[key] = next_due_us

    def expect(self, due_us: int, queue: str | None = None) -> None:
        """Something falls due on `queue` at `due_us`: ring when a receiver of it was told a later time, or none."""
        with self._lock:
            late = [
                key
                for key, told in self._told.items()
                if (queue is None or queue in key) and (told is None or due_us < told)
            ]
            for key in late:
                self._told[key] = due_us
        if late:
            self.ring_all()

    def add_watch(self, instance_id: str, *, wants_every_move: bool = True) -> LocalBell:
        """A bell that rings when the instance moves, or only when its status does; give it back with `drop_watch`."""
        bell = LocalBell(wants_every_move=wants_every_move)
        with self._lock:
            self._watches.setdefault(instance_id, []).append(bell)
        return bell

    def drop_watch(self, instance_id: str, bell: LocalBell) -> None:
        """The watch has ended."""
        with self._lock:
            bells = self._watches.get(instance_id, [])
            if bell in bells:
                bells.remove(bell)
            if not bells:
                self._watches.pop(instance_id, None)

    def moved(self, instance_id: str, *, has_new_status: bool = True) -> None:
        """Wake the watches of one instance. `has_new_status`: in doubt."""
        with self._lock:
            bells = list(self._watches.get(instance_id, ()))
        for bell in bells:
            if has_new_status or bell.wants_every_move:
                bell.ring()

    def moved_any(self) -> None:
        """Wake every watch: something moved, and it is not known what."""
        with self._lock:
            bells = [bell for watching in self._watches.values() for bell in watching]
        for bell in bells:
            bell.ring()


def has_moved(record: InstanceRecord, run_id: str, after: int, status: Status | None) -> bool:
    """Whether a watch that began there may return: see `Store.watch`."""
    return (record.run_id, record.last_batch) != (run_id, after) and (
        status is None or record.status.is_news_after(status)
    )
