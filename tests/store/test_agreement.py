"""The stores agree: any sequence of verbs gives the same answers and leaves the same state in all of them.

But for one thing: a split store accepts what a turn sends to its own instance with the turn, before the replies that
come back from others. So messages are compared and consumed by their ids.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError, InstanceFinished, InstanceNotFound, NexusError
from nexus_sdk.store.item import instance_of
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import (
    LOCAL,
    TURNS,
    CancelTask,
    Claim,
    Commit,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    Query,
    Send,
    Store,
    TaskDelivery,
)
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.memory_rows import RowMemoryStore
from nexus_sdk.store.sqlite import SqliteStore
from nexus_sdk.testing.provider_suite.builders import at, message, new, task, turn

IDS = st.sampled_from("ab")
NAMES = st.sampled_from("xyz")


def _new(name: str, request: str, wake: int | None, if_refused: InboxMessage | None = None) -> NewInstance:
    """With a message, or woken by its time alone."""
    made = new(name, request_id=request, if_refused=if_refused, wake_at_us=at(wake) if wake is not None else None)
    return made if wake is None else replace(made, message=None)


SENDS = st.one_of(
    st.builds(
        lambda to, name, remembered, reply, tells_end: message(
            to,
            name,
            is_remembered=remembered,
            if_accepted=message(reply, f"{name}-yes"),
            if_refused=message(reply, f"{name}-no"),
            if_finished=message(reply, f"{name}-late") if tells_end else None,
        ),
        st.sampled_from("abn"),
        NAMES,
        st.booleans(),
        IDS,
        st.booleans(),
    ),
    st.builds(
        lambda name, queue, delay, priority: ("task", name, queue, delay, priority),
        NAMES,
        st.sampled_from(["work", LOCAL]),
        st.sampled_from([0, 20]),
        st.integers(0, 1),
    ),
    st.builds(lambda name: ("cancel", name), NAMES),
    st.builds(
        lambda to, request, wake: _new(to, request, wake, if_refused=message("a", f"{to}-taken")),
        IDS,
        st.sampled_from("rs"),
        st.sampled_from([None, 20]),
    ),
)
VERBS = st.one_of(
    st.tuples(st.just("create"), IDS, st.sampled_from("rs"), st.sampled_from([None, None, 20])),
    st.tuples(
        st.just("commit"),
        IDS,
        st.lists(SENDS, max_size=3),
        st.sets(st.integers(0, 3), max_size=3),
        st.booleans(),
        st.sampled_from([None, 0, 1, 3]),
        st.sampled_from([Status.RUNNING] * 5 + [Status.COMPLETED, Status.SUSPENDED]),
        st.sampled_from([None, 10, 50]),
    ),
    st.tuples(st.just("repeat")),
    st.tuples(st.just("send"), IDS, st.lists(NAMES, min_size=1, max_size=2), st.booleans()),
    st.tuples(st.just("receive"), st.sampled_from([TURNS, "work", LOCAL]), st.integers(1, 3)),
    st.tuples(st.sampled_from(["extend", "release", "ack", "retry"]), st.integers(0, 5)),
    st.tuples(st.just("pass"), st.sampled_from([1, 15, 40])),
    st.tuples(st.just("purge"), IDS),
)


class Player:
    """Plays a sequence of verbs on one store, and tells what it answered."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_us = at(0)
        self.held: list[Delivery] = []
        self.lease = Lease("anna", 30)
        self.last: Commit | None = None
        self.turns = 0

    async def play(self, verb: tuple[Any, ...]) -> Any:
        try:
            return await getattr(self, f"_{verb[0]}")(*verb[1:])
        except NexusError as error:
            return type(error).__name__

    async def state(self) -> Any:
        found: list[Any] = []
        for name in "ab":
            try:
                loaded = await self.store.load(name)
                found.append((loaded.record, loaded.batches, sorted(each.id for each in loaded.messages)))
            except NexusError as error:
                found.append(type(error).__name__)
        return found, (await self.store.list(Query(), limit=9)).records

    async def _create(self, name: str, request: str, wake: int | None) -> InstanceRecord:
        return await self.store.create(_new(name, request, wake), now_us=self.now_us)

    async def _commit(
        self,
        name: str,
        sends: list[Any],
        consumed: set[int],
        settles: bool,
        limit: int | None,
        status: Status,
        wake: int | None,
    ) -> Any:
        loaded = await self.store.load(name)
        before, messages = loaded.record, loaded.messages
        by_id = sorted(messages, key=lambda each: each.id)
        self.turns += 1
        self.last = turn(
            before,
            *(_as_send(name, send, self.now_us) for send in sends),
            consumed=[each.number for index, each in enumerate(by_id) if index in consumed],
            settles=[each for each in self.held[-1:] if settles and instance_of(each) == name],
            claim=Claim(frozenset({"work"}), limit, self.lease) if limit is not None else None,
            status=status,
            wake_at_us=at(wake) if wake is not None else None,
            held_through=messages[-1].number if messages and status is Status.SUSPENDED else None,
            turn_id=f"turn-{self.turns}",
        )
        committed = await self.store.commit(self.last, now_us=self.now_us)
        self.held += committed.deliveries
        return sorted(map(_told, committed.deliveries)), committed.is_ready

    async def _repeat(self) -> Any:
        """The last commit once more, as after a lost reply; or for the first time, when it was refused."""
        if self.last is None:
            return None
        committed = await self.store.commit(self.last, now_us=self.now_us)
        return sorted(map(_told, committed.deliveries)), committed.is_ready

    async def _send(self, name: str, names: list[str], settles: bool) -> str:
        settled = [self.held[-1]] if settles and self.held else []
        messages = [message(name, each) for each in names]
        try:
            await self.store.send(messages, settles=settled, now_us=self.now_us)
        except (InstanceNotFound, InstanceFinished, ConflictError) as error:
            # With a lost lease besides, a store may tell either.
            return "refused" if settled else type(error).__name__
        return "accepted"

    async def _receive(self, queue: str, limit: int) -> Any:
        await self.store.due(before_us=self.now_us, limit=9)
        limit = 9 if queue == TURNS else limit  # the port gives instances no order
        received = await self.store.receive([queue], limit=limit, lease=self.lease, now_us=self.now_us)
        self.held += sorted(received.deliveries, key=_told)
        return sorted(map(_told, received.deliveries))

    async def _extend(self, index: int) -> Any:
        return await self._with(index, lambda held: self.store.extend(held, lease=self.lease, now_us=self.now_us))

    async def _release(self, index: int) -> Any:
        return await self._with(index, lambda held: self.store.release(held, now_us=self.now_us))

    async def _ack(self, index: int) -> Any:
        return await self._with(index, self.store.ack)

    async def _retry(self, index: int) -> Any:
        async def retry(held: Delivery) -> None:
            if isinstance(held, TaskDelivery):
                following = task(held.task.instance_id, held.task.id[6:], attempt=held.task.attempt + 1)
                await self.store.retry(held, following, now_us=self.now_us)

        return await self._with(index, retry)

    async def _with(self, index: int, act: Any) -> Any:
        return await act(self.held[index % len(self.held)]) if self.held else None

    async def _pass(self, seconds: int) -> None:
        self.now_us += seconds * 1_000_000

    async def _purge(self, name: str) -> None:
        await self.store.purge(name, now_us=self.now_us, tombstone_seconds=30)


