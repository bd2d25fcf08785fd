"""A store whose database is elsewhere: a call takes its time, and the event loop shows nothing of it meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities
from nexus_sdk.testing.quiet import VERBS

WAY_SECONDS = 0.000_5


class RemoteStore(MemoryStore):
    """As the one in memory, but that what is asked and what is answered are under way for a while."""

    capabilities = Capabilities()


def _remote(name: str) -> Any:
    plain = getattr(MemoryStore, name)

    async def call(self: RemoteStore, *args: Any, **named: Any) -> Any:
        await asyncio.sleep(WAY_SECONDS)
        reply = await plain(self, *args, **named)
        await asyncio.sleep(WAY_SECONDS)
        return reply

    return call


for _name in VERBS:
    setattr(RemoteStore, _name, _remote(_name))
