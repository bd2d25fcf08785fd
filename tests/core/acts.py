"""Activities for the tests of the core. They never run here: the driver answers for them."""

from __future__ import annotations

from typing import Any

from nexus_sdk import activity


@activity
async def work(item: Any) -> Any:
    return item


@activity
async def other(item: Any) -> Any:
    return item


@activity
async def clean(item: Any) -> Any: ...


@activity
async def unbook(booking: Any) -> Any: ...


@activity(compensate=unbook)
async def book(what: Any) -> Any:
    return what
