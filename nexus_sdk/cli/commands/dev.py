"""`nexus dev`: serve an app, and reload its code whenever it changes.

This process only watches: it never imports the user's code. A second one serves (`nexus_sdk.cli.reloaded`), and is
ended and started anew at every change.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption, StoreOption
from nexus_sdk.cli.line import Line
from nexus_sdk.cli.mistakes import FAILED, Mistake, told
from nexus_sdk.cli.reloading import Request, Watch
from nexus_sdk.cli.serving import signals

LOOK_SECONDS = 0.2
"""How often the files are looked at."""

MOVING_SECONDS = 0.05
"""How often, while one of them is being written."""

STOP_SECONDS = 4.0
"""How long the serving process may take to drain; then it is ended."""

LEAVE_SECONDS = 0.5
"""How long it may take to end at once; how long its last words are waited for."""

LOADING_SECONDS = 5.0
"""An import that takes longer is worth a word."""

ENTRANCE = "import sys; sys.path[:] = {path!r}; from nexus_sdk.cli.reloaded import main; main({fd})"
"""The serving process finds modules where this one does."""


@told
def dev(
    ctx: typer.Context,
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
    """Serve as worker does, and reload the code when it changes. Instances go on; it says when one cannot."""
    if app is None:
        raise Mistake("Which app?", hint="nexus dev MODULE[:APP], or set NEXUS_APP.")
    if any(not name.strip() for name in queue or ()):
        raise Mistake("--queue needs a name.", hint="Leave it out to serve the queues that the activities name.")
    if os.name != "posix":
        raise Mistake("nexus dev needs Linux, macOS or another POSIX system.", hint=f"nexus worker {app}")
    verbosity = ctx.parent.params.get("verbose", 0) if ctx.parent is not None else 0
    code = asyncio.run(_Watching(Request(app, store, queue or None, concurrency, json, verbosity)).go_on())
    if code:
        raise typer.Exit(code)


class _Serving:
    """The process that serves, seen from the one that watches.

    Attributes:
        files: those of the user's code that it has loaded; None until it has told them.
        given_up: its exit code, where it says that no change of a file could help.
        has_failed: whether it has told why it cannot load the code.
        has_stopped: whether it has told that it stopped.
    """

    def __init__(self, request: Request) -> None:
        self.started_ns = time.time_ns()
        self.files: list[str] | None = None
        self.given_up: int | None = None
        self.has_failed = self.has_stopped = False
        end, other = socket.socketpair()
        entrance = ENTRANCE.format(path=sys.path, fd=other.fileno())
        # A Ctrl-C that comes before the other process can make up its mind waits until it has.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen([sys.executable, "-P", "-c", entrance], pass_fds=[other.fileno()])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            other.close()
        self._line = Line(end)
        self._line.say(**dataclasses.asdict(request))
        self._line.listen(self._hear)

    @property
    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    async def stop(self, why: str) -> bool:
        """Have it drain and end; whether it did so in time. `why`: ``stop``, or ``reload``."""
        self._line.say(ask=why)
        try:
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        finally:
            self.finish()
        return True

    def leave(self) -> None:
        """End it now."""
        self._line.say(ask="leave")
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without asking."""
        self._process.kill()
        self._process.wait()
        _show_cursor()

    def finish(self) -> None:
        """Take in what it said last. (A process that an activity has forked may hold the line open.)"""
        self._line.finish(LEAVE_SECONDS)

    def _hear(self, news: dict[str, Any]) -> None:
        self.has_failed = self.has_failed or "failed" in news
        self.has_stopped = self.has_stopped or "stopped" in news
        self.given_up = news.get("given_up", self.given_up)
        self.files = news.get("watch", self.files)


class _Watching:
    """One run of the command."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._watch = Watch()
        self._serving: _Serving | None = None

    async def go_on(self) -> int:
        """Serve and reload until told to stop; the exit code."""
        async with signals(lambda: None, self._leave) as asked:
            try:
                return await self._serve(asked)
            finally:
                if self._serving is not None and self._serving.exit_code is None:
                    self._serving.kill()

    async def _serve(self, asked: asyncio.Event) -> int:
        request = self._request
        while True:
            self._serving = serving = _Serving(request)
            changed = await self._change(serving, asked)
            if not changed and not asked.is_set():
                return serving.given_up or serving.exit_code or FAILED
            if not await serving.stop("reload" if changed else "stop"):
                said = f"it did not stop within {STOP_SECONDS:.0f} s and was ended; what ran there runs again"
                self._tell("killed", said)
            if not changed:
                if not serving.has_stopped:
                    self._tell("stopped", "stopped")
                return 0
            request = dataclasses.replace(request, changed=changed, noticed_at=time.time())

    async def _change(self, serving: _Serving, asked: asyncio.Event) -> list[str]:
        """The files that have changed, as soon as some have; none when it is to end."""
        known: list[str] | None = None
        is_over = is_slow = False
        while not asked.is_set():
            if not is_over and serving.exit_code is not None:
                is_over = True
                serving.finish()
                self._tell_over(serving)
            if serving.files is not None and serving.files is not known:
                known = serving.files
                # What is imported behind a failure is not known now, and was before.
                files = {*known, *self._watch.files} if serving.has_failed else known
                self._watch.follow(files, serving.started_ns)
            if is_over and (serving.given_up is not None or not self._watch.files):
                return []
            if known is None and not is_slow and time.time_ns() - serving.started_ns > LOADING_SECONDS * 1e9:
                is_slow = True
                self._tell("loading", f"{self._request.app} is still being imported")
            if changed := self._watch.poll(time.monotonic()):
                return changed
            try:
                async with asyncio.timeout(MOVING_SECONDS if self._watch.is_moving else LOOK_SECONDS):
                    await asked.wait()
            except TimeoutError:
                continue
        return []

    def _tell_over(self, serving: _Serving) -> None:
        """Say how it ended, unless it has said so itself."""
        if serving.has_failed or serving.given_up is not None:
            return
        _show_cursor()
        code = serving.exit_code or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = f"the worker's process has ended by itself ({how}); it starts again when a file changes"
        self._tell("ended", said, exit_code=code)

    def _tell(self, event: str, text: str, **fields: object) -> None:
        if self._request.is_json:
            output.put_json({"time": time.time(), "event": event, **fields}, is_compact=True)
        else:
            output.say(text)

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.leave()


def _show_cursor() -> None:
    """A process that was killed while its live line stood has left the terminal without one."""
    if output.is_terminal(sys.stderr):
        output.console(sys.stderr).show_cursor(True)
