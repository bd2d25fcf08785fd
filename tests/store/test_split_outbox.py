"""The outbox of a split store, at its widest: what fits into one write, and what is claimed of what follows.

The rows refuse a write of more than a hundred, as those of the clouds do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nexus_sdk.store.port import TURNS, CancelTask, Claim
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.split.item import DIRECT_MAX
from nexus_sdk.store.split.memory_rows import RowMemoryStore
from nexus_sdk.store.split.outbox import LOOKS_MAX, TASKS_MAX
from nexus_sdk.store.split.store import SETTLED_MAX, SplitStore
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    message,
    names,
    pending,
    receive_tasks,
    started,
    task,
    turn,
)
from nexus_sdk.testing.provider_suite.recovery import Crash

MakeStore = Callable[[], SplitStore]

BEYOND = DIRECT_MAX + 30
"""More than a write takes; what is left is one slice."""

ids_of_tasks = [f"run-1/{number}" for number in range(1_000)]


@pytest.fixture(params=[SplitMemoryStore, RowMemoryStore])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    made: MakeStore = request.param
    return made


def claim_of(limit: int) -> Claim:
    return Claim(frozenset({"work"}), limit, ANNA)


def tasks_of(count: int, instance_id: str = "a") -> list[object]:
    return [task(instance_id, str(number)) for number in range(count)]


# --- claims -----------------------------------------------------------------------------------------------------------


async def test_what_follows_in_one_slice_is_claimed_as_it_is_sent(make_store: MakeStore) -> None:
    store = make_store()
    before = await started(store, "a")
    passed: list[str] = []
    store.between = passed.append
    committed = await store.commit(turn(before, *tasks_of(BEYOND), claim=claim_of(BEYOND)), now_us=T0)  # type: ignore[arg-type]
    store.between = None
    assert names(committed) == ids_of_tasks[:BEYOND]
    assert not any(name.startswith("receive:lease") for name in passed)
    assert await receive_tasks(store, lease=BERT) == []
    for delivery in committed.deliveries:
        await store.ack(delivery)
    assert await receive_tasks(store, lease=BERT, now_us=at(3_600)) == []


async def test_no_more_is_claimed_than_was_asked_for(make_store: MakeStore) -> None:
    store = make_store()
    before = await started(store, "a")
    committed = await store.commit(turn(before, *tasks_of(BEYOND), claim=claim_of(DIRECT_MAX + 7)), now_us=T0)  # type: ignore[arg-type]
    assert names(committed) == ids_of_tasks[: DIRECT_MAX + 7]
    assert len(await receive_tasks(store, lease=BERT)) == 30 - 7


async def test_a_claim_that_its_holder_dies_with_falls_to_others_when_its_lease_ends(make_store: MakeStore) -> None:
    store = make_store()
    before = await started(store, "a")
    await store.commit(turn(before, *tasks_of(BEYOND), claim=claim_of(BEYOND)), now_us=T0)  # type: ignore[arg-type]
    found = await receive_tasks(store, lease=BERT, now_us=at(31), limit=1_000)
    assert sorted(held.task.id for held in found) == sorted(ids_of_tasks[:BEYOND])
    assert {held.deliveries for held in found} == {2}  # the lost lease was an attempt


@pytest.mark.parametrize(("sub_step", "held"), [("outbox:task before", DIRECT_MAX), ("outbox:task after", BEYOND)])
async def test_the_same_commit_again_hands_out_what_its_holder_has(
    make_store: MakeStore, sub_step: str, held: int
) -> None:
    store = make_store()
    before = await started(store, "a")

    def between(name: str) -> None:
        if name == sub_step:
            raise Crash

    store.between = between
    commit = turn(before, *tasks_of(BEYOND), claim=claim_of(BEYOND))  # type: ignore[arg-type]
    with pytest.raises(Crash):
        await store.commit(commit, now_us=T0)
    store.between = None
    assert sorted(names(await store.commit(commit, now_us=T0))) == sorted(ids_of_tasks[:held])
    assert len(await receive_tasks(store, lease=BERT)) == BEYOND - held


async def test_of_what_is_sent_in_many_slices_nothing_is_leased_before_all_is_sent(make_store: MakeStore) -> None:
    """A lease that runs while its holder still sends may run out before he begins."""
    store = make_store()
    before = await started(store, "a")
    count = DIRECT_MAX + TASKS_MAX + 1
    held_while_sending: list[int] = []

    async def between(name: str) -> None:
        if name == "outbox:put before":
            store.between = None
            held = [one for one in ids_of_tasks[:count] if await is_held(store, one)]
            held_while_sending.append(len(held))
            store.between = between

    store.between = between
    committed = await store.commit(turn(before, *tasks_of(count), claim=claim_of(5)), now_us=T0)  # type: ignore[arg-type]
    store.between = None
    assert held_while_sending == [0, 0]
    assert len(committed.deliveries) == 5


async def is_held(store: SplitStore, task_id: str) -> bool:
    def look(slot: object) -> bool:
        state = slot.item.tasks.get(task_id)  # type: ignore[attr-defined]
        return state is not None and state.hold.token is not None

    return await store._table.change("a", look)


# --- who finds many sends begun ---------------------------------------------------------------------------------------


async def test_who_finds_many_sends_begun_goes_on_when_their_maker_gets_no_further(make_store: MakeStore) -> None:
    store = make_store()
    before = await started(store, "a")
    count, looks = DIRECT_MAX + 3 * TASKS_MAX, list[int]()

    def dying(name: str) -> None:
        if name == "outbox:task before" and looks == [-1]:
            raise Crash
        looks[:] = [-1] if name == "outbox:task after" else looks

    store.between = dying
    with pytest.raises(Crash):
        await store.commit(turn(before, *tasks_of(count)), now_us=T0)  # type: ignore[arg-type]
    store.between, store._making = None, set()
    looks.clear()

    async def pause(look: int) -> None:
        looks.append(look)

    store._pause = pause
    await store.send([message("a", "m")], now_us=T0)
    assert looks == list(range(LOOKS_MAX))
    assert len(await receive_tasks(store, limit=1_000)) == count


# --- the widest writes ------------------------------------------------------------------------------------------------


async def test_the_widest_turn_fits(make_store: MakeStore) -> None:
    """It settles all it may, cancels, sends to itself and to others, and consumes its inbox."""
    store = make_store()
    await started(store, "b")
    before = await started(store, "a", *tasks_of(SETTLED_MAX + 40))  # type: ignore[arg-type]
    for number in range(40):
        await store.send([message("a", f"m{number}")], now_us=T0)
    held = await receive_tasks(store, limit=SETTLED_MAX)
    consumed = [found.number for found in (await store.load("a")).messages]
    loose = [one for one in ids_of_tasks[: SETTLED_MAX + 40] if one not in {each.task.id for each in held}]
    sends = [
        *(CancelTask(one, "a", message("a", f"{one} is gone", is_remembered=True)) for one in loose),
        *(message("a", f"own {number}", is_remembered=True) for number in range(50)),
        *(message("b", f"other {number}", is_remembered=True) for number in range(100)),
        *(replace(one, id=f"{one.id} again") for one in tasks_of(100)),  # type: ignore[type-var,attr-defined]
    ]
    await store.commit(turn(before, *sends, settles=held, consumed=consumed), now_us=T0)  # type: ignore[arg-type]
    # Some messages are stale: a request that meets many of them ends.
    found = [one.task.id for _ in range(4) for one in await receive_tasks(store, limit=1_000)]
    assert sorted(found) == sorted(f"{one} again" for one in ids_of_tasks[:100])
    assert sorted(await pending(store, "a")) == sorted(
        [*(f"{one} is gone" for one in loose), *(f"own {number}" for number in range(50))]
    )
    assert len(await pending(store, "b")) == 100


async def test_many_tasks_for_another_instance_follow_in_slices_that_fit(make_store: MakeStore) -> None:
    store = make_store()
    await started(store, "b")
    before = await started(store, "a")
    await store.commit(turn(before, *tasks_of(3 * TASKS_MAX, "b")), now_us=T0)  # type: ignore[arg-type]
    found = await receive_tasks(store, limit=1_000)
    assert sorted(held.task.id for held in found) == sorted(ids_of_tasks[: 3 * TASKS_MAX])
    assert {held.task.instance_id for held in found} == {"b"}


async def test_many_messages_at_once_are_accepted_in_writes_that_fit(make_store: MakeStore) -> None:
    store = make_store()
    await started(store, "a", *tasks_of(SETTLED_MAX))  # type: ignore[arg-type]
    held = await receive_tasks(store, limit=SETTLED_MAX)
    sent = [message("a", f"m{number:03d}", is_remembered=True) for number in range(200)]
    await store.send(sent, now_us=T0, settles=held[:40])
    assert await pending(store, "a") == [one.id for one in sent]
    assert len((await store.receive([TURNS], limit=9, lease=BERT, now_us=T0)).deliveries) == 1
