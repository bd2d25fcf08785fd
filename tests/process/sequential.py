"""A program that runs one sequential workflow of queued activities on a new file, for `strace` to watch."""

from __future__ import annotations

import sys

from nexus_sdk import Context, Nexus, activity, workflow


@activity
async def step(number: int) -> int:
    return number


@workflow
async def steps(ctx: Context, count: int):
    total = 0
    for number in range(count):
        total += yield step(number)
    yield ctx.complete(total)


def app_on(path: str) -> Nexus:
    return Nexus(f"sqlite:///{path}", workflows=[steps], activities=[step])


if __name__ == "__main__":
    assert app_on(sys.argv[1]).run(steps, int(sys.argv[2])) == sum(range(int(sys.argv[2])))
