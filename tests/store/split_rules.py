"""The rules of split stores, each as a scenario on any of them, and each with its removal.

| rule | scenario | removal |
|---|---|---|
| 1 an input is written down, then the bell rings | `inputs_survive_the_queue` | it is only rung for |
| 1 … unless the instance has finished | `finished_instances_refuse` | nobody looks |
| 2 the batch is the outbox: whoever heals sends it | `an_outbox_is_sent_by_whoever_comes` | nobody heals |
| 2 it counts as sent when it was sent | `sent_means_sent` | it is crossed out before |
| 2 older batches are sent first | `older_batches_are_sent_first` | the youngest goes its way |
| 2 the cause is acknowledged last | `the_cause_is_acknowledged_last` | it is acknowledged first |
| 2 a cause that comes back finds its batch, though all has ended | `a_batch_is_found_again` | it is not known |
| 2 what is sent once more has no effect | `a_send_made_twice_counts_once` | its key is not kept |
| 3 the index knows timers, unsent outboxes, and leases | `the_sweep_finds_…` | it does not |
| 3 the index is a hint: the sweep looks | `a_stale_index_does_no_harm` | it is believed |
| 4 an old message runs nothing | `an_old_message_runs_nothing` | its attempt is not looked at |
| 4 what the queue gives up is heeded | `dead_letters_are_heeded` | they lie there |
| 5 an outcome settles its activity with the turn | `a_turn_settles_its_cause` | it does not |
| 5 many outcomes ring once | `many_outcomes_ring_once` | each rings |
| 6 what is too large lies among the blobs before anything refers to it | `blobs_come_first` | they come afterwards |
| 6 a large fan-out goes on where it was | `a_fan_out_goes_on_where_it_was` | there is no cursor |
| 6 … and rings for itself | `a_fan_out_rings_for_itself` | it does not |
| 7 a child is not cancelled before it is there | `a_cancel_does_not_overtake` | the youngest goes its way |
| 7 tombstones stop resurrection | `the_buried_stay_buried` | nobody looks for them |
| 7 what a child tells its parent is part of its outbox | `a_childs_outcome_is_not_lost` | nobody heals |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.errors import InstanceFinished, NexusError
from nexus_sdk.store.item import Item
from nexus_sdk.store.port import TURNS, TaskDelivery
from nexus_sdk.store.split import store as split_store
from nexus_sdk.store.split.item import DIRECT_MAX, SplitItem
from nexus_sdk.store.split.outbox import TASKS_MAX, SplitOutbox
from nexus_sdk.store.split.rings import Ring
from nexus_sdk.store.split.row_item import RowItem, RowSlot
from nexus_sdk.store.split.row_table import RowTable
from nexus_sdk.store.split.steps import SplitSteps
from nexus_sdk.store.split.store import SplitStore
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    message,
    new,
    pending,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)
from nexus_sdk.testing.provider_suite.recovery import Crash
from tests.simulation.planting import Patch, edited

LATER = at(60)
"""All graces and leases have run out."""


class Tampered:
    """The queues of a store, which lose what is put. `was_put`: that."""

    def __init__(self, store: SplitStore) -> None:
        self._queues: Any = store._queues
        self.is_losing = False
        self.was_put: list[Ring] = []
        self.dead: list[Ring] = []
        store._queues = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)

    async def put(self, rings: Sequence[Ring], *, now_us: int) -> Sequence[Ring]:
        """See `Queues.put`."""
        self.was_put += rings
        if self.is_losing:
            return rings
        put: Sequence[Ring] = await self._queues.put(rings, now_us=now_us)
        return put

    async def dead_letters(self, *, now_us: int) -> Sequence[Ring]:
        """See `Queues.dead_letters`: those that the test has laid here."""
        return self.dead

    async def remove_dead_letter(self, letter: Ring) -> None:
        """See `Queues.remove_dead_letter`."""
        self.dead = []


def dies(store: SplitStore, step: str, *, after: int = 1) -> Counter[str]:
    """The process ends at this sub-step, the n-th time; how often each was passed."""
    passed: Counter[str] = Counter()

    def between(name: str) -> None:
        passed[name] += 1
        if name == step and passed[name] == after:
            raise Crash

    store.between = between
    return passed


async def crashed(store: SplitStore, call: Awaitable[Any]) -> None:
    """Make a call that the process does not survive."""
    try:
        await call
    except Crash:
        store.between = None
        return
    raise AssertionError("it did not die")


# --- 1: inputs --------------------------------------------------------------------------------------------------------


async def inputs_survive_the_queue(store: SplitStore) -> None:
    await started(store, "a")
    queues = Tampered(store)
    queues.is_losing = True
    await store.send([message("a", "m")], now_us=T0)
    queues.is_losing = False
    found = await receive_turns(store, now_us=LATER)
    assert [each.id for each in found["a"].messages] == ["m"]


async def finished_instances_refuse(store: SplitStore) -> None:
    before = await started(store, "a")
    await store.commit(turn(before, status=Status.COMPLETED), now_us=T0)
    try:
        await store.send([message("a", "m")], now_us=T0)
    except InstanceFinished:
        return
    raise AssertionError("silence")


# --- 2: the outbox ----------------------------------------------------------------------------------------------------


async def an_outbox_is_sent_by_whoever_comes(store: SplitStore) -> None:
    before = await started(store, "a")
    await started(store, "b")
    dies(store, "commit:write after")
    await crashed(store, store.commit(turn(before, message("b", "hello"), new("child")), now_us=T0))
    await store.due(before_us=LATER, limit=9)
    assert await pending(store, "b") == ["hello"]
    assert (await store.find("child")).id == "child"


async def sent_means_sent(store: SplitStore) -> None:
    before = await started(store, "a")
    await started(store, "b")
    dies(store, "outbox:message before")
    await crashed(store, store.commit(turn(before, message("b", "hello")), now_us=T0))
    await store.due(before_us=LATER, limit=9)
    assert await pending(store, "b") == ["hello"]


async def older_batches_are_sent_first(store: SplitStore) -> None:
    before = await started(store, "a")
    await started(store, "b")
    dies(store, "commit:write after")
    first = turn(before, message("b", "first"))
    await crashed(store, store.commit(first, now_us=T0))
    await store.commit(turn(first.record, message("b", "second")), now_us=T0)
    assert await pending(store, "b") == ["first", "second"]


async def the_cause_is_acknowledged_last(store: SplitStore) -> None:
    before = await started(store, "a", task("a"))
    await started(store, "b")
    (held,) = await receive_tasks(store)
    names: list[str] = []
    store.between = names.append  # type: ignore[assignment]
    await store.commit(turn(before, message("b", "hello"), settles=[held]), now_us=T0)
    assert "outbox:sent after" in names
    assert names[-2:] == ["ack:remove before", "ack:remove after"]
    assert names.count("ack:remove before") == 1


async def a_batch_is_found_again(store: SplitStore) -> None:
    before = await started(store, "a")
    await started(store, "b")
    dies(store, "commit:write after")
    ending = turn(before, message("b", "hello"), status=Status.COMPLETED, turn_id="mine")
    await crashed(store, store.commit(ending, now_us=T0))
    await store.commit(ending, now_us=T0)
    assert await pending(store, "b") == ["hello"]


async def a_send_made_twice_counts_once(store: SplitStore) -> None:
    before = await started(store, "a")
    other = await started(store, "b")
    dies(store, "outbox:sent before")
    await crashed(store, store.commit(turn(before, message("b", "hello")), now_us=T0))
    await store.commit(turn(other, consumed=(2,)), now_us=T0)
    await store.due(before_us=LATER, limit=9)
    assert await pending(store, "b") == []


# --- 3: the index -----------------------------------------------------------------------------------------------------


async def the_sweep_finds_timers(store: SplitStore) -> None:
    Tampered(store).is_losing = True
    await started(store, "a", wake_at_us=at(100_000))
    assert list(await store.due(before_us=at(99_000), limit=9)) == []
    assert list(await store.due(before_us=at(100_000), limit=9)) == ["a"]


async def the_sweep_finds_unsent_outboxes(store: SplitStore) -> None:
    before = await started(store, "a")
    await started(store, "b")
    dies(store, "commit:write after")
    await crashed(store, store.commit(turn(before, message("b", "hello")), now_us=T0))
    assert list(await store.due(before_us=at(1), limit=9)) == []
    assert list(await store.due(before_us=at(10), limit=9)) == ["a"]


async def the_sweep_finds_leases_that_ran_out(store: SplitStore) -> None:
    await started(store, "a", task("a"))
    queues = Tampered(store)
    (held,) = await receive_tasks(store)
    await store._queues.remove([store._receipts[held.token]])  # the message does not come back by itself
    assert list(await store.due(before_us=at(29), limit=9)) == []
    (again,) = await receive_tasks(store, lease=BERT, now_us=at(31))
    assert (again.task.attempt, again.deliveries) == (2, 2)
    assert queues.was_put


async def a_stale_index_does_no_harm(store: SplitStore) -> None:
    await started(store, "a", task("a"))
    rows: Any = store._table._rows  # type: ignore[attr-defined]

    async def late(**asked: Any) -> list[tuple[str, str]]:
        return [("a", "head"), ("a", "t/run-1/0"), ("gone", "head"), ("gone", "t/x")]

    rows.late = late
    assert list(await store.due(before_us=T0, limit=9)) == []


# --- 4: old messages --------------------------------------------------------------------------------------------------


async def an_old_message_runs_nothing(store: SplitStore) -> None:
    queues = Tampered(store)
    before = await started(store, "a", task("a", "0"), task("a", "1"))
    held = {delivery.task.id: delivery for delivery in await receive_tasks(store)}
    await store._queues.put([replace(ring) for ring in queues.was_put if ring.task_id], now_us=T0)
    moved = held["run-1/0"]
    await store.retry(moved, replace(moved.task, attempt=2, queue="other"), now_us=T0)
    await store.commit(turn(before, settles=[held["run-1/1"]]), now_us=T0)
    assert (await store.receive(["work"], limit=9, lease=BERT, now_us=LATER)).deliveries == ()


async def dead_letters_are_heeded(store: SplitStore) -> None:
    queues = Tampered(store)
    queues.is_losing = True
    await started(store, "a", task("a"))
    queues.is_losing = False
    queues.dead = [replace(ring, receives=7) for ring in queues.was_put if ring.task_id]
    await store.due(before_us=T0, limit=9)
    received = await store.receive(["work"], limit=9, lease=ANNA, now_us=T0)
    assert [found.dead_letter for found in received.deliveries if isinstance(found, TaskDelivery)] == [
        "its message was delivered 7 times and nobody answered for it"
    ]


# --- 5: outcomes ------------------------------------------------------------------------------------------------------


async def a_turn_settles_its_cause(store: SplitStore) -> None:
    before = await started(store, "a", task("a"))
    (held,) = await receive_tasks(store)
    await store.commit(turn(before, settles=[held]), now_us=T0)
    assert await receive_tasks(store, now_us=LATER) == []


async def many_outcomes_ring_once(store: SplitStore) -> None:
    await started(store, "a", *(task("a", str(n)) for n in range(10)))
    held = await receive_tasks(store)
    queues = Tampered(store)
    for delivery in held:
        await store.send([message("a", f"{delivery.task.id} done")], settles=[delivery], now_us=T0)
    assert [ring.queue for ring in queues.was_put] == [TURNS]


# --- 6: what is large -------------------------------------------------------------------------------------------------


async def blobs_come_first(store: SplitStore) -> None:
    before = await started(store, "a")
    rows: Any = store._table._rows  # type: ignore[attr-defined]
    order: list[str] = []
    for name in ("put_blobs", "transact"):
        setattr(rows, name, _noting(order, name, getattr(rows, name)))
    commit = turn(before)
    large = replace(commit.batches[0], data=bytes(1_000_000))
    await store.commit(replace(commit, batches=(large,)), now_us=T0)
    assert order == ["put_blobs", "transact"]
    assert (await store.load("a", after=2)).batches == (large,)


def _noting(order: list[str], name: str, real: Any) -> Any:
    async def call(*args: Any) -> Any:
        order.append(name)
        return await real(*args)

    return call


COUNT = DIRECT_MAX + 3 * TASKS_MAX


async def a_fan_out_goes_on_where_it_was(store: SplitStore) -> None:
    before = await started(store, "a")
    dies(store, "outbox:task after", after=2)
    await crashed(store, store.commit(turn(before, *(task("a", str(n)) for n in range(COUNT))), now_us=T0))
    passed: Counter[str] = Counter()
    store.between = lambda name: passed.update([name])
    await store.due(before_us=LATER, limit=9)
    store.between = None
    assert passed["outbox:task after"] == 1  # of three
    found = await receive_tasks(store, now_us=LATER, limit=2 * COUNT)
    assert sorted(int(held.task.id.rpartition("/")[2]) for held in found) == list(range(COUNT))


async def a_fan_out_rings_for_itself(store: SplitStore) -> None:
    before = await started(store, "a")
    await store.receive([TURNS], limit=9, lease=ANNA, now_us=T0)  # the bell of its start
    dies(store, "outbox:task after", after=1)
    await crashed(store, store.commit(turn(before, *(task("a", str(n)) for n in range(COUNT))), now_us=T0))
    await store.receive([TURNS], limit=9, lease=ANNA, now_us=LATER)  # there was no sweep
    assert not await store._table.change("a", lambda slot: slot.item is not None and slot.item.is_behind)
    assert len(await receive_tasks(store, now_us=LATER, limit=2 * COUNT)) == COUNT


# --- 7: children ------------------------------------------------------------------------------------------------------


async def a_cancel_does_not_overtake(store: SplitStore) -> None:
    before = await started(store, "a")
    dies(store, "commit:write after")
    first = turn(before, new("child"))
    await crashed(store, store.commit(first, now_us=T0))
    await store.commit(turn(first.record, message("child", "cancel", if_refused=message("a", "refused"))), now_us=T0)
    assert await pending(store, "child") == ["nexus:start", "cancel"]
    assert await pending(store, "a") == []


async def the_buried_stay_buried(store: SplitStore) -> None:
    before = await started(store, "a")
    child = await started(store, "child")
    await store.commit(turn(child, status=Status.COMPLETED), now_us=T0)
    await store.purge("child", now_us=T0)
    await store.commit(turn(before, new("child")), now_us=T0)
    try:
        await store.find("child")
    except NexusError:
        return
    raise AssertionError("it is back")


async def a_childs_outcome_is_not_lost(store: SplitStore) -> None:
    await started(store, "parent")
    child = await started(store, "child")
    dies(store, "commit:write after")
    ending = turn(child, message("parent", "child-done"), status=Status.COMPLETED)
    await crashed(store, store.commit(ending, now_us=T0))
    await store.purge("child", now_us=T0)  # even that tells the parent first
    assert await pending(store, "parent") == ["child-done"]


# --- removals ---------------------------------------------------------------------------------------------------------

Scenario = Callable[[SplitStore], Awaitable[None]]


@dataclass(frozen=True)
class Rule:
    """A rule: what shows it, and what breaks it."""

    number: int
    scenario: Scenario
    removal: Callable[[], Iterable[Patch]]


def _nobody_heals() -> Iterable[Patch]:
    yield edited(SplitOutbox, "_heal", "await self._make(instance_id, left)", "pass")


def _does_not_ring_for_itself() -> Iterable[Patch]:
    here = "await self._ring(instance_id, left.entry.now_us + self._grace_us, left.entry.now_us)"
    yield edited(SplitOutbox, "_follow", here, "pass")


def _crossed_out_before() -> Iterable[Patch]:
    real = SplitOutbox._make

    async def make(self: SplitOutbox, instance_id: str, left: Any, *claiming: Any) -> None:
        await self._sent(instance_id, left)
        await real(self, instance_id, left, *claiming)

    yield SplitOutbox, "_make", make


def _acknowledged_first() -> Iterable[Patch]:
    real = SplitStore.commit

    async def commit(self: SplitStore, commit: Any, *, now_us: int) -> Any:
        await self._ack_messages(*commit.settles)
        return await real(self, commit, now_us=now_us)

    yield SplitStore, "commit", commit


def _blobs_afterwards() -> Iterable[Patch]:
    real = RowTable._transact

    async def transact(self: RowTable, instance_id: str, writes: Any) -> bool:
        rows: Any = self._rows
        kept: list[Any] = []
        put = rows.put_blobs

        async def later(*args: Any) -> None:
            kept.append(args)

        rows.put_blobs = later
        try:
            return await real(self, instance_id, writes)
        finally:
            rows.put_blobs = put
            for args in kept:
                await put(*args)

    yield RowTable, "_transact", transact


def _one(owner: Any, name: str, old: str, new: str) -> Callable[[], Iterable[Patch]]:
    return lambda: [edited(owner, name, old, new)]


def _other(owner: Any, name: str, made: Any) -> Callable[[], Iterable[Patch]]:
    return lambda: [(owner, name, made)]


RULES: tuple[Rule, ...] = (
    Rule(1, inputs_survive_the_queue, _one(split_store, "_accept", "item.offer(message, now_us)", "pass")),
    Rule(1, finished_instances_refuse, _other(split_store, "check_messages", lambda slot, instance_id, messages: None)),
    Rule(2, an_outbox_is_sent_by_whoever_comes, _nobody_heals),
    Rule(2, sent_means_sent, _crossed_out_before),
    Rule(2, older_batches_are_sent_first, _one(SplitSteps, "_change_healed", "raise Behind", "pass")),
    Rule(2, the_cause_is_acknowledged_last, _acknowledged_first),
    Rule(2, a_batch_is_found_again, _other(RowItem, "_has_made", lambda self, commit: False)),
    Rule(2, a_send_made_twice_counts_once, _one(SplitItem, "offer", "(key and key in self.seen) or", "")),
    Rule(3, the_sweep_finds_timers, _one(SplitItem, "look_at_us", "if due_us is not None:", "if False:")),
    Rule(3, the_sweep_finds_unsent_outboxes, _one(SplitItem, "look_at_us", "if entry.has_sends", "if False")),
    Rule(
        3,
        the_sweep_finds_leases_that_ran_out,
        _one(SplitItem, "task_look_at_us", "return state.due_us()", "return 1 << 62"),
    ),
    Rule(
        3,
        a_stale_index_does_no_harm,
        _one(RowTable, "late", "if overdue or (look_us is not None and look_us <= before_us):", "if True:"),
    ),
    Rule(
        4,
        an_old_message_runs_nothing,
        _one(SplitItem, "lease", " or self.sent_attempts.get(ring.task_id) != ring.attempt", ""),
    ),
    Rule(4, dead_letters_are_heeded, _one(SplitStore, "_heed_dead_letters", "if not letters:", "if True:")),
    Rule(5, a_turn_settles_its_cause, _other(Item, "settle", lambda self, delivery: None)),
    Rule(
        5,
        many_outcomes_ring_once,
        _one(
            split_store,
            "_accept",
            "return None if has_bell and item.wants_turn_at_us() == before_us else item.due_us()",
            "return item.due_us()",
        ),
    ),
    Rule(6, blobs_come_first, _blobs_afterwards),
    Rule(6, a_fan_out_goes_on_where_it_was, _one(SplitOutbox, "_send_own_tasks", "entry.made, entry", "_, entry")),
    Rule(6, a_fan_out_rings_for_itself, _does_not_ring_for_itself),
    Rule(7, a_cancel_does_not_overtake, _one(SplitSteps, "_change_healed", "raise Behind", "pass")),
    Rule(7, the_buried_stay_buried, _other(RowSlot, "is_buried", lambda self, record, now_us: False)),
    Rule(7, a_childs_outcome_is_not_lost, _nobody_heals),
)
