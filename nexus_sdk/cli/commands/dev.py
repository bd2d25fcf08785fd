"""`nexus dev`: serve an app, and reload its code whenever it changes.

This process only watches: it never imports the user's code. A second one serves (`nexus_sdk.cli.reloaded`), and is
ended and started anew at every change.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json as jsonlib
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption, StoreOption
from nexus_sdk.cli.mistakes import FAILED, Mistake, told
from nexus_sdk.cli.reloading import Watch
from nexus_sdk.cli.serving import signals

LOOK_SECONDS = 0.2
"""How often the files are looked at."""

MOVING_SECONDS = 0.05
"""How often, while one of them is being written."""

STOP_SECONDS = 4.0
"""How long the serving process may take to drain; then it is ended."""

LEAVE_SECONDS = 0.5
"""How long it may take to end at once."""

LOADING_SECONDS = 5.0
"""An import that takes longer is worth a word."""

ENTRANCE = "import sys; sys.path[:] = {path!r}; from nexus_sdk.cli.reloaded import main; main({fd})"


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
    request = Request(app, store, queue or None, concurrency, json, verbosity)
    code = asyncio.run(_Watching(request).go_on())
    if code:
        raise typer.Exit(code)


class _Serving:
    """The process that serves, seen from the one that watches."""

    def __init__(self, request: Request) -> None:
        self.started_ns = time.time_ns()
        self.files: list[str] | None = None
        self.given_up: int | None = None
        """The exit code, where it says that no change of a file could help."""
        self.is_loading = True
        self._end, other = socket.socketpair()
        entrance = ENTRANCE.format(path=sys.path, fd=other.fileno())
        # A Ctrl-C that comes before the other process can make up its mind waits until it has.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen([sys.executable, "-P", "-c", entrance], pass_fds=[other.fileno()])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            other.close()
        self._say(dataclasses.asdict(request))
        self._listening = asyncio.create_task(self._listen(), name="nexus dev line")

    @property
    def exit_code(self) -> int | None:
        """None while it lives."""
        return self._process.poll()

    async def stop(self, why: str) -> bool:
        """Have it drain and end; whether it did so in time. `why`: ``stop``, or ``reload``."""
        self._say({"ask": why})
        try:
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        finally:
            await self.close()
        return True

    def leave(self) -> None:
        """End it now."""
        self._say({"ask": "leave"})
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without asking."""
        self._process.kill()
        self._process.wait()
        _show_cursor()

    async def close(self) -> None:
        """Take in what it said last, and hang up."""
        # Not until the end of the line: a process that an activity forked may hold it open.
        await asyncio.wait({self._listening}, timeout=LEAVE_SECONDS)
        self._listening.cancel()
        self._end.close()

    def _say(self, what: dict[str, Any]) -> None:
        with suppress(OSError):  # it has ended: whoever waits for it sees that
            self._end.sendall(jsonlib.dumps(what).encode() + b"\n")

    async def _listen(self) -> None:
        with suppress(OSError):
            reader, _ = await asyncio.open_unix_connection(sock=self._end.dup(), limit=2**24)
            async for line in reader:
                news = jsonlib.loads(line)
                self.files = news.get("watch", self.files)
                self.given_up = news.get("given_up", self.given_up)
                self.is_loading = False


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
            if serving.given_up is not None and not changed:
                await serving.stop("stop")
                return serving.given_up
            was_alive = serving.exit_code is None
            did_stop = await serving.stop("reload" if changed else "stop")
            if not did_stop:
                self._tell("killed", f"it did not stop within {STOP_SECONDS:.0f} s and was ended; what ran there runs again")
            if not changed:
                if not was_alive or not did_stop:
                    self._tell("stopped", "stopped")
                return 0
            request = dataclasses.replace(request, changed=changed, noticed_at=time.time())

    async def _change(self, serving: _Serving, asked: asyncio.Event) -> list[str]:
        """The files that have changed, as soon as some have; none when it is to end."""
        is_told, is_slow, known = False, False, None
        while not asked.is_set() and serving.given_up is None:
            if serving.exit_code is not None and not is_told:
                is_told = True
                await serving.close()
                self._tell_ended(serving)
            if serving.files is not known:
                known = serving.files
                ...
        return []

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.leave()