def _as_send(name: str, send: Any, now_us: int) -> Send:
    match send:
        case ("task", task_name, queue, delay, priority):
            return task(name, task_name, queue, not_before_us=now_us + delay * 1_000_000, priority=priority)
        case ("cancel", task_name):
            return CancelTask(f"run-1/{task_name}", name, message(name, f"{task_name}-removed"))
        case _:
            return send  # type: ignore[no-any-return]  # a message or an instance as it is


def _told(delivery: Delivery) -> tuple[Any, ...]:
    """A delivery without its token."""
    if isinstance(delivery, TaskDelivery):
        task = delivery.task
        return (
            task.instance_id,
            task.id,
            task.attempt,
            delivery.deliveries,
            delivery.is_cancel_requested,
            task.not_before_us,
        )
    return (delivery.instance_id, tuple(sorted(found.id for found in delivery.messages)))


async def _agree(verbs: list[tuple[Any, ...]], path: str) -> None:
    stores: list[Store] = [
        MemoryStore(),
        SqliteStore(path, synchronous="OFF"),
        SplitMemoryStore(outbox_grace_seconds=0),
        RowMemoryStore(outbox_grace_seconds=0),
    ]
    try:
        await _play([Player(store) for store in stores], verbs)
    finally:
        await stores[1].close()


async def _play(players: list[Player], verbs: list[tuple[Any, ...]]) -> None:
    for verb in verbs:
        first, *others = [await player.play(verb) for player in players]
        for other, player in zip(others, players[1:], strict=True):
            assert other == first, (verb, type(player.store).__name__)
        first, *others = [await player.state() for player in players]
        for other, player in zip(others, players[1:], strict=True):
            assert other == first, (verb, type(player.store).__name__)


@settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(VERBS, min_size=3, max_size=25))
def test_any_sequence_of_verbs_has_the_same_outcome_in_every_store(verbs: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_agree([("create", "a", "r", None), *verbs], f"{directory}/store.db"))
