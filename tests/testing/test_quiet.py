"""Knowing when everybody waits: work in a thread counts until its result has been heard of, a call until it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from nexus_sdk.errors import InstanceNotFound
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities, InstanceRecord
from nexus_sdk.testing.provider_suite.builders import new
from nexus_sdk.testing.quiet import CallWatch, ThreadWatch


class OneByOne(Future[Any]):
    """A future that has ended, in a thread that was interrupted before it told anybody."""

    def __init__(self) -> None:
        super().__init__()
        self.untold: list[Callable[[Future[Any]], object]] = []

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        self.untold.append(fn)

    def tell_one(self) -> None:
        self.untold.pop(0)(self)


class Interrupted(Executor):
    """Whatever is submitted ends as `future` says."""

    def __init__(self) -> None:
        self.future = OneByOne()

    def submit(self, *_: object) -> OneByOne:  # type: ignore[override]
        return self.future


async def test_whoever_waits_for_a_result_hears_of_it_before_it_is_forgotten() -> None:
    executor = Interrupted()
    with ThreadWatch() as watch:
        result = asyncio.get_running_loop().run_in_executor(executor, print)
        executor.future.set_result("done")
        executor.future.tell_one()
        await asyncio.sleep(0)
        assert result.done()
        executor.future.tell_one()
        await watch.everybody_waits()


class Elsewhere(MemoryStore):
    """A store that answers when it is told to, as one does that is behind a socket."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        super().__init__()
        self.has_arrived = asyncio.Event()

    async def find(self, instance_id: str) -> InstanceRecord:
        await self.has_arrived.wait()
        return await super().find(instance_id)


async def test_a_call_of_the_store_that_is_under_way_is_no_rest() -> None:
    store = Elsewhere()
    calls = CallWatch.of(store)
    assert CallWatch.of(store) is calls
    for is_given_up in (False, True):
        was_busy = [calls.is_busy]
        asking = asyncio.ensure_future(store.find("nobody"))
        await asyncio.sleep(0)
        was_busy.append(calls.is_busy)
        store.has_arrived.set()
        if is_given_up:
            asking.cancel()
        with pytest.raises(asyncio.CancelledError if is_given_up else InstanceNotFound):
            await asking
        was_busy.append(calls.is_busy)
        assert was_busy == [False, True, False]
        store.has_arrived.clear()


async def test_who_only_watches_is_at_rest() -> None:
    store = Elsewhere()
    calls = CallWatch.of(store)
    before = await store.create(new("a"), now_us=0)
    watching = asyncio.ensure_future(store.watch("a", run_id=before.run_id, after=before.last_batch))
    await asyncio.sleep(0)
    assert not calls.is_busy
    watching.cancel()
