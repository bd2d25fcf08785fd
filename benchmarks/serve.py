"""A worker in a process of its own: ``python -m benchmarks.serve URL``. It serves until its input ends."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.definitions import new_app, served


async def serve(url: str) -> None:
    """Serve; say so on standard output."""
    async with served(new_app(url)):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
