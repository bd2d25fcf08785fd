"""What TAB offers. The one rule: completing never hangs, never complains, and makes no file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from nexus_sdk.store.port import Store

IDS_MAX = 1000
SECONDS_MAX = 1.0
BUSY_SECONDS = "0.2"


def complete_status(incomplete: str) -> list[str]:
    """The statuses that begin so."""
    from nexus_sdk.core.status import Status

    return [status.value for status in Status if status.startswith(incomplete)]


def complete_id(ctx: typer.Context, incomplete: str) -> list[str]:
    """The newest ids that begin so, of an SQLite store that is there; none of any other store."""
    try:
        ids = _newest_ids(ctx.params.get("store") or os.environ.get("NEXUS_STORE") or "")
    except Exception:  # whatever is wrong with the store, TAB is not the place to say it
        return []
    return [id for id in ids if id.startswith(incomplete)]


def _newest_ids(url: str) -> list[str]:
    from nexus_sdk.app import DEFAULT_STORE
    from nexus_sdk.store.open import open_store

    url = url or DEFAULT_STORE
    if not url.startswith("sqlite:"):  # the others are asked over a network
        return []
    store = open_store(f"{url}{'&' if '?' in url else '?'}busy_seconds={BUSY_SECONDS}")
    path = Path(getattr(store, "path", ""))
    is_there = path.is_file() and path.stat().st_size > 0
    return asyncio.run(_asked(store)) if is_there else []


async def _asked(store: Store) -> list[str]:
    from nexus_sdk.store.port import Query

    try:
        async with asyncio.timeout(SECONDS_MAX):
            return [record.id for record in (await store.list(Query(), limit=IDS_MAX)).records]
    finally:
        await store.close()
