"""The ledger of a turn: what the code asks for, appended when it is live, held to the record when it is replayed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from nexus_sdk.core import events as e
from nexus_sdk.core.history import EVENT_BYTES, Batch, HistorySize, value_bytes_of
from nexus_sdk.core.mismatch import Mismatch, differing
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import Site, line_of, site_of

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Identity
    from nexus_sdk.core.operation import RecordedOperation
    from nexus_sdk.core.rules import Rules
    from nexus_sdk.core.watcher import Watcher
    from nexus_sdk.errors import NonDeterminismError

OutputT = TypeVar("OutputT", bound=e.Output)


@dataclass(slots=True)
class LogLine:
    """Something the workflow logged in the present turn."""

    level: str
    event: str
    fields: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """Compares each output with the recorded one as it is made; so a mismatch is found where it happens, for free.

    Args:
        codec: bound to the instance.

    Attributes:
        is_replaying: whether the code runs over what it did before.
        is_strict: at replay, what operations were given is compared, too: arguments, payloads, deadlines. Costs an
            encoding of each.
        watcher: who looks on at a replay.
        last_output: the event of the latest `output`: the recorded one at replay, with what was decided then.
        custom_status: the latest one.
        value_bytes: of the events of the turns before this one.
    """

    def __init__(self, identity: Identity, rules: Rules, codec: Codec) -> None:
        self._identity = identity
        self._rules = rules
        self._codec = codec
        self.is_replaying = False
        self.is_strict = False
        self.watcher: Watcher | None = None
        self.last_output: e.Output | None = None
        self.custom_status: Payload | None = None
        self._history: Iterable[Batch] = ()  # while it is replayed
        self._recorded: Sequence[e.Event] = ()
        self._cursor = 0
        self._passed = 0
        self._answering = 0  # so many events of this turn, the input that the code answers being the last of them
        self._held = 0  # so many of those that were passed have held the instance, or let it go on
        self.value_bytes = 0
        self._events: list[e.Event] = []
        self._log: list[LogLine] = []
        self._patches: dict[str, bool] = {}
        self._has_read_ahead = False
        self._undecided: set[str] = set()  # decided False at a replay, to be recorded in the next live turn

    # --- the turn ---------------------------------------------------------------------------------------------------

    def open_history(self, batches: Iterable[Batch]) -> None:
        """Before a replay: what is going to be replayed."""
        self._history = batches
        self._has_read_ahead = False

    def learn(self, batches: Iterable[Batch]) -> None:
        """Know the patches that are decided in these batches, be they replayed or not."""
        self.open_history(batches)
        self._read_ahead()

    def open_recorded(self, events: Sequence[e.Event]) -> None:
        """A turn that is replayed."""
        self.is_replaying = True
        self._recorded, self._cursor = events, 0

    @property
    def position(self) -> int:
        """At replay: the number of the recorded event that was passed last, counted from 1 over the run."""
        return self._passed + self._cursor

    def next_input(self) -> e.Event | None:
        """The next recorded input; None, and the replay is over, at the end.

        Raises:
            NonDeterminismError: the code has not asked for something that is recorded before it.
        """
        event = self._peek()
        if event is None:
            self.is_replaying = False
            self._passed += len(self._recorded)
            self._recorded, self._cursor, self._answering = (), 0, 0
        elif not event.is_input:
            raise self._mismatch(event, None)
        else:
            self._cursor += 1
            self._answering = self._cursor
            if self.watcher is not None:
                self.watcher.arrived(self.position, event)
        return event

    def open_live(self) -> None:
        """A turn that is taken for the first time."""
        self._history = ()
        self._events = [e.PatchDecided("", "", change, False) for change in sorted(self._undecided)]
        self._undecided.clear()
        self._log = []

    def append(self, event: e.Event) -> None:
        """Record a live input."""
        self._events.append(event)
        self._answering = len(self._events)

    def take_events(self) -> list[e.Event]:
        """The events of the live turn so far; the caller has them now."""
        events, self._events = self._events, []
        self._passed += len(events)
        self._answering = 0
        return events

    def pass_over(self, event: e.Event) -> None:
        """At replay: an input that held the instance or let it go on. The live code has never seen it."""
        self._held += 1
        self.value_bytes -= value_bytes_of([event])

    @property
    def length(self) -> tuple[int, int]:
        """How long the history is, between two turns: events and bytes, as `size` counts them. Asked for by each turn,
        and therefore no more than two numbers."""
        events = self._passed - self._held
        return events, self.value_bytes + EVENT_BYTES * events

    @property
    def size(self) -> HistorySize:
        """How long the history is, up to the input that the code answers: the same at every replay."""
        present = (self._recorded if self.is_replaying else self._events)[: self._answering]
        events = self._passed + len(present) - self._held
        return HistorySize(events, self.value_bytes + value_bytes_of(present) + EVENT_BYTES * events)

    def take_log(self) -> list[LogLine]:
        """What was logged in the live turn so far."""
        lines, self._log = self._log, []
        return lines

    # --- outputs ----------------------------------------------------------------------------------------------------

    def output(self, operation: RecordedOperation[Any], path: str) -> None:
        """Record that the code asked for `operation`; at replay, hold it to the record. See `last_output`.

        Raises:
            PayloadError: something that goes with it cannot be encoded.
            NonDeterminismError: history has something else here.
        """
        if not self.is_replaying:
            event = operation.record(path)
            self._events.append(event)
            self.last_output = event
            return
        recorded = self._peek()
        if isinstance(recorded, e.Output) and recorded.path == path and operation.matches(recorded):
            if self.is_strict and (given := differing(recorded, operation.outline(path), self._codec)):
                raise self._rules.blame(self._mismatch(recorded, operation.outline(path), given))
            self._cursor += 1
            self.last_output = recorded
            if self.watcher is not None:
                self.watcher.asked(self.position, recorded, operation.site, partial(operation.outline, path))
            return
        asked = operation.outline(path)  # what could not be encoded then, cannot now: it raises here as it did live
        raise self._rules.blame(self._mismatch(recorded, asked))

    def note(self, kind: type[OutputT], path: str, site: Site | None) -> None:
        """Record an output that has nothing but its path."""
        if not self.is_replaying:
            self._events.append(kind(path, line_of(site)))
            return
        recorded = self._peek()
        if type(recorded) is kind and getattr(recorded, "path", None) == path:
            self._cursor += 1
            if self.watcher is not None:
                self.watcher.asked(self.position, recorded, site, partial(kind, path, line_of(site)))
            return
        raise self._rules.blame(self._mismatch(recorded, kind(path, line_of(site))))

    def end(self, event: e.Output) -> None:
        """Record the end of the run."""
        if not self.is_replaying:
            self._events.append(event)
            return
        recorded = self._peek()
        if recorded is None or type(recorded) is not type(event):
            raise self._mismatch(recorded, event)
        if self.is_strict and (given := differing(recorded, event, self._codec)):
            raise self._mismatch(recorded, event, given)
        self._cursor += 1
        if self.watcher is not None:
            self.watcher.asked(self.position, recorded, None, lambda: event)

    def recorded_next_run_id(self) -> str | None:
        """At replay, the id of the next run where the record ends with continue_as_new."""
        recorded = self._peek() if self.is_replaying else None
        return recorded.next_run_id if isinstance(recorded, e.ContinuedAsNew) else None

    def annotate(self, value: Payload) -> None:
        """Set the custom status. Not compared at replay: it changes nothing that happens."""
        self.custom_status = value
        if not self.is_replaying:
            self._events.append(e.CustomStatusSet("", "", value))
        elif self.watcher is not None:
            self.watcher.marked(e.CustomStatusSet, "", site_of(sys._getframe(1)))

    def patched(self, change_id: str) -> bool:
        """What `ctx.patched` answers; decided once per run and recorded."""
        if self.watcher is not None:
            self.watcher.marked(e.PatchDecided, change_id, site_of(sys._getframe(1)))
        if change_id not in self._patches:
            self._read_ahead()
        if change_id not in self._patches:
            self._patches[change_id] = not self.is_replaying
            if self.is_replaying:
                self._undecided.add(change_id)
            else:
                self._events.append(e.PatchDecided("", "", change_id, True))
        return self._patches[change_id]

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Keep a log line of a live turn; at replay it was said before."""
        if not self.is_replaying and not self._rules.is_disposing:
            self._log.append(LogLine(level, event, fields))

    # --- inside -----------------------------------------------------------------------------------------------------

    def missing_leaf(self, event: e.Event) -> NonDeterminismError:
        """The error for a recorded outcome of something that the code did not ask for."""
        return self._mismatch(event, None)

    def _mismatch(self, recorded: e.Event | None, asked: e.Event | None, given: str = "") -> NonDeterminismError:
        later = [event for batch in self._history for event in batch.events][self.position :]
        return Mismatch(self._identity, recorded=recorded, asked=asked, given=given, later=later).error()

    def _peek(self) -> e.Event | None:
        """The next recorded event that counts: annotations and patch decisions are passed over."""
        recorded = self._recorded
        while self._cursor < len(recorded):
            event = recorded[self._cursor]
            if not event.is_ignorable and not isinstance(event, e.PatchDecided):
                return event
            if isinstance(event, e.CustomStatusSet):
                self.custom_status = event.value
            elif isinstance(event, e.PatchDecided):
                self._learn_patch(event)
            self._cursor += 1
        return None

    def _read_ahead(self) -> None:
        """A patch may be decided later than the code passes it (False), or no longer be asked for."""
        if self._has_read_ahead:
            return
        self._has_read_ahead = True
        for batch in self._history:
            for event in batch.events:
                if isinstance(event, e.PatchDecided):
                    self._learn_patch(event)

    def _learn_patch(self, event: e.PatchDecided) -> None:
        self._patches[event.change_id] = event.is_patched
        self._undecided.discard(event.change_id)
