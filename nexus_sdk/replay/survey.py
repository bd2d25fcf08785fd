"""A survey: what today's code would ask for, from beginning to end, given the outcomes that are recorded.

A replay stops at the first difference. To tell what was changed, one has to know how the code goes on behind it. So
here each operation gets the recorded outcome of the operation of its kind and name, wherever that is recorded; one that
the record does not have gets a `StandIn`. It is a guess, made for people: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.ledger import Ledger
from nexus_sdk.core.operation import RecordedOperation
from nexus_sdk.core.operations.wait import WaitLeaf
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import Site, line_of
from nexus_sdk.errors import BlockingError, NexusError, PayloadError
from nexus_sdk.replay.player import watchdog
from nexus_sdk.replay.recorded import RecordedRun
from nexus_sdk.replay.source import Place, place_of
from nexus_sdk.replay.standing import rehearsal

AHEAD_MAX = 60
"""So many operations past the end of the record are surveyed: a loop may go on for ever."""

SECONDS_MAX = 2.0
"""Code that makes nothing of stand-ins is given up after this time."""


class StandIn:
    """Stands in for a result that nobody knows. It takes part in most things and means nothing."""

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> StandIn:
        return self

    def __getitem__(self, key: Any) -> StandIn:
        return self

    def __iter__(self) -> Iterator[StandIn]:
        return iter(())

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "<an unknown result>"

    def _itself(self, *_: Any) -> StandIn:
        return self

    def _not(self, _: Any) -> bool:
        return False

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __round__ = _itself
    __lt__ = __le__ = __gt__ = __ge__ = _not


class LenientCodec:
    """A codec for what holds stand-ins: what cannot be encoded is nothing."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def bound_to(self, owner: str) -> LenientCodec:
        """See `Codec.bound_to`."""
        return LenientCodec(self._codec.bound_to(owner))

    def encode(self, value: Any) -> Payload:
        """See `Codec.encode`."""
        try:
            return self._codec.encode(value)
        except PayloadError:
            return self._codec.encode(None)

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        """See `Codec.decode`."""
        return self._codec.decode(payload, type_)

    def can_read(self, encoding: str) -> bool:
        """See `Codec.can_read`."""
        return self._codec.can_read(encoding)

    def convert(self, value: Any, type_: Any) -> Any:
        """See `Codec.convert`."""
        return self._codec.convert(value, type_)


@dataclass(frozen=True, slots=True)
class Asked:
    """An output of today's code.

    Attributes:
        event: as it would be recorded.
        place: the line that asks for it.
        recorded: the number of the recorded event whose part it plays; None when the record has none like it.
    """

    event: e.Output
    place: Place | None
    recorded: int | None


def survey(workflow: Workflow[Any, Any], run: RecordedRun, codec: Codec) -> list[Asked]:
    """What the code asks for, in order, as far as can be told."""
    with rehearsal(workflow, run, codec) as execution:
        execution.services = replace(execution.services, codec=LenientCodec(execution.services.codec))
        ledger = SurveyLedger(execution, run)
        execution.ledger = ledger
        with suppress(NexusError):
            watchdog(SECONDS_MAX).watch(run.header.instance_id, _Course(execution, ledger, run).follow)
        return ledger.asked


