"""Long polls: who waits for work is told by SQS, instead of asking it each second.

A poll takes messages off a queue before anybody asks for them; they lie here, hidden from others, until somebody does.
The one rule: **who listens to a queue need not ask it**, and nobody listens to a queue that he would not ask: a worker
that has its hands full hears nothing, and takes nothing from others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nexus_sdk.store.bell import BellBoard, LocalBell
from nexus_sdk.store.port import Doorbell
from nexus_sdk.store.split.rings import Ring

Receive = Callable[[str, int, int, int], Awaitable[list[Ring]]]
"""Receives from a queue: for so many seconds hidden, so many at most, waiting so many seconds for the first."""


class Ear:
    """Listens to queues.

    Args:
        receive: see `Receive`.
        give_back: shows messages again that were heard, and that nobody asked for.
        ring: tells whoever waits that something was heard, or that he may ask again.
        wait_seconds: a poll lasts so long; 0: there are none.
        pause_seconds: after a poll that failed nothing is told for so long.
    """

    def __init__(
        self,
        receive: Receive,
        give_back: Callable[[Sequence[Ring]], Awaitable[None]],
        ring: Callable[[], None],
        *,
        wait_seconds: int,
        pause_seconds: float,
    ) -> None:
        self._receive = receive
        self._give_back = give_back
        self._ring = ring
        self._wait_seconds = wait_seconds
        self._pause_seconds = pause_seconds
        self._wanted: dict[str, tuple[int, int]] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, list[tuple[float, Ring]]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def want(self, queue: str, seconds: int, limit: int) -> None:
        """Somebody has asked this queue in vain, for so many messages to be hidden for so many seconds."""
        if self._wait_seconds:
            self._wanted[queue] = (seconds, limit)

    def is_listening(self, queue: str) -> bool:
        """Whether it will be heard when something comes, or lies here already."""
        poll = self._polls.get(queue)
        return bool(self._heard.get(queue)) or (poll is not None and not poll.done())

    def listen(self) -> bool:
        """Begin to listen to the queues that were asked in vain; whether there are any, or others still are heard."""
        wanted, self._wanted = self._wanted, {}
        for queue, (seconds, limit) in wanted.items():
            if not self.is_listening(queue):
                self._polls[queue] = asyncio.create_task(self._poll(queue, seconds, limit), name=f"nexus ear {queue}")
        return any(not poll.done() for poll in self._polls.values())

    def take(self, queue: str, limit: int) -> list[Ring]:
        """What was heard of this queue and is still hidden from others."""
        now = asyncio.get_running_loop().time()
        heard = [(until, ring) for until, ring in self._heard.pop(queue, ()) if until > now]
        if heard[limit:]:
            self._heard[queue] = heard[limit:]
        return [ring for _, ring in heard[:limit]]

    async def _poll(self, queue: str, seconds: int, limit: int) -> None:
        try:
            rings = await self._receive(queue, seconds, limit, self._wait_seconds)
            until = asyncio.get_running_loop().time() + seconds
            self._heard.setdefault(queue, []).extend((until, ring) for ring in rings)
        except Exception:  # whoever waits asks himself, and is told what is wrong
            await asyncio.sleep(self._pause_seconds)
        finally:
            if self._polls.get(queue) is asyncio.current_task():
                del self._polls[queue]
        self._ring()

    def close(self) -> None:
        """Hear nothing more; what was heard is given back."""
        self._wanted.clear()
        polls, self._polls = self._polls, {}
        heard = [ring for rings in self._heard.values() for _, ring in rings]
        self._heard.clear()
        for poll in polls.values():
            if not poll.get_loop().is_closed():
                poll.cancel()
        if heard:
            ending = asyncio.ensure_future(self._give_back_quietly(heard))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _give_back_quietly(self, rings: Sequence[Ring]) -> None:
        try:
            await self._give_back(rings)
        except Exception:  # they are shown again by themselves, later
            return


class ListeningBell:
    """See `Doorbell`: rings when something is heard, and otherwise in doubt, every so many seconds."""

    def __init__(self, board: BellBoard, ear: Ear, seconds: float, on_close: Callable[[], None]) -> None:
        self._bell: LocalBell = board.new_bell()
        self._ear = ear
        self._seconds = seconds
        self._on_close = on_close

    async def wait(self) -> None:
        """See `Doorbell.wait`."""
        if self._ear.listen():
            await self._bell.wait()
        else:
            await wait_in_doubt(self._bell, self._seconds)

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        self._bell.ring()

    def close(self) -> None:
        """See `Doorbell.close`."""
        self._bell.close()
        self._on_close()


async def wait_in_doubt(bell: Doorbell, seconds: float) -> None:
    """Wait for a bell, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return
