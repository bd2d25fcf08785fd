"""The process that `nexus dev` starts anew at every change: it loads the code as it is now, and serves it.

A fresh process is the only import that is fresh for certain: no old class, no half-reloaded package, no stale registry
can be left over, and an import that fails harms nobody. The durable engine does the rest: instances go on from the
store, as after a crash. The one rule: this process never outlives the one that watches. The line between the two says
so, on a thread of its own, whatever the user's code does to this one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from nexus_sdk.app import Nexus
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.cli import output
from nexus_sdk.cli.access import checked, continuing
from nexus_sdk.cli.app import set_up_logs, set_up_streams
from nexus_sdk.cli.commands.worker import Serving
from nexus_sdk.cli.line import Line
from nexus_sdk.cli.loading import find_app
from nexus_sdk.cli.mistakes import FAILED, Mistake, described, exit_code, tell
from nexus_sdk.cli.reloading import Request, files_of_failure, own_files, place_of, short
from nexus_sdk.cli.serving import Stopped, leave_now, unless
from nexus_sdk.cli.views import instances_text
from nexus_sdk.core.status import Status
from nexus_sdk.engine.worker import Worker
from nexus_sdk.errors import BlockingError, DefinitionError, InstanceNotFound, NexusError, StoreError
from nexus_sdk.store.open import redact
from nexus_sdk.store.port import InstanceRecord, Query

DRAIN_SECONDS = 1.0
"""How long running activities may take to end when the code changes; what takes longer is given back, to run again."""

TRIED_MAX = 1_000
"""So many instances, the newest, are tried with the new code at once; the others when something comes for them."""

TRIED_TOGETHER = 50

TOLD_MAX = 5
"""So many blocked instances are told one by one."""

MODULES_SECONDS = 0.5
"""How often is looked for modules that were imported late, by an activity, say."""

LEAVE_SECONDS = 0.2
"""How long the live line may take to give the terminal back before the process ends at once."""

NOT_SERVED = "Nothing is served until it is mended; what is recorded waits. The next change is tried at once."


class Orders:
    """What the process that watches asks for, heard on a thread.

    Attributes:
        stop: drains and ends; what is being loaded has nothing to drain.
        leave: takes the live line away before the process ends at once.
    """

    def __init__(self) -> None:
        self.stop: Callable[[str], object] = lambda why: leave_now(0)
        self.leave: Callable[[], None] = lambda: None

    def take(self, order: dict[str, Any]) -> None:
        """Do what is asked."""
        if order["ask"] == "leave":
            self.end()
        with suppress(RuntimeError):  # the event loop is closed: it is ending anyway
            self.stop(order["ask"])

    def end(self) -> None:
        """End the process now: it was asked for, or nobody is there any more to ask for anything."""
        # Whoever holds the terminal's lock must not keep this process alive.
        leaving = threading.Thread(target=self.leave, daemon=True)
        leaving.start()
        leaving.join(LEAVE_SECONDS)
        os._exit(FAILED)


class Reloaded(Serving):
    """A worker that tells what the change has come to."""

    drain_seconds = DRAIN_SECONDS

    def __init__(self, app: Nexus, request: Request, line: Line, orders: Orders) -> None:
        heard = dataclasses.replace(app.environment, say=self._hear)
        registry = app.registry
        super().__init__(
            Nexus(
                app.store_url or app.store,
                workflows=registry.workflows.values(),
                activities=registry.activities.values(),
                codec=app.codec,
                environment=heard,
            ),
            request.queues,
            request.concurrency,
            request.is_json,
        )
        self._request = request
        self._line_out = line
        self._orders = orders
        self._say_plainly = app.environment.say
        self._blocked: set[str] = set()
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._why = ""
        self._files: set[str] = set()
        self._is_loading_told = asyncio.Event()

    @asynccontextmanager
    async def _stopping(self, leave: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
        loop, self._asked = asyncio.get_running_loop(), asyncio.Event()

        def stop(why: str) -> None:
            self._why = why
            if why == "stop":
                self._drain()
            self._asked.set()

        self._orders.leave = leave
        self._orders.stop = lambda why: loop.call_soon_threadsafe(stop, why)
        telling = asyncio.create_task(self._tell_news(), name="nexus dev news")
        try:
            yield self._asked
        finally:
            telling.cancel()

    async def _begin(self, worker: Worker) -> None:
        with suppress(Stopped):
            await unless(self._asked, self._try_all(worker))

    def _drain(self) -> None:
        self._is_draining = True
        running = self._worker.running_activities if self._worker else 0
        if running or self._is_json:
            what = "1 activity runs" if running == 1 else f"{running} activities run"
            self._tell("draining", f"stopping: {what}; the same signal again exits at once", running=running)

    def _tell_end(self) -> None:
        if self._why == "stop":
            super()._tell_end()
            self._line_out.say(stopped=True)

    # --- the change -------------------------------------------------------------------------------------------------

    async def _try_all(self, worker: Worker) -> None:
        """Run the new code over what is under way, then tell what came of it."""
        try:
            before = await self._under_way(Status.BLOCKED)
            self._blocked = {record.id for record in before}
            under_way = [*before, *await self._under_way(Status.RUNNING)]
            for start in range(0, len(under_way), TRIED_TOGETHER):
                batch = under_way[start : start + TRIED_TOGETHER]
                await asyncio.gather(*(worker.look(record.id) for record in batch))
            now = await self._under_way(Status.BLOCKED)
            going = [await self._app.client().count(status=status) for status in (Status.PENDING, Status.RUNNING)]
        except StoreError:  # the counting will tell
            before, now, going = [], [], [0]
        was, self._blocked = self._blocked, {record.id for record in now}
        self._tell_loaded(worker, sum(going), len(now))
        self._tell_unblocked([record.id for record in before if record.id not in self._blocked])
        self._tell_blocked(now, was)
        self._is_loading_told.set()

    async def _under_way(self, status: Status) -> list[InstanceRecord]:
        page = await self._app.store.list(Query(statuses=frozenset({status})), limit=TRIED_MAX, cursor=None)
        served = self._app.registry.workflow
        return [record for record in page.records if served(record.workflow, record.version) is not None]

    def _tell_loaded(self, worker: Worker, going: int, blocked: int) -> None:
        self._files = own_files()
        seconds = max(0.0, time.time() - self._request.noticed_at)
        registry, store = self._app.registry, redact(self._app.store_url or repr(self._app.store))
        workflows, activities = sorted({name for name, _ in registry.workflows}), sorted(registry.activities)
        queues = self._queues or sorted(registry.task_queues)
        counts = [f"{instances_text(going)} go{'es' if going == 1 else ''} on"] if going else []
        counts += [f"{blocked} blocked"] if blocked else []
        if self._request.changed:
            names = files_text(self._request.changed)
            parts = [f"{names} changed", f"reloaded in {output.duration_text(seconds)}", *counts]
        else:
            offers = f"{_numbered(len(workflows), 'workflow')}, {_numbered(len(activities), 'activity', 'activities')}"
            parts = [f"serving {self._request.app} ({offers}) from {store}"]
            parts += [f"queue {', '.join(queues)}"] if self._queues else []
            parts += [f"watching {_numbered(len(self._files), 'file')}", *counts]
        self._tell(
            "reloaded" if self._request.changed else "serving",
            " · ".join(parts),
            worker=worker.id,
            store=store,
            queues=queues,
            workflows=workflows,
            activities=activities,
            watching=sorted(map(short, self._files)),
            changed=[short(file) for file in self._request.changed],
            seconds=round(seconds, 3),
            going=going,
            blocked=blocked,
        )

    # --- what it means for instances --------------------------------------------------------------------------------

    def _hear(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """The engine's lines: what they say of blocked instances is told in our words, after the change itself."""
        instance_id = fields.get("instance_id")
        if isinstance(instance_id, str) and fields.get("status") in ("blocked", "running"):
            self._news.put_nowait(instance_id)  # or a line of the user's own: the store knows
            if event.startswith(f"{instance_id} is blocked: "):
                return
        self._say_plainly(level, event, fields)

    async def _tell_news(self) -> None:
        """Tell which instances are blocked or unblocked from now on, and watch for modules imported late."""
        await self._is_loading_told.wait()
        while True:
            try:
                async with asyncio.timeout(MODULES_SECONDS):
                    instance_id = await self._news.get()
            except TimeoutError:
                self._look_for_modules()
                continue
            with suppress(InstanceNotFound, StoreError):
                record = await self._app.store.find(instance_id)
                if record.status is not Status.BLOCKED and instance_id in self._blocked:
                    self._blocked.discard(instance_id)
                    self._tell_unblocked([instance_id])
                elif record.status is Status.BLOCKED and instance_id not in self._blocked:
                    self._blocked.add(instance_id)
                    self._tell_blocked([record], ())

    def _look_for_modules(self) -> None:
        if not self._files.issuperset(found := own_files()):
            self._files |= found
            self._line_out.say(watch=sorted(self._files))

    def _tell_blocked(self, records: Sequence[InstanceRecord], before: Collection[str]) -> None:
        """Tell of those that are blocked, and once what can be done."""
        if self._is_json:
            for record in records:
                code, message = _reason(record)
                fields = {"code": code, "message": message, "next": self._explanation(record)}
                self._tell("blocked", "", id=record.id, **fields, was_blocked_before=record.id in before)
            return
        for record in records[:TOLD_MAX]:
            code, message = _reason(record)
            is_still = " is still blocked: " if record.id in before else " is blocked: "
            first = message.partition("\n")[0].removeprefix(record.id).lstrip(",: ")
            output.say((record.id, "bold"), is_still, (code, "bold red"), f" {first}")
        if len(records) > TOLD_MAX:
            listing = continuing("list", "--status", "blocked", store=self._request.store)
            output.say(f"and {len(records) - TOLD_MAX} more: {listing}")
        if records:
            who = "it goes on" if len(records) == 1 else "they go on"
            step = self._explanation(records[0])
            output.say(f"  mend or revert the code, and {who}; what happened: {step}", style="dim")

    def _tell_unblocked(self, ids: Sequence[str]) -> None:
        if self._is_json or len(ids) <= TOLD_MAX:
            for instance_id in ids:
                self._tell("unblocked", f"{instance_id} is no longer blocked: it goes on", id=instance_id)
            return
        output.say(f"{len(ids)} instances are no longer blocked: they go on")

    def _explanation(self, record: InstanceRecord) -> str:
        """The command that shows where code and record part."""
        return continuing("replay", self._target(record), "--id", record.id, store=self._request.store)

    def _target(self, record: InstanceRecord) -> str:
        """``MODULE:WORKFLOW`` of an instance, by the module that was named if that has it."""
        workflow = self._app.registry.workflow(record.workflow, record.version)
        assert workflow is not None
        spec = self._request.app.rpartition(":")[0] or self._request.app
        module = sys.modules.get(spec)
        offered = vars(module).values() if module is not None else ()
        is_there = spec.endswith(".py") or any(isinstance(v, Workflow) and v is workflow for v in offered)
        return f"{spec if is_there else workflow.fn.__module__}:{record.workflow}"


