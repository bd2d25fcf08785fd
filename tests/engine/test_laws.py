"""The laws themselves: a sound store passes, and each way to break one is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import StoredBatch
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.laws import LawBroken, check_laws, check_replays

Events = list[list[e.Event]]


@activity
async def step() -> int:
    return 1


@workflow
async def sound(ctx: Context):
    ctx.set_status("at work")
    yield step()
    yield ctx.sleep("1h")
    yield ctx.complete("well")


@workflow(name="sound")
async def other_code(ctx: Context):
    yield ctx.sleep("1h")


async def forged(change: Callable[[Events], None], **record: Any) -> Any:
    """A store with one finished instance whose history was changed, the chain of hashes renewed."""
    async with WorkflowEnvironment([sound], [step]) as env:
        await env.run(sound, id="it")
        store: Any = env.app.store
        item = store._items["it"]
        run_id = item.record.run_id
        batches = [wire.decode_batch(stored.data) for stored in item.runs[run_id]]
        events: Events = [list(batch.events) for batch in batches]
        change(events)
        item.runs[run_id], last_hash = _stored(batches, events)
        item.record = replace(item.record, last_hash=last_hash, last_batch=len(events), **record)
        return store


def _stored(batches: list[Batch], events: Events) -> tuple[list[StoredBatch], bytes]:
    header = batches[0].header
    stored, digest = [], wire.first_hash(header.instance_id, header.run_id)
    for number, part in enumerate(events, start=1):
        header = batches[min(number, len(batches)) - 1].header
        header = replace(header, number=number, turn_id=f"turn {number}")
        data, digest = wire.encode_batch(header, part, digest)
        stored.append(StoredBatch(header.run_id, number, header.turn_id, data))
    return stored, digest


def of(events: Events, kind: type[e.Event]) -> tuple[list[e.Event], int]:
    """Where the first event of a kind is."""
    for part in events:
        for index, event in enumerate(part):
            if isinstance(event, kind):
                return part, index
    raise LookupError(kind)


def repeat(kind: type[e.Event]) -> Callable[[Events], None]:
    def change(events: Events) -> None:
        part, index = of(events, kind)
        part.insert(index, part[index])

    return change


def drop(kind: type[e.Event]) -> Callable[[Events], None]:
    def change(events: Events) -> None:
        part, index = of(events, kind)
        del part[index]

    return change


def hurry(events: Events) -> None:
    part, index = of(events, e.TimerStarted)
    timer: Any = part[index]
    part[index] = replace(timer, due_us=timer.due_us + 1)


def speak_after_the_end(events: Events) -> None:
    events.append([e.WorkflowSuspended("late")])


BREACHES: dict[str, tuple[Callable[[Events], None], dict[str, Any], str]] = {
    "created twice": (repeat(e.WorkflowCreated), {}, "law 1"),
    "started twice": (repeat(e.WorkflowStarted), {}, "law 1"),
    "goes on after its end": (speak_after_the_end, {}, "law 2"),
    "two ends": (repeat(e.WorkflowCompleted), {}, "law 2"),
    "scheduled twice": (repeat(e.ActivityScheduled), {}, "law 3"),
    "completed twice": (repeat(e.ActivityCompleted), {}, "law 3"),
    "completed unasked": (drop(e.ActivityScheduled), {}, "law 3"),
    "fired twice": (repeat(e.TimerFired), {}, "law 3"),
    "fired early": (hurry, {}, "law 8"),
    "other status": (lambda events: None, {"status": Status.FAILED}, "law 5"),
    "other custom status": (lambda events: None, {"custom_status": None}, "law 5"),
    "other number of runs": (lambda events: None, {"run": 2}, "law 5"),
}


@pytest.mark.parametrize("name", BREACHES)
async def test_a_breach_is_noticed(name: str) -> None:
    change, record, law = BREACHES[name]
    with pytest.raises(LawBroken, match=law):
        await check_laws(await forged(change, **record))


async def test_what_was_not_changed_is_sound() -> None:
    await check_laws(await forged(lambda events: None))


async def test_a_broken_chain_is_noticed() -> None:
    store = await forged(lambda events: None)
    item = store._items["it"]
    item.record = replace(item.record, last_hash=b"\0" * 32)
    with pytest.raises(LawBroken, match="law 13"):
        await check_laws(store)


async def test_code_that_asks_for_something_else_is_noticed() -> None:
    async with WorkflowEnvironment([sound], [step]) as env:
        await env.run(sound)
        await check_replays(env.app.store, env.app.registry, env.app.codec)
        with pytest.raises(LawBroken, match="law 12"):
            await check_replays(env.app.store, env.another_app([other_code]).registry, env.app.codec)
