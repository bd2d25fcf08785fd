"""What the worker processes of these tests serve, and the ledger in which every effect leaves its own trace.

Run as a program it is such a worker: it drains at SIGTERM and then exits with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from pathlib import Path

from nexus_sdk import ApplicationError, Context, Nexus, Retry, activity, activity_info, workflow
from nexus_sdk.engine.worker import Worker, WorkerOptions
from nexus_sdk.runtimes.local import local_environment
from nexus_sdk.store.sqlite import SqliteStore, connection, peers

PATIENT = Retry(max_attempts=1_000, initial="10ms", jitter="none")
"""Each kill costs an attempt: enough of them that no test runs out."""

TICK = 0.01


# --- the ledger -------------------------------------------------------------------------------------------------------


def note(kind: str, label: str) -> None:
    """A line of the ledger about the running attempt."""
    info = activity_info()
    worker = os.environ["NEXUS_TEST_WORKER"]
    fields = (label, info.idempotency_key, str(info.attempt), worker, info.instance_id)
    append_line(os.environ["NEXUS_TEST_LEDGER"], kind, *fields)


def append_line(path: str | Path, *fields: str) -> None:
    """One line, in one write to a file opened for appending: lines of several processes never mix."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, ("\t".join(fields) + "\n").encode())
    finally:
        os.close(file)


# --- activities -------------------------------------------------------------------------------------------------------


async def _effect(label: str, seconds: float = TICK) -> str:
    note("begun", label)
    await asyncio.sleep(seconds)
    note("done", label)
    return label


@activity(retry=PATIENT)
async def act(label: str) -> str:
    return await _effect(label)


@activity(retry=PATIENT)
async def dawdle(label: str) -> str:
    """The loser of a race: it takes longer than any other, even one whose worker stood still. Nobody waits for it."""
    return await _effect(label, 20.0)


@activity(retry=PATIENT)
def press(label: str) -> str:
    note("begun", label)
    time.sleep(TICK)
    note("done", label)
    return label


@activity(retry=PATIENT, local=True)
async def act_here(label: str) -> str:
    return await _effect(label)


@activity(retry=PATIENT)
async def undo(label: str) -> None:
    await _effect(f"undo {label}")


@activity(retry=PATIENT, compensate=undo)
async def reserve(label: str) -> str:
    return await _effect(label)


@activity(retry=PATIENT)
async def through_gate(label: str, gate: str) -> str:
    """Ends once the file `gate` exists."""
    note("begun", label)
    while not os.path.exists(gate):  # noqa: ASYNC110, ASYNC240  # another process opens it
        await asyncio.sleep(TICK)
    note("done", label)
    return label


@activity(retry=PATIENT)
def press_through_gate(label: str, gate: str) -> str:
    """The same in a thread."""
    note("begun", label)
    while not os.path.exists(gate):
        time.sleep(TICK)
    note("done", label)
    return label


@activity(retry=PATIENT)
async def copy(label: str, text: str) -> str:
    await _effect(label)
    return text * 2


# --- workflows of many shapes -----------------------------------------------------------------------------------------


@workflow
async def chain(ctx: Context, size: int):
    labels = []
    for number in range(size):
        labels.append((yield (press if number % 3 == 2 else act)(f"{ctx.instance_id}:{number}")))
    yield ctx.complete(labels)


@workflow
async def chain_here(ctx: Context, size: int):
    labels = []
    for number in range(size):
        labels.append((yield act_here(f"{ctx.instance_id}:{number}")))
    yield ctx.complete(labels)


@workflow
async def fan(ctx: Context, size: int):
    yield ctx.complete((yield ctx.gather(*(act(f"{ctx.instance_id}:{number}") for number in range(size)))))


@workflow
async def mapped(ctx: Context, size: int) -> list[str]:
    async def twice(number: int) -> str:
        first = await act(f"{ctx.instance_id}:{number}")
        return await act(f"{first}+")

    return await ctx.map(twice, range(size), concurrency=3)


