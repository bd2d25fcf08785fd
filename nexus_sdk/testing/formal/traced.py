"""Runs of the simulation whose every store call is followed by the twin of the specification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

from nexus_sdk.store.port import (
    Commit,
    Committed,
    Delivery,
    InboxMessage,
    InstanceRecord,
    Lease,
    Loaded,
    NewInstance,
    Received,
    Store,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.testing.formal.following import Follower, NotFollowed, Refused
from nexus_sdk.testing.simulation.plan import Plan
from nexus_sdk.testing.simulation.process import Process, ProcessStore
from nexus_sdk.testing.simulation.staff import Rivals
from nexus_sdk.testing.simulation.world import Outcome, World


class FollowedStore:
    """A store whose calls are followed. What is refused is said to `on_refused`; the call itself goes its way."""

    def __init__(self, inner: Store, follower: Follower, process: str, on_refused: Callable[[Refused], None]) -> None:
        self._inner = inner
        self._follower = follower
        self._process = process
        self._on_refused = on_refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """See `Store.create`."""
        record = await self._inner.create(new, now_us=now_us)
        self._follow(self._follower.created, new.record.id)
        return record

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """See `Store.load`."""
        loaded = await self._inner.load(instance_id, run_id=run_id, after=after)
        self._follow(self._follower.loaded, instance_id, self._process)
        return loaded

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
        committed = await self._inner.commit(commit, now_us=now_us)
        self._follow(self._follower.committed, commit, committed, self._process, now_us)
        return committed

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """See `Store.send`."""
        await self._inner.send(messages, now_us=now_us, settles=settles)
        self._follow(self._follower.sent, messages, settles)

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """See `Store.receive`."""
        received = await self._inner.receive(queues, limit=limit, lease=lease, now_us=now_us)
        self._follow(self._follower.received, received.deliveries, now_us)
        return received

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """See `Store.retry`."""
        await self._inner.retry(delivery, task, now_us=now_us)
        self._follow(self._follower.retried, delivery)

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """See `Store.release`."""
        await self._inner.release(delivery, now_us=now_us, not_before_us=not_before_us)
        self._follow(self._follower.released, delivery)

    async def ack(self, delivery: Delivery) -> None:
        """See `Store.ack`."""
        await self._inner.ack(delivery)
        self._follow(self._follower.acknowledged, delivery)

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """See `Store.purge`."""
        await self._inner.purge(instance_id, now_us=now_us, tombstone_seconds=tombstone_seconds)
        self._follow(self._follower.purged, instance_id)

    def _follow(self, told: Callable[..., None], *given: Any) -> None:
        try:
            told(*given)
        except NotFollowed:
            pass
        except Refused as refused:
            self._on_refused(refused)


class FollowedSplitStore:
    """The same for a split store: it is followed write by write, as others come between the writes of a verb.

    Its verbs only note what is being done; the table (`follow_writes`) tells the follower.
    """

    def __init__(self, inner: Store, process: str) -> None:
        self._inner = inner
        self._process = process

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in _FOLLOWED_VERBS:
            return verb

        async def noted(*given: Any, **named: Any) -> Any:
            token = _doing.set(_Verb(name, self._process, given, named))
            try:
                return await verb(*given, **named)
            finally:
                _doing.reset(token)

        return noted


_FOLLOWED_VERBS = frozenset({"create", "load", "commit", "send", "receive", "retry", "release", "ack", "due", "purge"})


class _Verb(NamedTuple):
    """What a process is doing: a verb with its arguments."""

    name: str
    process: str
    given: tuple[Any, ...]
    named: dict[str, Any]


_doing: ContextVar[_Verb | None] = ContextVar("nexus_followed_verb", default=None)
_writing: ContextVar[str] = ContextVar("nexus_followed_write", default="")


def follow_writes(store: Any, follower: Follower, on_refused: Callable[[Refused], None]) -> None:
    """Tell the follower of each write of this store, at once."""
    table, plain_change, plain_load = store._table, store._table.change, store._table.load
    plain_step = store._change

    async def step(name: str, *given: Any, **named: Any) -> Any:
        token = _writing.set(name)
        try:
            return await plain_step(name, *given, **named)
        finally:
            _writing.reset(token)

    async def change(instance_id: str, *given: Any, **named: Any) -> Any:
        result = await plain_change(instance_id, *given, **named)
        verb = _doing.get()
        try:
            if verb is not None:
                _tell(follower, verb, _writing.get(), instance_id, result)
        except NotFollowed:
            pass
        except Refused as refused:
            on_refused(refused)
        return result

    async def load(instance_id: str, **named: Any) -> Any:
        loaded = await plain_load(instance_id, **named)
        verb = _doing.get()
        if verb is not None:
            follower.loaded(instance_id, verb.process)
        return loaded

    store._change, table.change, table.load = step, change, load


def _tell(follower: Follower, verb: _Verb, write: str, id: str, result: Any) -> None:
    """What a write of a split store is in the specification."""
    match write:
        case "commit:write":
            committed = Committed(result.deliveries)
            follower.committed(verb.given[0], committed, verb.process, verb.named["now_us"], is_split=True)
        case "send:accept":
            own = [message for message in verb.given[0] if message.instance_id == id]
            follower.sent(own, verb.named.get("settles", ()))
        case "receive:lease" if isinstance(result, TaskDelivery | TurnDelivery):
            follower.received([result], verb.named.get("now_us", 0))
        case "outbox:task" if isinstance(result, tuple):  # what its committer has claimed of his own tasks
            follower.received(result[0], 0)
            follower.came(id)
        case "retry:write":
            follower.retried(verb.given[0])
        case "release:write":
            follower.released(verb.given[0])
        case "ack:write":
            follower.acknowledged(verb.given[0])
        case "purge:write":
            follower.purged(id)
        case _:
            follower.came(id)


def simulate_traced(plan: Plan) -> tuple[Outcome, int]:
    """Run a plan of the simulation and follow it; what came of it, and of how many steps of the specification it is
    made. Where the specification refuses a step, `Outcome.broken` says so.
    """
    world = World(plan)
    scene = world.scene
    follower = Follower(lambda: cast("Any", scene.store)._items)
    plain = scene.shared
    refusals: list[str] = []

    def refuse(refused: Refused) -> None:
        refusals.append(f"the specification refuses: {refused}")
        scene.fail(refused)

    if plan.is_split:
        follow_writes(scene.store, follower, refuse)

    def followed(process: str) -> Store:
        if plan.is_split:
            return cast("Store", FollowedSplitStore(plain, process))
        return cast("Store", FollowedStore(plain, follower, process, refuse))

    def store_of(process: Process) -> Store:
        return cast("Store", ProcessStore(followed(process.name), process))

    scene.shared = followed("outside")
    setattr(scene, "store_of", store_of)  # noqa: B010
    scene.outside.others = Rivals(scene)  # with the store as it is now
    outcome = world.run()
    if refusals:
        outcome.broken = "\n".join(refusals[:1])
    return outcome, follower.steps
