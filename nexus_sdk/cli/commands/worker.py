"""`nexus worker`: serve an app until told to stop."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from nexus_sdk.app import Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption, StoreOption, checked
from nexus_sdk.cli.loading import find_app
from nexus_sdk.cli.mistakes import Mistake, told
from nexus_sdk.cli.serving import live_line, release, signals
from nexus_sdk.core.status import Status
from nexus_sdk.engine.worker import Worker
from nexus_sdk.errors import StoreError
from nexus_sdk.store.open import redact

COUNT_SECONDS = 2.0
"""How often the line on a terminal counts the open instances."""

OPEN = (Status.PENDING, Status.RUNNING, Status.SUSPENDED, Status.BLOCKED)


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
    """Serve workflows and activities. The first SIGTERM or Ctrl-C drains, the second exits at once."""
    if app is None:
        raise Mistake("Which app?", hint="nexus worker MODULE[:APP], or set NEXUS_APP.")
    if any(not name.strip() for name in queue or ()):
        raise Mistake("--queue needs a name.", hint="Leave it out to serve the queues that the activities name.")
    served = checked(find_app(app, store), may_make=True)
    asyncio.run(_Serving(served, queue or None, concurrency, json).serve())
    release(served)


class _Serving:
    """One run of the command."""

    def __init__(self, app: Nexus, queues: list[str] | None, concurrency: int, is_json: bool) -> None:
        self._app = app
        self._queues = queues
        self._concurrency = concurrency
        self._is_json = is_json
        self._worker: Worker | None = None
        self._open_text = ""
        self._is_draining = False

    async def serve(self) -> None:
        """Serve until asked to stop, then drain."""
        async with signals(self._drain) as asked:
            with live_line(self._line):
                async with self._app.worker(self._queues, self._concurrency) as self._worker:
                    self._tell_start(self._worker)
                    counting = asyncio.create_task(self._count())
                    await asked.wait()
                    counting.cancel()
                    await asyncio.gather(counting, return_exceptions=True)
        await self._app.store.close()
        self._tell("stopped", "stopped")

    def _tell_start(self, worker: Worker) -> None:
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
        said = f"{_activities(running)} running{self._open_text}"
        return f"draining · {said}" if self._is_draining else said

    async def _count(self) -> None:
        if not output.is_terminal():
            return
        while True:
            try:
                number = await self._app.client().count(status=OPEN)
                self._open_text = f" · {number} open instance{'' if number == 1 else 's'}"
            except StoreError:
                self._open_text = " · the store does not answer"
            await asyncio.sleep(COUNT_SECONDS)


def _activities(number: int) -> str:
    return "1 activity" if number == 1 else f"{number} activities"
