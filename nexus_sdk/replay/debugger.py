"""The standard debugger in a replay: pdb, stopped in the workflow's own frame at an event.

`n` and `s` go on through the workflow's code with the recorded outcomes; `c` goes on to the end of the record; nothing
runs but the workflow. `up` and `down` walk from a helper to the code that awaits it.
"""

from __future__ import annotations

import pdb
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import IO, Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.fiber import Fiber
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.program import Site
from nexus_sdk.errors import NexusError
from nexus_sdk.replay.player import execution_of, identity_of
from nexus_sdk.replay.recorded import RecordedRun
from nexus_sdk.replay.source import frames_of, running_frames

_NOT_STEPPED_INTO = ("nexus_sdk", "nexus_sdk.*", "contextlib", "asyncio", "asyncio.*")


def debug(
    workflow: Workflow[Any, Any],
    run: RecordedRun,
    codec: Codec,
    number: int,
    *,
    stdin: IO[str] | None = None,
    stdout: IO[str] | None = None,
) -> tuple[bool, NexusError | None]:
    """Replay a run and stop in pdb at an event; go on from there as the user says.

    Returns:
        Whether it stopped there at all, and what ended the replay before the end of the record, if anything did.
    """
    execution = execution_of(workflow, identity_of(run), codec)
    debugger = ReplayDebugger(stdin, stdout)
    stop = _Stop(execution, number, debugger)
    execution.ledger.watcher = stop
    try:
        execution.replay(run.batches)
    except NexusError as error:
        return stop.has_stopped, None if debugger.is_over else error
    finally:
        debugger.end()
        execution.dispose()
    return stop.has_stopped, None


class ReplayDebugger(pdb.Pdb):
    """pdb, which begins in a frame that is suspended, and whose `q` harms nobody: the replay then ends unseen."""

    def __init__(self, stdin: IO[str] | None, stdout: IO[str] | None) -> None:
        super().__init__(stdin=stdin, stdout=stdout, skip=_NOT_STEPPED_INTO, nosigint=True)
        self.prompt = "(Pdb) "
        self.is_over = False
        self._chain: list[FrameType] = []

    def begin(self, chain: list[FrameType]) -> None:
        """Stop in the innermost of these frames, which stand in one another, outermost first."""
        frame = chain[-1]
        self._chain = chain
        self.reset()
        for each in chain:
            each.f_trace = self.trace_dispatch
        self.botframe = chain[0]  # nothing lies below a suspended frame
        self.set_step()
        self.interaction(frame, None)
        if not self.is_over:
            sys.settrace(self.trace_dispatch)

    def end(self) -> None:
        """Trace nothing any more."""
        sys.settrace(None)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        """See `Bdb.get_stack`: suspended frames do not know who awaits them."""
        if f is None or f not in self._chain:
            stack, index = super().get_stack(f, t)
            own = [(frame, line) for frame, line in stack if not _is_machinery(frame)]
            return (own, len(own) - 1) if own else (stack, index)
        return [(frame, frame.f_lineno) for frame in self._chain], self._chain.index(f)

    def set_quit(self) -> None:
        """See `Bdb.set_quit`. An exception would go through the workflow's code; the tracing just ends instead."""
        self.is_over = True
        self.set_continue()
        sys.settrace(None)

    def set_continue(self) -> None:
        """See `Bdb.set_continue`."""
        self._set_stopinfo(self.botframe, None, -1)  # type: ignore[attr-defined]  # bdb's own way
        if not self.breaks:
            sys.settrace(None)


def _is_machinery(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.startswith(("nexus_sdk", "typer", "click", "runpy", "_pytest", "pluggy")) or name == "__main__"


class _Stop:
    """Stops the replay at one event."""

    def __init__(self, execution: Execution, number: int, debugger: ReplayDebugger) -> None:
        self._execution = execution
        self._number = number
        self._debugger = debugger
        self.has_stopped = False

    def arrived(self, number: int, event: e.Event) -> None:
        """See `Watcher.arrived`."""

    def applied(self, number: int, event: e.Event) -> None:
        """See `Watcher.applied`. An event before the code begins stops at its beginning."""
        woken = self._execution.ready[0][0] if self._execution.ready else self._execution.main
        self._stop(number, woken)

    def asked(self, number: int, recorded: e.Event, site: Site | None, outline: Callable[[], e.Output]) -> None:
        """See `Watcher.asked`."""
        self._stop(number, self._execution.fiber if self._execution.main is not None else None)

    def marked(self, kind: type[e.Output], key: str, site: Site | None) -> None:
        """See `Watcher.marked`."""

    def _stop(self, number: int, fiber: Fiber | None) -> None:
        if self.has_stopped or number < self._number or fiber is None:
            return
        frames = running_frames(sys._getframe(1)) or frames_of(fiber.program)
        if frames:
            self.has_stopped = True
            self._debugger.begin(frames)
