"""Another process on the same file: does what its standard input says, a line at a time, and prints a line for each.

Run as a program by `test_sqlite_processes`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from nexus_sdk.store.port import TURNS, Lease, TaskDelivery
from nexus_sdk.store.sqlite import SqliteStore
from nexus_sdk.testing.provider_suite.builders import T0, message, new, turn


async def main(path: str) -> None:
    store = SqliteStore(path)
    bell = store.doorbell()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        verb, *arguments = line.split()
        answer = "done"
        if verb == "receive":
            holder = Lease(f"other-{os.getpid()}", 1e6)
            received = await store.receive([TURNS, "work"], limit=9, lease=holder, now_us=T0)
            answer = " ".join(
                sorted(d.task.id if isinstance(d, TaskDelivery) else d.instance_id for d in received.deliveries)
            )
        elif verb == "wait":
            await bell.wait()
        elif verb == "create":
            await store.create(new(arguments[0]), now_us=T0)
        elif verb == "send":
            await store.send([message(arguments[0], arguments[1])], now_us=T0)
        elif verb == "step":
            for _ in range(int(arguments[1])):
                record = await store.find(arguments[0])
                await store.commit(turn(record), now_us=T0)
        elif verb == "close":
            await store.close()
        print(answer, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
