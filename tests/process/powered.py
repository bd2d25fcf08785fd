"""A whole run of two workers and a client on one file, for `strace` to watch: begun and ended in good order."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from tests.process.calling import Caller, notes_in
from tests.process.fleet import fleet, left_over, until
from tests.process.served import app_on, checkpoint_every

SHAPES = ("chain", "saga", "collector", "fan", "rounds", "bulky", "family", "chain_here", "mapped")
"""All but those that take their time."""


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--checkpoint", type=int, required=True)
    asked = parser.parse_args()
    checkpoint_every(asked.checkpoint)
    client = app_on(asked.folder / "store.db").client()
    with fleet(asked.folder, "--checkpoint", str(asked.checkpoint)) as start:
        workers = [start(), start()]
        await until(lambda: all("ready" in worker.log.read_text() for worker in workers))
        await Caller(client, notes_in(asked.folder), SHAPES).call(range(asked.count))
        await until(lambda: not any(left_over(asked.folder).values()))
        for worker in workers:
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
    await client.store.close()


if __name__ == "__main__":
    asyncio.run(main())
