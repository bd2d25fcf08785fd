"""`nexus worker`: serve an app until told to stop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

from nexus_sdk.app import Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption, StoreOption, checked
from nexus_sdk.cli.loading import find_app
from nexus_sdk.cli.mistakes import Mistake, told
from nexus_sdk.cli.serving import live, release, signals
from nexus_sdk.core.status import Status
from nexus_sdk.engine.worker import Worker
from nexus_sdk.errors import StoreError
from nexus_sdk.store.open import redact

COUNT_SECONDS = 2.0
"""How often instances are counted for the line on a terminal."""

COUNT_REST = 50
"""So many times as long as a count takes is waited before the next one."""

MOVING = (Status.PENDING, Status.RUNNING)
HELD = (Status.BLOCKED, Status.SUSPENDED)
ENDS = (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TERMINATED)


@told
def worker(
    app: Annotated[
        str | None,
        typer.Argument(metavar="MODULE[:APP]", envvar="NEXUS_APP", help="An app, or a module to serve everything of."),
    ] = None,
    store: StoreOption = None,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", help="A task queue; repeat it for more. Those of the activities.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="So many activities at a time.")] = 100,
    json: JsonOption = False,
) -> None:
    """Serve workflows and activities until told to stop. The first Ctrl-C or SIGTERM drains, the second ends it."""
    if app is None:
        raise Mistake("Which app?", hint="nexus worker MODULE[:APP], or set NEXUS_APP.")
    if any(not name.strip() for name in queue or ()):
        raise Mistake("--queue needs a name.", hint="Leave it out to serve the queues that the activities name.")
    served = checked(find_app(app, store), may_make=True)
    asyncio.run(Serving(served, queue or None, concurrency, json).serve())
    release(served)


class Serving:
    """Serves until asked to stop, tells what happens meanwhile, drains."""

    drain_seconds = 10.0

    def __init__(self, app: Nexus, queues: list[str] | None, concurrency: int, is_json: bool) -> None:
        self._app = app
        self._queues = queues
        self._concurrency = concurrency
        self._is_json = is_json
        self._worker: Worker | None = None
        self._tally = Tally()
        self._is_draining = False

    async def serve(self) -> None:
        """Serve until asked to stop, then drain."""
        with live(self._line) as leave:
            async with self._stopping(leave) as asked:
                async with self._app.worker(
                    self._queues, self._concurrency, drain_seconds=self.drain_seconds
                ) as self._worker:
                    await self._begin(self._worker)
                    counting = asyncio.create_task(self._count())
                    await asked.wait()
                    counting.cancel()
                    await asyncio.gather(counting, return_exceptions=True)
                await self._look()  # what ended while it drained counts too
        await self._app.store.close()
        self._tell_end()

    def _stopping(self, leave: Callable[[], None]) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set when it is to stop; `leave` is called before the process ends at once."""
        return signals(self._drain, leave)

    def _tell_end(self) -> None:
        ends = self._tally.ends()
        said = "".join(f"; {number} {status}" for status, number in ends.items() if number)
        self._tell("stopped", f"stopped{said}", **ends)

    async def _begin(self, worker: Worker) -> None:
        """Tell that it serves."""
        registry = self._app.registry
        queues = self._queues or sorted(registry.task_queues)
        workflows = sorted({name for name, _ in registry.workflows})
        activities = sorted(registry.activities)
        store = redact(self._app.store_url or repr(self._app.store))
        self._tell(
            "serving",
            f"{worker.id} serves {', '.join(workflows + activities)} from {store}, queue {', '.join(queues)}",
            worker=worker.id,
            store=store,
            queues=queues,
            workflows=workflows,
            activities=activities,
        )

    def _drain(self) -> None:
        self._is_draining = True
        running = self._worker.running_activities if self._worker else 0
        said = f"draining: {_activities(running)} running; the same signal again exits at once"
        self._tell("draining", said, running=running)

    def _tell(self, event: str, text: str, **fields: object) -> None:
        if self._is_json:
            output.put_json({"time": time.time(), "event": event, **fields}, is_compact=True)
        else:
            output.say(text)

    def _line(self) -> str:
        running = self._worker.running_activities if self._worker else 0
        said = f"{_activities(running)} · {self._tally.text()}"
        return f"draining · {said}" if self._is_draining else said

    async def _count(self) -> None:
        """Count at the start; where somebody looks at the line, go on, at a small share of the store's time."""
        while True:
            began = time.monotonic()
            await self._look()
            if not output.is_terminal(sys.stderr):
                return
            await asyncio.sleep(max(COUNT_SECONDS, COUNT_REST * (time.monotonic() - began)))

    async def _look(self) -> None:
        """Count anew, and say when the store no longer answers, or answers again."""
        did_answer = self._tally.is_answered
        client = self._app.client()
        try:
            self._tally.take({status: await client.count(status=status) for status in Status})
        except StoreError as error:
            self._tally.is_answered = False
            if did_answer:
                self._tell("store_lost", f"the store does not answer: {error.message}", message=error.message)
            return
        self._tally.is_answered = True
        if not did_answer:
            self._tell("store_back", "the store answers again")


class Tally:
    """How many instances the store has of each status, and how many ended since the first count."""

    def __init__(self) -> None:
        self.is_answered = True
        self._first: dict[Status, int] = {}
        self._now: dict[Status, int] = {}

    def take(self, counts: dict[Status, int]) -> None:
        """Take in a count."""
        self._first = self._first or counts
        # Who was purged meanwhile had ended before: the count begins anew with what is left.
        self._first = {status: min(number, counts[status]) for status, number in self._first.items()}
        self._now = counts

    def ends(self) -> dict[str, int]:
        """How many ended since, by how."""
        return {status.value: self._now.get(status, 0) - self._first.get(status, 0) for status in ENDS}

    def text(self) -> str:
        """In words, what matters most first."""
        moving = sum(self._now.get(status, 0) for status in MOVING)
        parts = [f"{moving} running" if self._now else "counting"]
        parts += [f"{self._now[status]} {status}" for status in HELD if self._now.get(status)]
        ended = [f"{number} {status}" for status, number in self.ends().items() if number]
        parts += [f"since start {', '.join(ended)}"] if ended else []
        parts += [] if self.is_answered else ["the store does not answer"]
        return " · ".join(parts)


def _activities(number: int) -> str:
    return "1 activity" if number == 1 else f"{number} activities"
