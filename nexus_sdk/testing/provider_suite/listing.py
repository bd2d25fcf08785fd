"""list and count: filters and pages."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk.core.status import Status
from nexus_sdk.errors import StoreError
from nexus_sdk.store.port import Query, Store
from nexus_sdk.testing.provider_suite.builders import T0, at, finish, new, started, turn


class ListLaws:
    """`list` and `count`. Lag is waited out by `settled`, which a provider with a lag overrides."""

    async def settled(self, store: Store) -> None:
        """Return when lists show what was written."""

    async def test_filters_restrict_lists_and_counts(self, store: Store) -> None:
        for n, (workflow, attributes) in enumerate(
            [("order", {"city": "Bern", "vip": True}), ("order", {"city": "Rom", "vip": False}), ("bill", {"vip": 1})]
        ):
            await store.create(new(f"i{n}", workflow=workflow, attributes=attributes, created_us=at(n)), now_us=T0)
        await finish(store, await store.find("i1"))
        await self.settled(store)
        for query, expected in [
            (Query(), ["i2", "i1", "i0"]),
            (Query(workflow="order"), ["i1", "i0"]),
            (Query(statuses=frozenset({Status.COMPLETED, Status.FAILED})), ["i1"]),
            (Query(attributes={"city": "Bern"}), ["i0"]),
            (Query(attributes={"vip": True}), ["i0"]),
            (Query(attributes={"vip": 1}), ["i2"]),
            (Query(attributes={"vip": True, "city": "Rom"}), []),
            (Query(created_after_us=at(0.5)), ["i2", "i1"]),
            (Query(created_before_us=at(0.5)), ["i0"]),
            (Query(workflow="order", statuses=frozenset({Status.RUNNING})), ["i0"]),
        ]:
            page = await store.list(query, limit=10)
            assert [found.id for found in page.records] == expected, query
            assert page.cursor is None
            assert await store.count(query) == len(expected)

    async def test_attributes_are_found_under_their_present_values(self, store: Store) -> None:
        before = await store.create(new("a", attributes={"step": "packed", "n": 1.5}), now_us=T0)
        await store.commit(turn(before, attributes={"step": "sent"}), now_us=T0)
        await self.settled(store)
        assert await store.count(Query(attributes={"step": "packed"})) == 0
        assert await store.count(Query(attributes={"n": 1.5})) == 0
        assert await store.count(Query(attributes={"step": "sent"})) == 1

    async def test_pages_are_stable_under_inserts(self, store: Store) -> None:
        for n in range(7):
            await store.create(new(f"i{n}", created_us=at(n // 2)), now_us=T0)
        await self.settled(store)
        expected = [found.id for found in (await store.list(Query(), limit=100)).records]
        seen: list[str] = []
        cursor = None
        for number in range(4):
            page = await store.list(Query(), limit=2, cursor=cursor)
            seen += [found.id for found in page.records]
            cursor = page.cursor
            await store.create(new(f"later-{number}", created_us=at(100 + number)), now_us=T0)
            await self.settled(store)
        assert seen == expected
        assert cursor is None

    async def test_the_last_page_has_no_cursor_even_when_it_is_full(self, store: Store) -> None:
        for n in range(4):
            await store.create(new(f"i{n}", created_us=at(n)), now_us=T0)
        await self.settled(store)
        assert (await store.list(Query(), limit=4)).cursor is None
        assert (await store.list(Query(), limit=5)).cursor is None
        page = await store.list(Query(), limit=2)
        assert page.cursor is not None
        page = await store.list(Query(), limit=2, cursor=page.cursor)
        assert ([found.id for found in page.records], page.cursor) == (["i1", "i0"], None)

    async def test_pages_keep_to_what_was_asked_for_whatever_the_ids_are(self, store: Store) -> None:
        ids = ["a:b", "日本 🚚", "0:1", "a/b?c=d&e", "'; --", "z"]
        for n, id in enumerate(ids):
            await store.create(new(id, workflow="order", created_us=at(n // 3)), now_us=T0)
            await store.create(new(f"not {id}", workflow="bill", created_us=at(n // 3)), now_us=T0)
        await self.settled(store)
        seen: list[str] = []
        cursor = None
        for _ in ids:
            page = await store.list(Query(workflow="order"), limit=1, cursor=cursor)
            seen += [found.id for found in page.records]
            cursor = page.cursor
        assert (sorted(seen), cursor) == (sorted(ids), None)
        assert await store.count(Query(workflow="order")) == len(ids)

    async def test_a_cursor_outlives_the_record_it_stands_at(self, store: Store) -> None:
        for n in range(4):
            await finish(store, await store.create(new(f"i{n}", created_us=at(n)), now_us=T0))
        await self.settled(store)
        page = await store.list(Query(), limit=2)
        await store.purge("i2", now_us=T0)
        await self.settled(store)
        page = await store.list(Query(), limit=2, cursor=page.cursor)
        assert [found.id for found in page.records] == ["i1", "i0"]

    async def test_numbers_are_equal_by_value_and_texts_are_no_numbers(self, store: Store) -> None:
        values: dict[str, Any] = {"int": 1, "float": 1.0, "text": "1", "yes": True, "large": 2**53 + 1, "empty": ""}
        for id, value in values.items():
            await store.create(new(id, attributes={"n": value}), now_us=T0)
        await self.settled(store)
        expected_counts: list[tuple[Any, int]] = [(1, 2), (1.0, 2), ("1", 1), (True, 1), (False, 0), (0, 0), ("", 1)]
        for value, expected in [*expected_counts, (2**53 + 1, 1), (2**53, 0)]:
            assert await store.count(Query(attributes={"n": value})) == expected, value

    async def test_attributes_of_the_longest_names_and_texts_are_kept_and_found(self, store: Store) -> None:
        """As long as a user may make them, in characters of four bytes."""
        name, text = "🔑" * 256, "🚚" * 1_000
        same, other = {name: text, name[:-1]: text[:-1]}, {name: f"{text[:-1]}🚛", f"{name[:-1]}🗝": text}
        await store.create(new("same", attributes=same), now_us=T0)
        await store.create(new("other", attributes=other), now_us=T0)
        await self.settled(store)
        assert (await store.find("same")).attributes == same
        for query in (same, {name: text}, {name[:-1]: text[:-1]}):
            assert [found.id for found in (await store.list(Query(attributes=query), limit=9)).records] == ["same"]
            assert await store.count(Query(attributes=query)) == 1

    async def test_a_cursor_that_is_none_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.list(Query(), limit=2, cursor="nonsense")

    async def test_a_walk_neither_skips_nor_repeats_while_others_change(self, store: Store) -> None:
        """Some end during the walk: before it and behind it, and the one that it stands at."""
        running = Query(statuses=frozenset({Status.RUNNING}))
        records = [await store.create(new(f"i{n}", created_us=at(n)), now_us=T0) for n in range(9)]
        await self.settled(store)
        seen: list[str] = []
        cursor = None
        for ending in (7, 3, 8, 1):
            page = await store.list(running, limit=2, cursor=cursor)
            seen += [found.id for found in page.records]
            cursor = page.cursor
            await finish(store, records[ending])
            await self.settled(store)
        assert (seen, cursor) == (["i8", "i7", "i6", "i5", "i4", "i2", "i1", "i0"], None)

    async def test_more_than_any_database_gives_at_once_is_listed_and_counted(self, store: Store) -> None:
        parent = await started(store, "parent")
        for hundred in range(11):
            children = [new(f"{hundred}-{n}", created_us=at(hundred)) for n in range(100)]
            step = turn(parent, *children)
            await store.commit(step, now_us=T0)
            parent = step.record
        await self.settled(store)
        everything = Query(created_after_us=at(1))
        first = await store.list(everything, limit=1_000)
        assert len(first.records) == len({found.id for found in first.records}) == 1_000
        assert first.cursor is None
        assert await store.count(everything) == 1_000
        first = await store.list(Query(), limit=1_000)
        rest = await store.list(Query(), limit=1_000, cursor=first.cursor)
        assert len({found.id for found in (*first.records, *rest.records)}) == 1_101 == await store.count(Query())
        assert rest.cursor is None
