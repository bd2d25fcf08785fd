"""Several processes at once, each with a handle of its own: of every two that want the same, one gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nexus_sdk.core.status import Status
from nexus_sdk.errors import ConflictError, InstanceExists, InstanceFinished, InstanceNotFound, StoreError
from nexus_sdk.store.port import (
    TURNS,
    CancelTask,
    Claim,
    Committed,
    InstanceRecord,
    Lease,
    Loaded,
    Store,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    T0,
    at,
    finish,
    message,
    new,
    pending,
    receive_tasks,
    started,
    task,
    turn,
)

HANDLES = 4
"""So many processes."""


def of_kind(outcomes: Iterable[object], kind: type[Any]) -> list[Any]:
    """Those of the outcomes that are of this kind."""
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


class RaceLaws:
    """What holds when several handles on the same data do the same at the same time."""

    async def test_what_one_handle_has_written_another_reads(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        before = await started(one, "a", task("a"))
        await other.send([message("a", "m")], now_us=T0)
        assert await pending(one, "a") == ["m"]
        assert (await other.load("a")).record == before
        (held,) = await receive_tasks(one)
        assert await receive_tasks(other, lease=BERT) == []
        assert not (await other.extend(held, lease=ANNA, now_us=T0)).is_lost
        await other.commit(turn(before, consumed=(2,), settles=[held]), now_us=T0)
        assert [batch.number for batch in (await one.load("a")).batches] == [1, 2, 3]
        assert await receive_tasks(one, now_us=at(99)) == []

    async def test_of_racing_creators_one_gets_the_id(self, store_factory: Callable[[], Store]) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        outcomes = await asyncio.gather(
            *(store.create(new("a", request_id=f"r{n}"), now_us=T0) for n, store in enumerate(stores)),
            return_exceptions=True,
        )
        assert len(of_kind(outcomes, InstanceRecord)) == 1
        assert len(of_kind(outcomes, InstanceExists)) == HANDLES - 1
        assert await pending(stores[0], "a") == ["nexus:start"]

    async def test_of_racing_turns_one_is_committed(self, store_factory: Callable[[], Store]) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        before = await started(stores[0], "a")
        commits = [turn(before, task("a", str(n)), turn_id=f"t{n}", custom_status=b"%d" % n) for n in range(HANDLES)]
        outcomes = await asyncio.gather(
            *(store.commit(commit, now_us=T0) for store, commit in zip(stores, commits, strict=True)),
            return_exceptions=True,
        )
        assert len(of_kind(outcomes, Committed)) == 1
        assert len(of_kind(outcomes, ConflictError)) == HANDLES - 1
        won = next(n for n, outcome in enumerate(outcomes) if isinstance(outcome, Committed))
        loaded = await stores[0].load("a", after=2)
        assert (loaded.record, loaded.batches) == (commits[won].record, commits[won].batches)
        assert [found.task.id for found in await receive_tasks(stores[-1])] == [f"run-1/{won}"]

    async def test_the_same_turn_from_several_handles_is_made_once(self, store_factory: Callable[[], Store]) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        before, _ = await started(stores[0], "a"), await started(stores[0], "b")
        commit = turn(before, task("a"), message("b", "hello"), turn_id="mine")
        outcomes = await asyncio.gather(*(store.commit(commit, now_us=T0) for store in stores))
        assert outcomes == [Committed()] * HANDLES
        assert [batch.number for batch in (await stores[0].load("a")).batches] == [1, 2, 3]
        assert await pending(stores[0], "b") == ["hello"]

    async def test_racing_senders_get_numbers_without_gap_or_repetition(
        self, store_factory: Callable[[], Store]
    ) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        await started(stores[0], "a")
        await asyncio.gather(
            *(
                store.send([message("a", f"m{n}"), message("a", "same")], now_us=at(n))
                for n in range(5)
                for store in stores
            )
        )
        found = (await stores[0].load("a")).messages
        assert [each.number for each in found] == list(range(2, 8))
        assert {each.id for each in found} == {"same", *(f"m{n}" for n in range(5))}
        times = [each.accepted_at_us for each in found]
        assert times == sorted(times)

    async def test_racing_receivers_share_neither_turns_nor_tasks(self, store_factory: Callable[[], Store]) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        await started(stores[0], "tasks", *(task("tasks", str(n)) for n in range(8)))
        for n in range(8):
            await stores[0].create(new(f"i{n}"), now_us=T0)
        received = await asyncio.gather(
            *(
                store.receive([TURNS, "work"], limit=3, lease=Lease(f"h{n}/{round}", 30), now_us=T0)
                for round in range(2)
                for n, store in enumerate(stores)
            )
        )
        found = [delivery for reply in received for delivery in reply.deliveries]
        assert sorted(d.instance_id for d in of_kind(found, TurnDelivery)) == sorted(f"i{n}" for n in range(8))
        assert sorted(d.task.id for d in of_kind(found, TaskDelivery)) == sorted(f"run-1/{n}" for n in range(8))
        assert len({delivery.token for delivery in found}) == 16

    async def test_a_claim_and_a_receiver_share_nothing(self, store_factory: Callable[[], Store]) -> None:
        stores = [store_factory() for _ in range(HANDLES)]
        await started(stores[0], "old", *(task("old", f"old-{n}") for n in range(4)))
        befores = [await started(stores[0], f"i{n}") for n in range(HANDLES)]
        claims = [Claim(frozenset({"work"}), 2, Lease(f"h{n}", 30)) for n in range(HANDLES)]
        committing = [
            store.commit(turn(before, task(before.id), claim=claim), now_us=T0)
            for store, before, claim in zip(stores, befores, claims, strict=True)
        ]
        receiving = stores[0].receive(["work"], limit=9, lease=BERT, now_us=T0)
        committed, received = await asyncio.gather(asyncio.gather(*committing), receiving)
        found = [delivery.token for reply in committed for delivery in reply.deliveries]
        found += [delivery.token for delivery in received.deliveries]
        left = await receive_tasks(stores[0], lease=Lease("last", 30))
        found += [delivery.token for delivery in left]
        assert len(found) == len(set(found)) == 4 + HANDLES

    async def test_of_two_holders_of_one_task_one_settles_it(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        before = await started(one, "a", task("a"))
        (lost,) = await receive_tasks(one)
        (held,) = await receive_tasks(other, lease=BERT, now_us=at(30))
        outcomes = await asyncio.gather(
            one.send([message("a", "annas")], settles=[lost], now_us=at(30)),
            other.commit(turn(before, settles=[held]), now_us=at(30)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [ConflictError, Committed]
        assert await pending(one, "a") == []

    async def test_a_result_and_a_cancellation_at_the_same_time_leave_one_of_the_two(
        self, store_factory: Callable[[], Store]
    ) -> None:
        one, other = store_factory(), store_factory()
        before = await started(one, "a", task("a"))
        (held,) = await receive_tasks(one)
        await asyncio.gather(
            one.send([message("a", "done")], settles=[held], now_us=T0),
            other.commit(turn(before, CancelTask(held.task.id, "a", message("a", "removed"))), now_us=T0),
        )
        assert await pending(one, "a") == ["done"]  # it was held: never removed, or gone already
        assert await receive_tasks(other, now_us=at(99)) == []

    async def test_a_task_that_nobody_holds_is_either_taken_or_removed(
        self, store_factory: Callable[[], Store]
    ) -> None:
        one, other = store_factory(), store_factory()
        before = await started(one, "a", task("a"))
        taken, _ = await asyncio.gather(
            one.receive(["work"], limit=1, lease=ANNA, now_us=T0),
            other.commit(turn(before, CancelTask("run-1/0", "a", message("a", "removed"))), now_us=T0),
        )
        assert len(taken.deliveries) + len(await pending(one, "a")) == 1
        for delivery in taken.deliveries:
            assert (await one.extend(delivery, lease=ANNA, now_us=T0)).is_cancel_requested

    async def test_what_is_loaded_is_of_one_moment(self, store_factory: Callable[[], Store]) -> None:
        writer, reader = store_factory(), store_factory()
        before = await started(writer, "a")

        async def write() -> None:
            record = before
            for number in range(10):
                await writer.send([message("a", f"m{number}")], now_us=T0)
                step = turn(record, consumed=(number + 2,))
                await writer.commit(step, now_us=T0)
                record = step.record

        writing = asyncio.ensure_future(write())
        seen: list[Loaded] = []
        while not writing.done():
            seen.append(await reader.load("a"))
            await asyncio.sleep(0)
        await writing
        seen.append(await reader.load("a"))
        for loaded in seen:
            assert loaded.record.last_batch == loaded.batches[-1].number == len(loaded.batches)
            consumed = loaded.record.last_batch - 2
            assert [found.number for found in loaded.messages] in ([], [consumed + 2])

    async def test_what_is_being_created_is_seen_whole_or_not_at_all(self, store_factory: Callable[[], Store]) -> None:
        writer, reader = store_factory(), store_factory()

        async def write() -> None:
            parent = await writer.create(new("p"), now_us=T0)
            for number in range(5):
                await writer.create(new(f"i{number}"), now_us=T0)
                step = turn(parent, new(f"c{number}"))
                await writer.commit(step, now_us=T0)
                parent = step.record

        writing = asyncio.ensure_future(write())
        seen: list[tuple[Loaded, TurnDelivery | None]] = []
        while not writing.done():
            for id in [f"{kind}{number}" for kind in "ic" for number in range(5)]:
                with suppress(InstanceNotFound):
                    seen.append((await reader.load(id), None))
            received = await reader.receive([TURNS], limit=1, lease=ANNA, now_us=T0)
            turns = of_kind(received.deliveries, TurnDelivery)
            seen += [(await reader.load(delivery.instance_id), delivery) for delivery in turns]
            await asyncio.sleep(0)
        await writing
        for loaded, delivery in seen:
            assert [batch.number for batch in loaded.batches][:1] == [1]
            assert [found.id for found in loaded.messages] == ["nexus:start"]
            assert delivery is None or [found.id for found in delivery.messages] == ["nexus:start"]

    async def test_a_message_and_the_end_at_the_same_time(self, store_factory: Callable[[], Store]) -> None:
        """Accepted before the end, or refused: never silence."""
        one, other = store_factory(), store_factory()
        before = await started(one, "a")
        sent, _ = await asyncio.gather(
            one.send([message("a", "m")], now_us=T0), finish(other, before), return_exceptions=True
        )
        assert sent is None or isinstance(sent, InstanceFinished)
        assert await pending(one, "a") == (["m"] if sent is None else [])

    async def test_a_purge_and_late_calls_at_the_same_time(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        before = await finish(one, await started(one, "a", task("a")))
        (held,) = await receive_tasks(one)
        outcomes = await asyncio.gather(
            one.purge("a", now_us=T0),
            other.purge("a", now_us=T0),
            other.commit(turn(before), now_us=T0),
            other.send([message("a", "m")], now_us=T0),
            other.retry(held, replace(held.task, attempt=2), now_us=T0),
            return_exceptions=True,
        )
        kinds = (Committed, ConflictError, InstanceFinished, InstanceNotFound, type(None))
        assert all(isinstance(outcome, kinds) for outcome in outcomes), outcomes
        for verb in (one.find, one.load):
            try:
                found = await verb("a")
            except InstanceNotFound:
                continue
            assert isinstance(found, InstanceRecord | Loaded)  # the turn came first, and opened it again
        assert outcomes[0] is None or isinstance(outcomes[0], StoreError)

    async def test_of_two_heirs_of_a_lost_turn_one_commits(self, store_factory: Callable[[], Store]) -> None:
        one, other = store_factory(), store_factory()
        before = await one.create(new("a"), now_us=T0)
        (lost,) = (await one.receive([TURNS], limit=1, lease=ANNA, now_us=T0)).deliveries
        (held,) = (await other.receive([TURNS], limit=1, lease=BERT, now_us=at(30))).deliveries
        outcomes = await asyncio.gather(
            one.commit(turn(before, settles=[lost], status=Status.FAILED, turn_id="annas"), now_us=at(30)),
            other.commit(turn(before, settles=[held], consumed=(1,), turn_id="berts"), now_us=at(30)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [ConflictError, Committed]
        assert [batch.turn_id for batch in (await one.load("a", after=1)).batches] == ["berts"]