@workflow
async def racer(ctx: Context):
    quick = yield ctx.race(quick=act(f"{ctx.instance_id}:0"), late=ctx.sleep("1h"))
    timer = yield ctx.race(never=ctx.wait_for_event("never"), timer=ctx.sleep("150ms"))
    first = yield ctx.race(first=act(f"{ctx.instance_id}:1"), second=dawdle(f"{ctx.instance_id}:2"))
    yield ctx.complete([quick.name, timer.name, first.name])


@workflow
async def family(ctx: Context, size: int):
    yield ctx.complete((yield ctx.gather(chain(size), fan(size))))


@workflow
async def saga(ctx: Context, size: int):
    try:
        async with ctx.saga():
            for number in range(size):
                yield reserve(f"{ctx.instance_id}:{number}")
            raise ApplicationError("sold out")
    except ApplicationError:
        yield ctx.complete("undone")


@workflow
async def rounds(ctx: Context, left: int, labels: list[str]):
    labels = [*labels, (yield act(f"{ctx.instance_id}:{ctx.run}"))]
    if left > 1:
        yield ctx.continue_as_new(left - 1, labels)
    yield ctx.complete(labels)


@workflow
async def collector(ctx: Context, left: int, items: list[int]):
    """Three events and an activity per run; events that come early are carried over to the next run."""
    for _ in range(3):
        items = [*items, (yield ctx.wait_for_event("item", int))]
    yield act(f"{ctx.instance_id}:{ctx.run}")
    if left > 1:
        yield ctx.continue_as_new(left - 1, items)
    yield ctx.complete(items)


@workflow
async def bulky(ctx: Context, text: str):
    """Values too large to travel with the history."""
    doubled = yield copy(f"{ctx.instance_id}:0", text)
    yield act(f"{ctx.instance_id}:1")
    yield ctx.complete(len(doubled))


@workflow
async def gated(ctx: Context, gate: str, in_thread: bool):
    first = yield (press_through_gate if in_thread else through_gate)(f"{ctx.instance_id}:0", gate)
    second = yield act(f"{ctx.instance_id}:1")
    yield ctx.complete([first, second])


WORKFLOWS = [chain, chain_here, fan, mapped, racer, family, saga, rounds, collector, bulky, gated]
ACTIVITIES = [act, press, act_here, undo, reserve, through_gate, press_through_gate, dawdle, copy]


def app_on(path: str | Path) -> Nexus:
    return Nexus(f"sqlite:///{path}", workflows=WORKFLOWS, activities=ACTIVITIES)


def checkpoint_every(pages: int) -> None:
    """From now on this process works off SQLite's log so often: a short run has several checkpoints."""
    connection.CHECKPOINT_PAGES = pages


# --- a worker process -------------------------------------------------------------------------------------------------


async def serve(path: str, options: WorkerOptions) -> None:
    app = app_on(path)
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    worker = Worker(SqliteStore(path), app.registry, app.codec, local_environment(), options)
    await worker.start()
    print("ready", flush=True)
    await asked_to_stop.wait()
    await worker.stop()
    print("drained", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--lease", type=float, default=3_600.0)
    parser.add_argument("--sweep", type=float, default=2.0)
    parser.add_argument("--drain", type=float, default=30.0)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--checkpoint", type=int, help="pages after which SQLite's log is worked off")
    parser.add_argument("--no-bells", action="store_true", help="no sockets: no rings, and no peer is seen to be dead")
    asked = parser.parse_args()
    if asked.no_bells:
        peers.is_supported = lambda: False
    if asked.checkpoint is not None:
        checkpoint_every(asked.checkpoint)
    options = WorkerOptions(
        concurrency=asked.concurrency,
        lease_seconds=asked.lease,
        sweep_seconds=asked.sweep,
        drain_seconds=asked.drain,
    )
    asyncio.run(serve(asked.path, options))


if __name__ == "__main__":
    main()
