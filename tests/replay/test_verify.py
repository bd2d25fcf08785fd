"""Verifying stored histories: what is damaged is found, what is whole is left in peace, and nothing stops the rest."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.codec import wire
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.history import PREVIOUS_HASH, BatchHeader
from nexus_sdk.core.status import Status
from nexus_sdk.engine.birth import Start, new_instance
from nexus_sdk.errors import HistoryCorruptedError, InstanceNotFound, StoreUnavailable
from nexus_sdk.replay.recorded import read_recording
from nexus_sdk.replay.verify import Damage, Verified, instances_of, verify_instance
from nexus_sdk.store.port import InstanceRecord, Query, RecordPage, Store, StoredBatch
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing import WorkflowEnvironment
from tests.recorded.record import CORPUS
from tests.replay.damaging import WAYS, is_same
from tests.replay.stored import Held, corpus, held_of, store_of

MUTATIONS = 10_000


@pytest.fixture(scope="module")
def whole() -> list[Held]:
    return corpus()


async def verified(held: Held) -> Verified:
    return await verify_instance(store_of(held), held.record.id)


async def words(held: Held) -> list[str]:
    return [damage.what for damage in (await verified(held)).damages]


def one(whole: Sequence[Held], id: str) -> Held:
    return next(held for held in whole if held.record.id == id).copy()


# --- room -------------------------------------------------------------------------------------------------------------


def long_one(batches: int) -> Held:
    """An instance that was sent events, one in each batch."""
    codec = MsgpackCodec()
    new = new_instance(
        Start("long", "listening", "1", codec.encode(None), "start"), run_id="run", turn_id="1", now_us=1
    )
    stored, last_hash = [new.batch], new.record.last_hash
    for number in range(2, batches + 1):
        received = e.EventReceived("word", codec.encode("x" * 500), f"word-{number}")
        events = [received] if number > 2 else [e.WorkflowStarted(), received]
        header = BatchHeader("long", "run", number, str(number), (f"event:word-{number}",), number)
        data, last_hash = wire.encode_batch(header, events, last_hash)
        stored.append(StoredBatch("run", number, str(number), data))
    record = replace(new.record, status=Status.RUNNING, last_batch=batches, last_hash=last_hash)
    return Held(record, {"run": stored}, [], {})


async def test_of_a_long_history_little_is_kept_besides_its_bytes() -> None:
    held = long_one(3_000)
    found = await verified(held)  # whatever is made once is made by now
    assert (found.damages, found.batches) == ((), 3_000)
    tracemalloc.start()
    try:
        await verified(held)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < sum(len(batch.data) for batch in held.runs["run"])


# --- damage -----------------------------------------------------------------------------------------------------------


async def test_what_is_whole_is_left_in_peace(whole: list[Held]) -> None:
    for held in whole:
        assert (await verified(held)).damages == ()


async def test_ten_thousand_random_damages_are_all_found(whole: list[Held]) -> None:
    chance, found, unchanged = Random(20_260_101), Counter[str](), Counter[str]()
    while found.total() < MUTATIONS:
        before = chance.choice(whole)
        way = chance.choice(WAYS)
        held = before.copy()
        way(held, whole, chance)
        if is_same(before, held):
            unchanged[way.__name__] += 1  # as when a batch is put in its own place
        else:
            assert (await verified(held)).damages, (way.__name__, before.record.id)
            found[way.__name__] += 1
    assert set(found) == {way.__name__ for way in WAYS}
    assert unchanged.total() < MUTATIONS / 5, unchanged


async def test_damage_says_where_and_what_to_do(whole: list[Held]) -> None:
    held = one(whole, "rewound")
    run_id, batches = list(held.runs.items())[1]
    _with_other_worker(batches, 2)
    (damage,) = (await verified(held)).damages
    assert (damage.run, damage.run_id, damage.batch) == (2, run_id, 4)  # which is the first that it does not fit
    assert damage.what == "the hash does not fit the batch before it"
    assert "Restore" in damage.advice


async def test_what_lies_behind_damage_does_not_hide_the_runs_before_it(whole: list[Held]) -> None:
    held = one(whole, "rounds")
    first, _, last = held.runs.values()
    last[-1] = replace(last[-1], data=b"nothing")
    first[-1] = replace(first[-1], data=b"nothing")
    assert [(damage.run, damage.batch) for damage in (await verified(held)).damages] == [
        (3, last[-1].number),
        (1, first[-1].number),
    ]


async def test_an_erased_payload_is_no_damage_and_one_that_lay_apart_and_is_gone_is(whole: list[Held]) -> None:
    held = one(whole, "hello")
    (batches,) = held.runs.values()
    head, bodies = msgpack.unpackb(batches[0].data)
    batches[0] = replace(batches[0], data=msgpack.packb([head, [None for _ in bodies]]))
    result = await verified(held)
    assert (result.damages, result.erased) == ((), len(bodies))

    held = one(whole, "apart")
    held.blobs.clear()
    assert any("large payload" in what and "is missing" in what for what in await words(held))


async def test_the_last_batch_of_an_earlier_run_is_vouched_for_by_the_next_run(whole: list[Held]) -> None:
    held = one(whole, "rounds")
    run_id = next(iter(held.runs))
    _with_other_worker(held.runs[run_id])
    assert await words(held) == [f"law 13: the last batch of run {run_id} is not the one that it went on from"]

    path = next(CORPUS.glob("format-*/rounds/*.json"))
    unlinked = held_of(read_recording(path), is_linked=False)
    assert await words(unlinked) == []
    _with_other_worker(unlinked.runs[run_id])
    assert await words(unlinked) == []  # nobody wrote it down: documented


def _with_other_worker(batches: list[StoredBatch], index: int = -1) -> None:
    batch = wire.decode_batch(batches[index].data)
    data, _ = wire.encode_batch(replace(batch.header, worker="somebody"), batch.events, batch.previous_hash)
    batches[index] = replace(batches[index], data=data)


async def test_payloads_of_events_that_a_newer_version_wrote_are_verified_too(whole: list[Held]) -> None:
    held = one(whole, "hello")
    (batches,) = held.runs.values()
    last = wire.decode_batch(batches[-1].data)
    head, bodies = msgpack.unpackb(wire.encode_batch(last.header, last.events, last.previous_hash)[0])
    form, previous, header, rows = msgpack.unpackb(head)
    value = b"what nobody here knows"
    digest = sha256(value).digest()
    head = msgpack.packb([form, previous, header, [*rows, [199, "", [len(bodies), "msgpack", digest, len(value)]]]])
    batches[-1] = replace(batches[-1], data=msgpack.packb([head, [*bodies, value]]))
    held.record = replace(held.record, last_hash=sha256(previous + head).digest())
    assert await words(held) == []
    batches[-1] = replace(batches[-1], data=msgpack.packb([head, [*bodies, value[:-1] + b"!"]]))
    assert await words(held) == [f"payload {len(bodies) + 1} of {len(bodies) + 1} does not fit its digest"]


# --- stores -----------------------------------------------------------------------------------------------------------


@activity
async def pack(item: str) -> str:
    return "x" * 1_000 + item


@workflow
async def round_and_round(ctx: Context, left: int):
    yield pack(str(left))
    yield ctx.wait_for_event("go", bool)
    if left:
        yield ctx.continue_as_new(left - 1)
    yield ctx.sleep("1h")


@pytest.mark.parametrize("url", ["memory://", "split", "sqlite:///verified.db"])
async def test_what_a_real_store_holds_is_whole_at_every_moment(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where: str | Store = SplitMemoryStore() if url == "split" else url
    async with WorkflowEnvironment([round_and_round], [pack], store=where, clock="manual") as env:
        handle = await env.start(round_and_round, 2, id="it")
        store = env.app.store
        for run in (1, 2, 3):
            await env.settle()
            result = await verify_instance(store, "it")
            assert (result.damages, result.runs) == ((), run)
            await handle.suspend()
            await env.settle()
            await handle.send_event("go", True)
            assert (await verify_instance(store, "it")).damages == ()
            await handle.resume()
        await env.settle()
        assert (await verify_instance(store, "it")).damages == ()
        recording = await store.load("it")
        assert PREVIOUS_HASH in wire.decode_batch(recording.batches[0].data).header.metadata
        with pytest.raises(InstanceNotFound):
            await verify_instance(store, "nobody")


class PatchyStore:
    """A store that lists in pages, and cannot read some of its records: then a page is not to be had."""

    def __init__(self, records: Sequence[InstanceRecord], unreadable: frozenset[str]) -> None:
        self._records = sorted(records, key=lambda record: (record.created_us, record.id), reverse=True)
        self._unreadable = unreadable

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """See `Store.list`."""
        start = int(cursor or 0)
        page = self._matching(query)[start : start + limit + 1]
        if any(record.id in self._unreadable for record in page):
            raise HistoryCorruptedError("these are not the bytes of a record.", hint="Restore it.")
        return RecordPage(tuple(page[:limit]), str(start + limit) if len(page) > limit else None)

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return len(self._matching(query))

    def _matching(self, query: Query) -> Sequence[InstanceRecord]:
        after_us, before_us = query.created_after_us or 0, query.created_before_us or 1 << 62
        return [record for record in self._records if after_us <= record.created_us < before_us]


@pytest.mark.parametrize("unreadable", [set(), {250}, {0}, {399}, {3, 4, 5, 200, 398}, set(range(400))])
async def test_instances_that_cannot_be_listed_hide_no_others(whole: list[Held], unreadable: set[int]) -> None:
    record = whole[0].record
    records = [replace(record, id=f"i-{number}", created_us=1_000 + 10 * (number // 2)) for number in range(400)]
    ids = frozenset(f"i-{number}" for number in unreadable)
    store: Any = PatchyStore(records, ids)
    found = [one async for one in instances_of(store)]
    listed = [one for one in found if isinstance(one, str)]
    lost = {record.created_us for record in records if record.id in ids}
    assert set(listed) == {record.id for record in records if record.created_us not in lost}
    assert len(listed) == len(set(listed))
    damages = [one.what for one in found if isinstance(one, Damage)]
    assert len(damages) == len(lost)
    assert all(what.startswith("2 instances cannot be listed") for what in damages)


async def test_a_store_that_does_not_answer_is_no_damage(whole: list[Held]) -> None:
    class Away:
        async def load(self, instance_id: str, **_: Any) -> Any:
            raise StoreUnavailable("it is away")

    store: Any = Away()
    with pytest.raises(StoreUnavailable):
        await verify_instance(store, "it")


async def test_what_a_store_chokes_on_is_damage_of_that_instance_alone(whole: list[Held]) -> None:
    class Choking:
        async def load(self, instance_id: str, **_: Any) -> Any:
            raise TypeError("a column is NULL")

    store: Any = Choking()
    (damage,) = (await verify_instance(store, "it")).damages
    assert damage.what == "it cannot be read (TypeError: a column is NULL)"
