"""Knowing when everybody waits: work in a thread counts until its result has been heard of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from nexus_sdk.testing.quiet import ThreadWatch


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
