"""Where a workflow stands at an event: each strand of its code, the line about to run, and the local variables.

A position is the number of an event. At an input it is the moment in which the input has come and the code has not run
yet; at an output, the moment in which the code asks for it. So in both cases the line that is shown is the one that the
event belongs to, and is about to go on.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.fiber import Fiber
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.program import Site
from nexus_sdk.errors import NexusError
from nexus_sdk.replay.player import execution_of, identity_of
from nexus_sdk.replay.recorded import RecordedRun
from nexus_sdk.replay.source import Place, frames_of, running_frames, where
from nexus_sdk.replay.values import brief, whole

WINDOW = 24
"""So many positions are looked at in one replay: what lies next to a position is most often wanted next."""

KEPT_MAX = 600
"""So many positions are remembered."""

STRANDS_MAX = 24
"""So many strands are looked at, besides the body and the one that runs: of thousands nobody looks at all."""


@dataclass(frozen=True, slots=True)
class Level:
    """One function of a strand: the line it stands on, and its variables as text, in the order of their making."""

    function: str
    place: Place
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Strand:
    """One strand of workflow code: the main body, or a helper in a fiber of its own.

    Attributes:
        path: the operation that started it; empty for the main body.
        levels: the functions it is in, outermost first.
        is_next: it is the one that runs next, or that is running.
        gets: what it is about to get for what it waited for; empty while it waits on.
    """

    path: str
    levels: tuple[Level, ...]
    is_next: bool
    gets: str = ""

    @property
    def place(self) -> Place | None:
        """The line it stands on."""
        return self.levels[-1].place if self.levels else None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a workflow stands at an event. `hidden` strands are there besides, and were not looked at."""

    number: int
    strands: tuple[Strand, ...]
    hidden: int = 0

    @property
    def next(self) -> Strand | None:
        """The strand that runs next; the main body where none does."""
        return next((strand for strand in self.strands if strand.is_next), next(iter(self.strands), None))


class Standings:
    """Where a run stands at each of its events. Going back is going forward from the beginning, again.

    Args:
        codec: the app's, bound to nobody.
    """

    def __init__(self, workflow: Workflow[Any, Any], run: RecordedRun, codec: Codec) -> None:
        self._workflow = workflow
        self._run = run
        self._codec = codec
        self._kept: dict[int, Standing] = {}
        self.count = len(run.events)

    def at(self, number: int) -> Standing | None:
        """Where it stands at this event; None where the code never came to it, or runs no more."""
        if number not in self._kept:
            self._look(range(max(1, number - WINDOW // 2), min(self.count, number + WINDOW) + 1), brief)
        return self._kept.get(number)

    def whole_at(self, number: int, width: int) -> dict[str, list[str]]:
        """The variables at this event in as many lines as they take, by function and name."""
        lines: dict[str, list[str]] = {}

        def keep(value: Any) -> str:
            return "\n".join(whole(value, width))

        kept, self._kept = self._kept, {}
        try:
            self._look(range(number, number + 1), keep)
            standing = self._kept.get(number)
        finally:
            self._kept = kept
        for strand in standing.strands if standing else ():
            for level in strand.levels:
                head = f"{level.function} {strand.path}".strip()
                lines |= {f"{head}: {name}": text.splitlines() for name, text in level.variables.items()}
        return lines

    def _look(self, numbers: range, show: Callable[[Any], str]) -> None:
        if len(self._kept) > KEPT_MAX:
            self._kept.clear()
        with rehearsal(self._workflow, self._run, self._codec) as execution:
            execution.ledger.watcher = Looker(execution, numbers, self._kept, show)
            with contextlib.suppress(NexusError):  # as far as the code goes; `play` tells why it goes no further
                execution.replay(self._batches_to(numbers.stop))

    def _batches_to(self, number: int) -> tuple[Any, ...]:
        passed = 0
        for index, batch in enumerate(self._run.batches, start=1):
            passed += len(batch.events)
            if passed >= number:
                return self._run.batches[:index]
        return self._run.batches


@contextlib.contextmanager
def rehearsal(workflow: Workflow[Any, Any], run: RecordedRun, codec: Codec) -> Iterator[Execution]:
    """An execution that somebody looks at: what it prints is not seen, and it is disposed of."""
    execution = execution_of(workflow, identity_of(run), codec)
    execution.ledger.learn(run.batches)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield execution
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            execution.dispose()


class Looker:
    """Writes down where the workflow stands at some events."""

    def __init__(
        self, execution: Execution, numbers: range, kept: dict[int, Standing], show: Callable[[Any], str]
    ) -> None:
        self._execution = execution
        self._numbers = numbers
        self._kept = kept
        self._show = show

    def arrived(self, number: int, event: e.Event) -> None:
        """See `Watcher.arrived`. Should taking it in fail, this is where it stood."""
        self._look(number, None)

    def applied(self, number: int, event: e.Event) -> None:
        """See `Watcher.applied`."""
        woken = self._execution.ready[0] if self._execution.ready else None
        self._look(number, woken[0] if woken else None, woken[1:] if woken and number > 2 else None)

    def asked(self, number: int, recorded: e.Event, site: Site | None, outline: Callable[[], e.Output]) -> None:
        """See `Watcher.asked`."""
        self._look(number, self._execution.fiber if self._execution.main is not None else None)

    def marked(self, kind: type[e.Output], key: str, site: Site | None) -> None:
        """See `Watcher.marked`. Marks stand between the events that are numbered here."""

    def _look(self, number: int, active: Fiber | None, gets: tuple[Any, Any] | None = None) -> None:
        if number not in self._numbers:
            return
        fibers = self._execution.fibers
        shown = list(dict.fromkeys([*fibers[: 1 + STRANDS_MAX], *(fiber for fiber in fibers if fiber is active)]))
        running = running_frames(sys._getframe(1))
        strands = [
            Strand(
                fiber.path,
                tuple(map(self._level, (running if fiber is active else None) or frames_of(fiber.program))),
                fiber is active,
                self._outcome(gets) if fiber is active and gets is not None else "",
            )
            for fiber in shown
        ]
        self._kept[number] = Standing(number, tuple(strands), len(fibers) - len(shown))

    def _outcome(self, gets: tuple[Any, Any]) -> str:
        value, error = gets
        return self._show(value) if error is None else f"raises {self._show(error)}"

    def _level(self, frame: FrameType) -> Level:
        return Level(frame.f_code.co_name, where(frame), {n: self._show(v) for n, v in variables_of(frame).items()})


def variables_of(frame: FrameType) -> dict[str, Any]:
    """The local variables of a frame, without `ctx` and what the interpreter makes for itself."""
    return {
        name: value
        for name, value in dict(frame.f_locals).items()
        if not isinstance(value, Context) and not name.startswith(".")
    }
