"""The sub-steps of a split store: single writes to the table and single calls to the queues.

The one rule: each sub-step is taken whole, and every one of them may be the last that its process takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from nexus_sdk.store.bell import BellBoard
from nexus_sdk.store.port import TURNS, Lease
from nexus_sdk.store.split.looks import Held
from nexus_sdk.store.split.ports import Change, Queues, Slot, Table
from nexus_sdk.store.split.rings import Ring

T = TypeVar("T")

Between = Callable[[str], Awaitable[None] | None]
"""Called with the name of a sub-step, as ``commit:write before`` and ``commit:write after``."""


Pause = Callable[[int], Awaitable[None]]
"""Waits a little; longer each time, with the number of times before."""


class Behind(Exception):
    """The item has sends left to be made; they come first."""


class Step:
    """See `SplitSteps._step`: a block that says when it begins, and that it is over unless it raised."""

    __slots__ = ("_between", "_name")

    def __init__(self, name: str, between: Between | None) -> None:
        self._name = name
        self._between = between

    async def __aenter__(self) -> None:
        if self._between is not None and (waiting := self._between(f"{self._name} before")) is not None:
            await waiting

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or self._between is None:
            return
        if (waiting := self._between(f"{self._name} after")) is not None:
            await waiting


class SplitSteps:
    """The steps that the verbs of a split store are made of."""

    def __init__(
        self,
        table: Table,
        queues: Queues,
        *,
        next_number: Callable[[], int],
        between: Between | None = None,
        pause: Pause | None = None,
        outbox_grace_seconds: float = 5.0,
    ) -> None:
        self.between = between
        self._pause = pause
        self._table = table
        self._queues = queues
        self._board = BellBoard()
        self._next = next_number
        self._grace_us = round(outbox_grace_seconds * 1_000_000)
        self._receipts: dict[str, Ring] = {}
        self._notes: dict[str, tuple[int, int]] = {}
        self._making: set[str] = set()
        """Instances for which much is being sent here; nobody else here begins it, too."""

    # --- sub-steps ------------------------------------------------------------------------------------------------

    def _step(self, name: str) -> Step:
        """One write to the table or one call to a queue: taken whole, with a place to crash on either side."""
        return Step(name, self.between)

    async def _change(
        self,
        name: str,
        instance_id: str,
        change: Change[T],
        *,
        tasks: Sequence[str] = (),
        fresh: Sequence[str] = (),
        is_of_task: bool = False,
    ) -> T:
        """One conditional write; what this process has noted as sent is written down with it.

        `is_of_task`: not with this one, which concerns one task, and not the instance.
        """
        note = None if is_of_task else self._notes.get(instance_id)

        def noting(slot: Slot) -> T:
            if note is not None and slot.item is not None and slot.item.seq == note[0]:
                slot.item.sent(note[1])
            return change(slot)

        async with self._step(name):
            result = await self._table.change(instance_id, change if note is None else noting, tasks=tasks, fresh=fresh)
        if note is not None and self._notes.get(instance_id) == note:
            del self._notes[instance_id]
        return result

    async def _change_healed(
        self,
        name: str,
        instance_id: str,
        change: Change[T],
        *,
        tasks: Sequence[str] = (),
        fresh: Sequence[str] = (),
        delivered: Sequence[str] = (),
    ) -> T:
        """A change that comes after the sends that older batches have left to be made.

        Args:
            delivered: tasks that were delivered, which proves that their messages were put.
        """

        def healed(slot: Slot) -> T:
            item = slot.item
            if item is not None:
                item.cross_out(delivered)
            if item is not None and item.is_behind:
                raise Behind
            return change(slot)

        while True:
            try:
                return await self._change(name, instance_id, healed, tasks=tasks, fresh=fresh)
            except Behind:
                await self._heal(instance_id)

    async def _ring(self, instance_id: str, due_us: int | None, now_us: int) -> None:
        """Put a bell on the queue: at once when the instance wants a turn, delayed when it will."""
        if due_us is None:
            return
        async with self._step("ring"):
            await self._queues.put([Ring(0, TURNS, instance_id, visible_us=due_us)], now_us=now_us)
        self._announce(due_us, now_us)

    def _announce(self, due_us: int, now_us: int) -> None:
        if due_us <= now_us:
            self._board.ring_all()
        else:
            self._board.expect(due_us)

    async def _put(self, name: str, rings: Sequence[Held], now_us: int) -> None:
        """Put the messages of tasks on their queues."""
        if not rings:
            return
        async with self._step(name):
            put = await self._queues.put([ring for ring, _ in rings], now_us=now_us)
        for ring, (_, token) in zip(put, rings, strict=True):
            if ring.is_taken and token is not None:
                self._receipts[token] = ring
            self._announce(ring.visible_us, now_us)

    async def _heal(self, instance_id: str) -> None:
        """Make the sends that older batches of this instance have left to be made."""
        raise NotImplementedError  # the outbox does

    # --- numbers ----------------------------------------------------------------------------------------------------

    def _numbers(self) -> Iterator[int]:
        while True:
            yield self._next()

    def _tokens(self, lease: Lease) -> Iterator[str]:
        return (f"{lease.holder}/{number}" for number in self._numbers())