class SurveyLedger(Ledger):
    """Takes whatever the code asks for, and finds its counterpart in the record."""

    def __init__(self, execution: Execution, run: RecordedRun) -> None:
        super().__init__(execution.identity, execution.rules, execution.services.codec)
        self.learn(run.batches)
        self.is_replaying = True
        self.asked: list[Asked] = []
        self.new_path: dict[str, str] = {}
        """Where the code has now what was recorded at a path."""
        self.counterparts: dict[str, e.Event] = {}
        """The recorded event behind a path of today's code."""
        self._open = {n: ev for n, ev in enumerate(run.events, start=1) if isinstance(ev, e.Output)}
        self._asked_max = len(self._open) + AHEAD_MAX

    def output(self, operation: RecordedOperation[Any], path: str) -> None:
        """See `Ledger.output`."""
        number = self._counterpart(path, operation.matches)
        outline = operation.outline(path)
        if number is None:
            self.last_output = outline
        else:
            recorded = self._open.pop(number)
            assert isinstance(recorded, e.Output)
            self.last_output = recorded
            self.new_path[recorded.path] = path
            self.counterparts[path] = recorded
        self._note(outline, place_of(operation.site), number)

    def note(self, kind: type[Any], path: str, site: Site | None) -> None:
        """See `Ledger.note`."""
        recorded_path = getattr(self.counterparts.get(path), "path", path)
        number = next(
            (n for n, ev in self._open.items() if type(ev) is kind and getattr(ev, "path", None) == recorded_path), None
        )
        if number is not None:
            del self._open[number]
        self._note(kind(path, line_of(site)), place_of(site), number)

    def end(self, event: e.Output) -> None:
        """See `Ledger.end`."""
        number = next((n for n, ev in self._open.items() if type(ev) is type(event)), None)
        self._note(event, None, number)

    def recorded_next_run_id(self) -> str | None:
        """See `Ledger.recorded_next_run_id`."""
        return ""

    def annotate(self, value: Any) -> None:
        """See `Ledger.annotate`."""

    def _counterpart(self, path: str, matches: Callable[[e.Event], bool]) -> int | None:
        """The recorded event of this path, or the first that is open."""
        found = [number for number, event in self._open.items() if matches(event)]
        exact = [number for number in found if getattr(self._open[number], "path", None) == path]
        return next(iter([*exact, *found]), None)

    def _note(self, event: e.Output, place: Place | None, number: int | None) -> None:
        self.asked.append(Asked(event, place, number))
        if len(self.asked) > self._asked_max:
            raise self._rules.blame(BlockingError("the survey goes no further"))  # no code can swallow it


class _Course:
    """Gives the code the recorded inputs, each where the code is now."""

    def __init__(self, execution: Execution, ledger: SurveyLedger, run: RecordedRun) -> None:
        self._execution = execution
        self._ledger = ledger
        self._stamps: dict[int, int] = {}
        self._common: list[tuple[int, e.Event]] = []
        self._outcomes: dict[str, list[tuple[int, e.Event]]] = {}
        number = 0
        for batch in run.batches:
            for event in batch.events:
                number += 1
                self._stamps[number] = batch.header.stamped_at_us
                if event.is_input and not event.is_terminal:
                    path = getattr(event, "path", "")
                    line = self._outcomes.setdefault(path, []) if path else self._common
                    line.append((number, event))

    def follow(self) -> None:
        """Until the code has ended, or nothing is left to give to it."""
        while self._execution.end is None:
            chosen = self._next_outcome()
            if self._common and (chosen is None or self._common[0][0] < chosen[0]) and not self._has_unknown(chosen):
                number, event = self._common.pop(0)
                self._give(number, event)
            elif chosen is not None:
                number, recorded_path, path = chosen
                _, event = self._outcomes[recorded_path].pop(0)
                self._give(number, replace(event, path=path))  # type: ignore[call-arg]  # it has a path
            elif not self._stand_in():
                if not self._common:
                    return
                self._give(*self._common.pop(0))

    def _next_outcome(self) -> tuple[int, str, str] | None:
        """The earliest recorded outcome that somebody waits for now."""
        found = [
            (self._outcomes[recorded.path][0][0], recorded.path, path)
            for path in self._execution.pending
            if (recorded := self._ledger.counterparts.get(path)) is not None
            and isinstance(recorded, e.Output)
            and self._outcomes.get(recorded.path)
        ]
        return min(found, default=None)

    def _has_unknown(self, chosen: tuple[int, str, str] | None) -> bool:
        """Whether the code can only go on with a stand-in: what comes to all is kept back for what it asks next."""
        waits = [path for path in self._execution.pending if path not in self._ledger.counterparts]
        return chosen is None and bool(waits) and bool(self._ledger.counterparts or self._ledger.asked)

    def _stand_in(self) -> bool:
        """Let the oldest operation that the record does not have come to some end."""
        for path, leaf in list(self._execution.pending.items()):
            if path not in self._ledger.counterparts:
                has_value = not isinstance(self._asked_at(path), e.TimerStarted | e.EventSent)
                self._execution.explore(partial(self._settle, leaf, StandIn() if has_value else None))
                return True
        return False

    def _settle(self, leaf: Leaf, value: Any) -> None:
        if isinstance(leaf, WaitLeaf):
            self._execution.mailbox.step_out(leaf)
        leaf.forget()
        leaf.settle(value)

    def _asked_at(self, path: str) -> e.Event | None:
        return next((asked.event for asked in reversed(self._ledger.asked) if asked.event.path == path), None)

    def _give(self, number: int, event: e.Event) -> None:
        self._execution.explore(event, self._stamps[number])