def main(fd: int) -> None:
    """Serve what the process at the other end of this descriptor asks for."""
    # Ctrl-C goes to all processes of a terminal; the one that watches decides. (No SIG_IGN: activities' own processes
    # would inherit it.)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.set_inheritable(fd, False)  # processes of activities must not keep the line open
    set_up_streams()
    line, orders = Line(socket.socket(fileno=fd)), Orders()
    asked = line.hear()
    if not asked:  # it was ended meanwhile
        return
    request = Request(**asked)
    line.listen(orders.take, orders.end)
    set_up_logs(request.verbosity)
    # Byte code is found stale by whole seconds and size: what is edited quickly could be taken for what it was.
    sys.dont_write_bytecode = True
    try:
        app = checked(find_app(request.app, request.store), may_make=True)
        line.say(watch=sorted(own_files()))
        serving = Reloaded(app, request, line, orders)
        asyncio.run(serving.serve())
    except NexusError as error:
        sys.exit(_give_up(error, request, line))
    leave_now(0)  # a thread that an activity keeps busy is not waited for: what runs there was given back


def _give_up(error: NexusError, request: Request, line: Line) -> int:
    """Say why nothing is served. Whether it is waited for a change depends on whether one could mend it."""
    cause = error.__cause__ or error.__context__
    is_in_code = isinstance(error, DefinitionError) or bool(isinstance(error, Mistake) and error.evidence)
    is_in_code = is_in_code or (isinstance(error, Mistake) and error.code.startswith("NX1"))
    if not is_in_code and not request.changed:
        tell(error, is_json=request.is_json)
        line.say(given_up=exit_code(error))
        return exit_code(error)
    line.say(failed=True, watch=sorted(own_files() | files_of_failure(cause)))
    shown = _shown(error, cause)
    if request.is_json:
        said = {"changed": [short(file) for file in request.changed], **described(shown)}
        output.put_json({"time": time.time(), "event": "broken", **said}, is_compact=True)
        return exit_code(error)
    if request.changed:
        output.say(f"{files_text(request.changed)} changed · {request.app} cannot be loaded")
    tell(shown, is_json=False)
    return exit_code(error)


