"""What is run: workflows and activities that do nothing, so that all the time is the engine's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nexus_sdk import Client, Completes, Context, Nexus, activity, workflow


@activity
async def echo(number: int) -> int:
    return number


@activity
def echo_in_a_thread(number: int) -> int:
    return number


@workflow
async def sequential(ctx: Context, count: int) -> Completes[int]:
    total = 0
    for number in range(count):
        total += yield echo(number)
    yield ctx.complete(total)


@workflow
async def parallel(ctx: Context, count: int) -> Completes[int]:
    results = yield ctx.gather(*(echo(number) for number in range(count)))
    yield ctx.complete(sum(results))


@workflow
async def parallel_in_threads(ctx: Context, count: int) -> Completes[int]:
    results = yield ctx.gather(*(echo_in_a_thread(number) for number in range(count)))
    yield ctx.complete(sum(results))


@workflow
async def asleep(ctx: Context) -> Completes[None]:
    yield ctx.sleep("1h")


def new_app(url: str) -> Nexus:
    """An app of all of them."""
    return Nexus(
        url, workflows=[sequential, parallel, parallel_in_threads, asleep], activities=[echo, echo_in_a_thread]
    )


@asynccontextmanager
async def served(app: Nexus, warm_max: int | None = None) -> AsyncIterator[Client]:
    """A client beside a worker, which keeps so many instances warm; by default as many as any worker does."""
    if warm_max is None:
        async with app.worker():
            yield app.client()
        return
    from nexus_sdk.engine.worker import Worker, WorkerOptions

    worker = Worker(app.store, app.registry, app.codec, app.environment, WorkerOptions(warm_max=warm_max))
    await worker.start()
    try:
        yield app.client()
    finally:
        await worker.stop()
        await app.store.close()
