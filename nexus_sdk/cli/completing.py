"""What TAB offers. The one rule: completing never hangs, never complains, and makes no file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import typer

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
        return asyncio.run(_ids(ctx.params.get("store") or os.environ.get("NEXUS_STORE"), incomplete))
    except Exception:  # whatever is wrong with the store, TAB is not the place to say it
        return []


async def _ids(url: str | None, incomplete: str) -> list[str]:
    from nexus_sdk.app import DEFAULT_STORE
    from nexus_sdk.store.open import open_store
    from nexus_sdk.store.port import Query

    url = url or DEFAULT_STORE
    if not url.startswith("sqlite:"):  # the others are asked over a network
        return []
    store = open_store(f"{url}{'&' if '?' in url else '?'}busy_seconds={BUSY_SECONDS}")
    path: Any = getattr(store, "path", None)
    if not path or not Path(path).exists() or not Path(path).stat().st_size:
        return []
    try:
        async with asyncio.timeout(SECONDS_MAX):
            page = await store.list(Query(), limit=IDS_MAX)
    finally:
        await store.close()
    return [record.id for record in page.records if record.id.startswith(incomplete)]
