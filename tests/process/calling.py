"""A client process: it starts instances, sends them events and waits for their results, and notes what it was promised.

It may be killed at any time and started again with the same numbers: then it asks for the same things once more, under
the same ids. What it was refused for want of room, it asks for again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TypeVar

from nexus_sdk.client.client import Client
from nexus_sdk.core.history import Batch
from tests.process.fleet import runs_of
from tests.process.load import SHAPES, insist, wanted
from tests.process.served import app_on, append_line, checkpoint_every

T = TypeVar("T")

AT_ONCE = 6


class Caller:
    """Asks, and notes the answers: lines of ``started``, ``sent``, ``finished``, ``refused``, an id, and what of it."""

    def __init__(self, client: Client, notes: Path, shapes: Collection[str] = tuple(SHAPES)) -> None:
        self._client = client
        self._notes = notes
        self._shapes = list(shapes)

    async def call(self, numbers: range) -> None:
        """See every one of these to its end, some at a time."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with room:
                await self._see_to_its_end(self.id_of(number))

        await asyncio.gather(*(one(number) for number in numbers))

    def id_of(self, number: int) -> str:
        """The instance with this number."""
        return f"{self._shapes[number % len(self._shapes)]}-{number}"

    async def _see_to_its_end(self, id: str) -> None:
        make, _ = SHAPES[id.partition("-")[0]]
        handle = await self._insist(id, lambda: self._client.start(make(), id=id, request_id=id))
        self._note("started", id, "")
        if id.startswith("collector"):
            for number in range(9):
                event_id = f"item-{number}"
                await self._insist(id, lambda n=number, e=event_id: handle.send_event("item", n, event_id=e))
                self._note("sent", id, event_id)
        self._note("finished", id, json.dumps(await self._insist(id, handle.result)))

    async def _insist(self, id: str, ask: Callable[[], Awaitable[T]]) -> T:
        return await insist(ask, lambda error: self._note("refused", id, f"{error.code} {error.message}"))

    def _note(self, kind: str, id: str, what: str) -> None:
        append_line(self._notes, kind, id, what)


# --- what was promised ------------------------------------------------------------------------------------------------


def notes_in(folder: Path) -> Path:
    """Where the clients of a folder note what they were promised: outside of the store."""
    return folder / "promises"


def read_notes(text: str) -> list[tuple[str, str, str]]:
    """The lines of a file of promises: kind, instance id, what of it."""
    return [(kind, id, what) for kind, id, what in (line.split("\t") for line in text.splitlines())]


async def check_promises(client: Client, promises: Collection[tuple[str, str, str]]) -> None:
    """What a client was told to be there is there."""
    runs: dict[str, list[list[Batch]]] = {}
    for id in dict.fromkeys(id for kind, id, _ in promises if kind != "refused"):
        _, runs[id] = await runs_of(client.store, id)  # it exists, and its history is whole
    for kind, id, what in promises:
        if kind == "sent":
            causes = {cause for batches in runs[id] for batch in batches for cause in batch.header.causes}
            waiting = {message.id for message in (await client.store.load(id)).messages}
            assert f"event:{what}" in causes | waiting, f"{id} was promised to get {what}"
        elif kind == "finished":
            assert await client.get(id).result(timeout=0) == json.loads(what) == wanted(id)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--checkpoint", type=int, help="pages after which SQLite's log is worked off")
    asked = parser.parse_args()
    if asked.checkpoint is not None:
        checkpoint_every(asked.checkpoint)
    client = app_on(asked.path).client()
    notes = notes_in(Path(os.environ["NEXUS_TEST_LEDGER"]).parent)
    await Caller(client, notes, asked.shapes.split(",")).call(range(asked.first, asked.first + asked.count))
    await client.store.close()


if __name__ == "__main__":
    asyncio.run(main())
