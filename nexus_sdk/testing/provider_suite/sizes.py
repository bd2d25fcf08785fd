"""Sizes: at a limit, one byte below and one above it, counted in bytes and not in characters; and long delays.

What a store says in its `Capabilities` is what it keeps. One byte more it may keep or refuse; it never cuts.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexus_sdk.errors import NexusError
from nexus_sdk.store.port import TURNS, Extended, Lease, Query, Store, TaskDelivery
from nexus_sdk.testing.provider_suite.blobs import digest_of
from nexus_sdk.testing.provider_suite.builders import (
    ANNA,
    BERT,
    SECOND,
    T0,
    at,
    message,
    new,
    pending,
    receive,
    receive_tasks,
    receive_turns,
    started,
    task,
    turn,
)

TEXT = "Grüße, 世界 🚚! "
"""Characters of one to four bytes."""

LONG_ID = "🚚" * 256
"""The longest id that a user may choose: 256 characters, 1024 bytes."""

QUEUE_DELAY_SECONDS = 900.0
"""What is tried where a store has no longest delay of its own: that of a well-known queue."""

LEASE_SECONDS = 43_200.0
"""Likewise for leases."""

YEARS = 30 * 365 * 86_400
"""Longer than any queue delays a message."""


def text_of(size: int) -> bytes:
    """A text of exactly so many bytes."""
    whole = TEXT.encode() * (size // len(TEXT.encode()) + 1)
    text = whole[:size].decode(errors="ignore")
    return (text + "." * (size - len(text.encode()))).encode()


class SizeLaws:
    """What fits, what does not, and that nothing is cut."""

    @pytest.mark.parametrize("beyond", [-1, 0])
    async def test_a_payload_of_the_largest_size_travels_inline_every_way(self, store: Store, beyond: int) -> None:
        size = store.capabilities.payload_bytes_max + beyond
        large, turned = text_of(size), text_of(size)[::-1]
        before = await started(store, "a", task("a", body=large))
        await store.send([message("a", "m", body=large)], now_us=T0)
        (held,) = await receive_tasks(store)
        await store.extend(held, lease=ANNA, now_us=T0, details=large)
        following = replace(held.task, attempt=2, body=turned, details=turned)
        assert (held.task.body, (await store.load("a")).messages[0].body) == (large, large)
        await store.retry(held, following, now_us=T0)
        assert [found.task for found in await receive_tasks(store)] == [following]
        commit = turn(before, message("a", "n", body=turned), custom_status=large, failure=turned)
        await store.commit(commit, now_us=T0)
        loaded = await store.load("a")
        assert loaded.record == commit.record
        assert [found.body for found in loaded.messages] == [large, turned]
        assert [found.body for found in (await receive_turns(store))["a"].messages] == [large, turned]

    @pytest.mark.parametrize("verb", ["create", "send", "commit"])
    @pytest.mark.parametrize("beyond", [1, 1_000_000])
    async def test_a_body_beyond_the_limit_is_kept_whole_or_refused_without_a_trace(
        self, store: Store, verb: str, beyond: int
    ) -> None:
        """The engine sends none that long; a store that takes it must not cut it."""
        large = text_of(store.capabilities.payload_bytes_max + beyond)
        before = await started(store, "a")
        small, big = message("a", "small"), message("a", "big", body=large)
        try:
            match verb:
                case "create":
                    await store.create(replace(new("b"), message=replace(big, instance_id="b")), now_us=T0)
                case "send":
                    await store.send([small, big], now_us=T0)
                case "commit":
                    await store.commit(turn(before, small, big, task("a", body=large)), now_us=T0)
        except NexusError:
            assert (await store.find("a"), await pending(store, "a")) == (before, [])
            assert (await store.count(Query()), await receive_tasks(store)) == (1, [])
        else:
            found = (await store.load("b" if verb == "create" else "a")).messages
            assert [each.body for each in found] == ([large] if verb == "create" else [b"small", large])
            assert [found.task.body for found in await receive_tasks(store)] == [large] * (verb == "commit")

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    async def test_a_large_payload_lies_among_the_blobs_whole(self, store: Store, beyond: int) -> None:
        large = text_of(store.capabilities.payload_bytes_max + beyond)
        await store.put_blobs("a", {digest_of(large): large}, now_us=T0)
        assert dict(await store.get_blobs("a", [digest_of(large)])) == {digest_of(large): large}

    async def test_many_blobs_at_once_are_kept(self, store: Store) -> None:
        many = {digest_of(data): data for data in (b"%d" % n * 1_000 for n in range(120))}
        await store.put_blobs("a", many, now_us=T0)
        assert dict(await store.get_blobs("a", list(many))) == many

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    async def test_a_batch_of_the_largest_size_is_kept_whole(self, store: Store, beyond: int) -> None:
        """Beyond the limit it may be refused, by an error and without a trace; it is never cut."""
        before = await started(store, "a")
        commit = turn(before)
        large = text_of(store.capabilities.commit_bytes_max + beyond)
        commit = replace(commit, batches=(replace(commit.batches[0], data=large),))
        try:
            await store.commit(commit, now_us=T0)
        except NexusError:
            assert beyond > 0
            assert (await store.load("a")).record == before
            assert len((await store.load("a")).batches) == 2
        else:
            (batch,) = (await store.load("a", after=2)).batches
            assert batch.data == large

    async def test_a_turn_may_send_many_things(self, store: Store) -> None:
        """More than one request of any cloud takes."""
        before, _ = await started(store, "a"), await started(store, "b")
        tasks = [task("a", str(n)) for n in range(150)]
        messages = [message("b", f"m{n}") for n in range(150)]
        await store.commit(turn(before, *tasks, *messages), now_us=T0)
        assert {found.task.id for found in await receive_tasks(store, limit=1_000)} == {each.id for each in tasks}
        found = (await store.load("b")).messages
        assert [each.id for each in found] == [each.id for each in messages]
        after = turn(await store.find("b"), consumed=[each.number for each in found])
        await store.commit(after, now_us=T0)
        assert (await store.load("b")).messages == ()

    async def test_the_longest_ids_work_everywhere(self, store: Store) -> None:
        child = f"{LONG_ID}/0.1"
        before = await started(store, LONG_ID, task(LONG_ID, LONG_ID, queue=LONG_ID))
        (held,) = await receive_tasks(store, LONG_ID)
        await store.send([message(LONG_ID, LONG_ID)], settles=[held], now_us=T0)
        await store.commit(turn(before, new(child), consumed=(2,)), now_us=T0)
        assert set(await receive_turns(store)) == {child}
        assert (await store.find(LONG_ID)).id == LONG_ID

    async def test_ids_that_differ_only_at_their_ends_are_different(self, store: Store) -> None:
        ids = ["a", "A", "a ", "a/", "a/b", "a:b", "a#b", "a%2Fb", "ä", "a\u0308", "a" * 255, "a" * 256]
        for id in ids:
            await store.create(new(id, request_id=id), now_us=T0)
        for id in ids:
            assert (await store.find(id)).request_id == id
        assert set(await receive_turns(store)) == set(ids)


class DelayLaws:
    """Times are arguments, however far away they are."""

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    async def test_a_delay_around_the_longest_of_the_queue_ends_when_it_should(self, store: Store, beyond: int) -> None:
        delay = (store.capabilities.delay_seconds_max or QUEUE_DELAY_SECONDS) + beyond
        sent = [task("a", str(n), not_before_us=at(delay)) for n in range(3)]
        await started(store, "a", sent[0], *(replace(each, not_before_us=0) for each in sent[1:]), wake_at_us=at(delay))
        retried, released = await receive_tasks(store)
        await store.retry(retried, sent[1], now_us=T0)
        await store.release(released, now_us=T0, not_before_us=at(delay))
        for seconds in (0, delay / 2, delay - 0.000_001):
            assert await receive(store, TURNS, "work", now_us=at(seconds)) == ()
        assert len(await receive(store, TURNS, "work", now_us=at(delay))) == 4

    @pytest.mark.parametrize("beyond", [-1, 0])
    async def test_a_lease_of_the_longest_time_is_kept_so_long(self, store: Store, beyond: int) -> None:
        seconds = (store.capabilities.lease_seconds_max or LEASE_SECONDS) + beyond
        long = Lease("anna", seconds)
        await started(store, "a", task("a", "0"), task("a", "1"))
        await store.create(new("b"), now_us=T0)
        assert len(await receive(store, TURNS, "work", lease=long)) == 3
        for passed in (seconds / 2, seconds - 0.000_001):
            assert await receive(store, TURNS, "work", lease=BERT, now_us=at(passed)) == ()
        taken = await receive(store, TURNS, "work", lease=long, now_us=at(seconds))
        assert len(taken) == 3
        for each in taken:
            assert await store.extend(each, lease=long, now_us=at(seconds + 5)) == Extended()
        assert await receive(store, TURNS, "work", lease=BERT, now_us=at(2 * seconds + 4)) == ()
        assert len(await receive(store, TURNS, "work", lease=BERT, now_us=at(2 * seconds + 5))) == 3

    @pytest.mark.parametrize("now_us", [SECOND, 7_258_118_400 * SECOND], ids=["1970", "2200"])
    async def test_no_clock_but_the_callers_counts(self, store: Store, now_us: int) -> None:
        parent = await store.create(new("a", wake_at_us=now_us + 20 * SECOND, created_us=now_us), now_us=now_us)
        commit = turn(parent, task("a", not_before_us=now_us + 10 * SECOND), consumed=(1,))
        await store.commit(commit, now_us=now_us)
        assert await receive(store, TURNS, "work", now_us=now_us + 10 * SECOND - 1) == ()
        (held,) = await receive(store, TURNS, "work", now_us=now_us + 10 * SECOND)
        assert await receive(store, TURNS, "work", now_us=now_us + 20 * SECOND - 1) == ()
        (timed,) = await receive(store, TURNS, "work", now_us=now_us + 20 * SECOND)
        assert (type(held).__name__, type(timed).__name__) == ("TaskDelivery", "TurnDelivery")
        assert len(await receive(store, TURNS, "work", now_us=now_us + 40 * SECOND, lease=BERT)) == 1
        await store.send([message("a", "m")], now_us=now_us + 41 * SECOND)
        assert (await store.load("a")).messages[0].accepted_at_us == now_us + 41 * SECOND

    async def test_a_task_may_be_put_off_for_longer_than_any_queue_delays(self, store: Store) -> None:
        await started(store, "a", task("a", not_before_us=at(YEARS)))
        assert await receive_tasks(store, now_us=at(YEARS - 1)) == []
        (held,) = await receive_tasks(store, now_us=at(YEARS))
        await store.retry(held, replace(held.task, not_before_us=at(2 * YEARS)), now_us=at(YEARS))
        assert await receive_tasks(store, now_us=at(2 * YEARS - 1)) == []
        (held,) = await receive_tasks(store, now_us=at(2 * YEARS))
        await store.release(held, now_us=at(2 * YEARS), not_before_us=at(3 * YEARS))
        assert await receive_tasks(store, now_us=at(3 * YEARS - 1)) == []
        assert len(await receive_tasks(store, now_us=at(3 * YEARS))) == 1

    async def test_a_timer_may_be_as_far_away(self, store: Store) -> None:
        await started(store, "a", wake_at_us=at(YEARS))
        assert (await store.receive([TURNS], limit=5, lease=ANNA, now_us=at(YEARS - 1))).deliveries == ()
        assert set(await receive_turns(store, now_us=at(YEARS))) == {"a"}

    async def test_a_timer_that_was_moved_delivers_at_its_new_time_alone(self, store: Store) -> None:
        before = await started(store, "a", wake_at_us=at(10))
        later = turn(before, wake_at_us=at(50))
        await store.commit(later, now_us=T0)
        assert list(await store.due(before_us=at(49), limit=9)) == []
        assert await receive_turns(store, now_us=at(49)) == {}
        sooner = turn(later.record, wake_at_us=at(20))
        await store.commit(sooner, now_us=T0)
        delivery = (await receive_turns(store, now_us=at(20)))["a"]
        await store.commit(turn(sooner.record, wake_at_us=None, settles=[delivery]), now_us=at(20))
        assert await receive_turns(store, now_us=at(1e6)) == {}

    async def test_a_microsecond_early_is_too_early(self, store: Store) -> None:
        await started(store, "a", task("a", not_before_us=at(10)), wake_at_us=at(10))
        assert (await store.receive([TURNS, "work"], limit=5, lease=ANNA, now_us=at(10) - 1)).deliveries == ()
        await store.due(before_us=at(10), limit=9)
        found = (await store.receive([TURNS, "work"], limit=5, lease=ANNA, now_us=at(10))).deliveries
        assert {isinstance(delivery, TaskDelivery) for delivery in found} == {True, False}

    async def test_a_receiver_whose_clock_is_behind_gets_what_is_due_by_his_clock(self, store: Store) -> None:
        await started(store, "a", task("a", "0", not_before_us=at(10)), task("a", "1", not_before_us=at(20)))
        assert [found.task.id for found in await receive_tasks(store, now_us=at(10))] == ["run-1/0"]
        assert await receive_tasks(store, now_us=at(5)) == []
        assert [found.task.id for found in await receive_tasks(store, now_us=at(20))] == ["run-1/1"]
