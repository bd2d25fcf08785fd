"""Our workloads as the harness of `python -m benchmarks beside` runs them. Copied into it, and not imported here."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from common import main, rate  # type: ignore[import-not-found]  # the harness's own

from benchmarks.measures import Numbers
from benchmarks.workloads import fan_out, many, replay, sleeping, steps
from benchmarks.workloads.base import Place

KEPT = ("p50_ms", "p99_ms", "steps_per_s")


def _place(asked: Namespace) -> Place:
    return Place("memory" if asked.backend == "mem" else "sqlite", Path(asked.dir))


def _run(workload: Callable[[Place, int], Awaitable[Numbers]], asked: Namespace) -> Numbers:
    async def run() -> Numbers:
        return await workload(_place(asked), asked.n)

    return asyncio.run(run())


def _rates(workload: Callable[[Place, int], Awaitable[Numbers]], asked: Namespace) -> dict[str, Any]:
    found = _run(workload, asked)
    return {**rate(asked.n, found["seconds"]), **{name: round(found[name], 1) for name in KEPT if name in found}}


def w1(asked: Namespace) -> dict[str, Any]:
    return _rates(steps.cold if asked.opts.get("stateless") else steps.warm, asked)


def w2(asked: Namespace) -> dict[str, Any]:
    return _rates(fan_out.threaded if asked.opts.get("plain") else fan_out.asynchronous, asked)


def w3(asked: Namespace) -> dict[str, Any]:
    return _rates(many.in_flight, asked)


def w4(asked: Namespace) -> dict[str, Any]:
    asyncio.run(replay.record(_place(asked), asked.n))
    return _rates(replay.from_the_start, asked)


def w7(asked: Namespace) -> dict[str, Any]:
    found = _run(sleeping.sleeping, asked)
    return {"n": asked.n, "s": round(found["asleep_seconds"], 3), "kb_per_wf": round(found["kb_each"], 2)}


if __name__ == "__main__":
    main("nexus", lambda asked: "none (memory)" if asked.backend == "mem" else "SQLite WAL synchronous=FULL", globals())