def _shown(error: NexusError, cause: BaseException | None) -> Mistake:
    """The same, short: where it is in the user's code, what is wrong there, and that nothing is served."""
    message, hint = error.message, error.hint
    evidence = error.evidence if isinstance(error, Mistake) else ""
    if cause is not None and isinstance(error, Mistake) and evidence:
        what = cause.message if isinstance(cause, NexusError) else f"{type(cause).__name__}: {_first_line(cause)}"
        place = place_of(cause)
        message, hint = (f"{place}: {what}", "") if place else (message, hint)
        if isinstance(cause, NexusError):
            hint = cause.hint
        if isinstance(cause, SyntaxError):
            evidence = "".join(traceback.format_exception_only(cause))
    return Mistake(message, hint="\n".join(filter(None, [hint, NOT_SERVED])), evidence=evidence, code=error.code)


def _first_line(error: BaseException) -> str:
    text = (error.msg if isinstance(error, SyntaxError) else str(error)) or ""
    return text.partition("\n")[0]


def _reason(record: InstanceRecord) -> tuple[str, str]:
    """Why it is blocked: code and message."""
    from nexus_sdk.codec import wire

    failure = wire.decode_failure(record.failure) if record.failure is not None else None
    return ((failure.code or BlockingError.code), failure.message) if failure is not None else (BlockingError.code, "")


def files_text(files: Sequence[str]) -> str:
    """The names of files, and how many more there are."""
    names = [short(file) for file in files]
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _numbered(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number} {many or one + 's'}"
