"""A module of workflows with nothing wrong in it: lint must be silent. It is read, and never run."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import structlog

import nexus_sdk as nx
from nexus_sdk import ActivityFailed, Context, Retry, activity, workflow

log = structlog.get_logger()
LIMIT = 5


class State(Enum):
    A = "a"


@dataclass
class Line:
    sku: str
    qty: int
    tags: list[str] = field(default_factory=list)

    def price(self) -> Decimal:
        return Decimal(self.qty) * 2


@activity
async def fetch(url: str) -> dict:
    import httpx

    async with httpx.AsyncClient() as c:
        return (await c.get(url)).json()


@activity
def save(x: Any) -> None:
    log.info("saving")
    Path("x").write_text(str(x), encoding="utf-8")


@lru_cache
def table(n: int) -> list[int]:
    return [i * i for i in range(n)]


async def retrying(ctx: Context, url: str) -> dict:
    for attempt in itertools.count():
        try:
            return await fetch(url)
        except ActivityFailed:
            if attempt > 3:
                raise
            await ctx.sleep(timedelta(seconds=2**attempt))
    raise AssertionError


def totals(lines: list[Line]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.sku] += line.price()
    return dict(sorted(sums.items()))


@workflow(name="orders", timeout="7d")
async def orders(ctx: Context, lines: list[Line], since: datetime | None = None):
    since = since or ctx.now()
    due = since + timedelta(days=1)
    if ctx.now().astimezone(UTC) > due or datetime.fromisoformat("2020-01-01") > due:
        ctx.log.warning("late")
    seen: set[str] = set()
    queue = deque(lines)
    results: list[Any] = []
    while queue:
        line = queue.popleft()
        if line.sku in seen:
            continue
        seen.add(line.sku)
        results.append((yield fetch(f"https://x/{line.sku}")))
    ctx.on_query("seen", lambda: sorted(seen))
    name = PurePosixPath("/a") / "b"
    body = json.dumps({"n": str(name), "m": math.sqrt(4), "t": re.sub("a", "b", "c")})
    handle = ctx.spawn(retrying(ctx, body))
    winner = yield ctx.race(a=handle, b=ctx.sleep(5))
    match winner.name:
        case "a":
            total = totals(lines)
        case _:
            handle.cancel()
            total = {}
    batch = [fetch(x.sku) for x in lines]
    got = yield ctx.gather(*batch, return_exceptions=True)
    more = yield ctx.map(partial(retrying, ctx), [x.sku for x in lines])
    pick = ctx.random.choice(sorted(seen - {"x"}))
    key = str(ctx.uuid4())
    home = yield ctx.side_effect(lambda: __import__("os").environ["HOME"])
    async with ctx.saga() as saga:
        saga.add(save(key))
        yield save.options(retry=Retry(max_attempts=1))(pick)
        try:
            yield ctx.wait_for_event("go", timeout="1h")
        except nx.WaitTimedOut as error:
            ctx.set_status(str(error))
        except nx.CancelledError:
            yield save("cancelled")
            raise
        finally:
            yield save("done")
    assert all(isinstance(g, dict) for g in got), more
    counts = Counter(x.sku for x in lines)
    counts.update({"a": 1})
    results.sort(key=lambda r: r["id"])
    replaced = replace(lines[0], qty=LIMIT)
    total["x"] = table(5)[0]
    if any(s.startswith("a") for s in seen) and len(seen) > 2:
        yield ctx.continue_as_new(lines, since=since)
    yield ctx.complete({"total": total, "home": home, "c": counts, "r": replaced, "s": State.A.value})


@nx.workflow
async def co(ctx: nx.Context, n: int) -> int:
    async def one(i: int) -> int:
        return await co.options(id=f"{ctx.instance_id}-{i}")(i)

    values = await ctx.map(one, range(n), concurrency=3)
    child = co(1)
    other = co(2)
    a, b = await ctx.gather(child, other)
    return sum(values) + a + b
