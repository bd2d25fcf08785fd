"""A history for people: one row per event, and what is still waited for. Pure: batches in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nexus_sdk.cli.output import (
    Piece,
    brief,
    clock_text,
    day_text,
    deadline_text,
    duration_text,
    put_cut,
    width_of,
)
from nexus_sdk.codec.wire_json import Opaque, event_to_json
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec

WIDE = 100
"""From so many columns on, an event is one line; two where it is narrower."""

TONES: dict[type[e.Event], str] = {
    e.WorkflowCompleted: "bold green",
    e.WorkflowFailed: "bold red",
    e.WorkflowCancelled: "yellow",
    e.WorkflowTerminated: "bold red",
    e.WorkflowBlocked: "bold red",
    e.ActivityCompleted: "green",
    e.ActivityFailed: "red",
    e.ChildCompleted: "green",
    e.ChildFailed: "red",
    e.EventRefused: "red",
    e.EventReceived: "cyan",
    e.CustomStatusSet: "dim",
    e.CancelRequested: "yellow",
    e.WorkflowSuspended: "yellow",
}
"""How an event is coloured, where it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event, ready to be shown. `turn` is its batch's number; `site` the source line that asked for it."""

    number: int
    turn: int
    stamped_at_us: int
    event: str
    operation: str
    site: str
    detail: str
    tone: str


def rows_of(batches: Iterable[Batch], codec: Codec | None = None) -> Iterator[Row]:
    """One row per event, numbered from 1. `codec`, bound to the instance, shows values that need it."""
    reader = RowReader(codec)
    for batch in batches:
        yield from reader.read(batch)


class RowReader:
    """Reads batches in order, and remembers what the operations are called."""

    def __init__(self, codec: Codec | None = None) -> None:
        self._codec = codec
        self._number = 0
        self._names: dict[str, str] = {}

    def read(self, batch: Batch) -> Iterator[Row]:
        """The rows of one more turn."""
        for event in batch.events:
            self._number += 1
            _learn(event, self._names)
            yield Row(
                self._number,
                batch.header.number,
                batch.header.stamped_at_us,
                type(event).__name__,
                _operation(event, self._names),
                getattr(event, "site", ""),
                _detail(event, batch.header.stamped_at_us, self._codec),
                TONES.get(type(event), ""),
            )


def _learn(event: e.Event, names: dict[str, str]) -> None:
    """Remember what the operation at a path is called."""
    match event:
        case e.ActivityScheduled(path=path, name=name) | e.EventAwaited(path=path, name=name):
            names[path] = name
        case e.ChildScheduled(path=path, workflow=name) | e.EventSent(path=path, name=name):
            names[path] = name
        case e.TimerStarted(path=path, purpose=purpose):
            names.setdefault(path, purpose)


def _operation(event: e.Event, names: dict[str, str]) -> str:
    path = getattr(event, "path", "")
    if not path:
        return ""
    return f"{path} {names[path]}" if path in names else path


def _detail(event: e.Event, now_us: int, codec: Codec | None) -> str:
    shown: dict[str, Any] = event_to_json(event, codec)
    match event:
        case e.WorkflowCreated():
            start = f" from {deadline_text(event.start_at_us, now_us)}" if event.start_at_us else ""
            return f"{event.workflow} {_call(shown['arguments'])}{start}"
        case e.ContinuedAsNew():
            return _call(shown["arguments"])
        case e.ActivityScheduled():
            return _call(shown["arguments"]) + (" local" if event.options.local else "")
        case e.ChildScheduled():
            return f"{event.instance_id} {_call(shown['arguments'])}"
        case e.ActivityCompleted():
            tries = f" attempt {event.attempts}" if event.attempts > 1 else ""
            return f"→ {brief(shown['result'])}{tries}"
        case e.ActivityFailed():
            return f"{_failure(shown['failure'])} after {_times(event.attempts)}"
        case e.WorkflowCompleted() | e.ChildCompleted():
            return f"→ {brief(shown['result'])}"
        case e.TimerStarted():
            return f"{duration_text((event.due_us - now_us) / 1e6)}, until {deadline_text(event.due_us, now_us)}"
        case e.EventAwaited():
            return "" if event.due_us is None else f"until {deadline_text(event.due_us, now_us)}"
        case e.EventReceived():
            return f"{event.name} {brief(shown['payload'])}"
        case e.EventSent():
            return f"to {event.target} {brief(shown['payload'])}"
        case e.SideEffectRecorded() if event.failure is None:
            return f"→ {brief(shown['value'])}"
        case e.PatchDecided():
            return f"{event.change_id} {'yes' if event.is_patched else 'no'}"
        case e.CustomStatusSet():
            return brief(shown["value"])
        case e.WorkflowUnblocked():
            return f"build {event.build}"
    return _failure(shown.get("failure")) or brief(shown.get("reason") or "")


def _call(arguments: Any) -> str:
    if isinstance(arguments, dict) and not isinstance(arguments, Opaque):
        return "(" + ", ".join(f"{name}={brief(value, 60)}" for name, value in arguments.items()) + ")"
    if isinstance(arguments, list):
        return "(" + ", ".join(brief(value, 60) for value in arguments) + ")"
    return "()" if arguments is None else brief(arguments)


def _failure(failure: Any) -> str:
    if not failure:
        return ""
    return brief(f"{failure['type']}: {failure['message']}" if failure["message"] else failure["type"])


def _times(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"


def put_rows(rows: Sequence[Row]) -> None:
    """Show the rows on stdout: a turn begins with its time, the events that it brought stand under it."""
    shown = RowText(rows)
    for row in rows:
        for line in shown.lines(row, is_wide=width_of() >= WIDE):
            put_cut(*line)


class RowText:
    """Rows as lines, told one by one in order.

    Args:
        rows: those that are known beforehand, to align the columns; none where they come one by one.
    """

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self._event_width = max((len(row.event) for row in rows), default=18)
        self._operation_width = min(28, max((len(row.operation) for row in rows), default=16))
        self._digits = len(str(len(rows))) if rows else 3
        self._turn = 0
        self._day = ""

    def lines(self, row: Row, *, is_wide: bool) -> Iterator[list[Piece]]:
        """The lines of the next row: one where it is wide, two where it is not; the date above where it changes."""
        is_new = row.turn != self._turn
        if is_new:
            today = day_text(row.stamped_at_us)
            if self._day and today != self._day:
                yield [(f"{'':>{self._digits}}  {today}", "dim")]
            self._turn, self._day = row.turn, today
        time = clock_text(row.stamped_at_us) if is_new else " " * 12
        number: Piece = (f"{row.number:>{self._digits}}  ", "dim")
        site: Piece = (f"{row.site}  " if row.site else "", "dim")
        if is_wide:
            name = (f"{row.event:<{self._event_width}}  ", row.tone)
            yield [number, (f"{time}  ", "dim"), name, f"{row.operation:<{self._operation_width}}  ", site, row.detail]
            return
        yield [number, (f"{time}  ", "dim"), (row.event, row.tone), f" {row.operation}"]
        if row.detail or row.site:
            yield [" " * (self._digits + 4), site, row.detail]


# --- what is waited for -----------------------------------------------------------------------------------------------


def waits_of(batches: Iterable[Batch]) -> list[tuple[e.Output, int]]:
    """The operations that have no answer yet, each with the time it was asked for (microseconds)."""
    waits: dict[str, tuple[e.Output, int]] = {}
    for batch in batches:
        for event in batch.events:
            match event:
                case e.ActivityScheduled() | e.ChildScheduled() | e.EventSent() | e.EventAwaited() | e.TimerStarted():
                    waits[event.path] = (event, batch.header.stamped_at_us)
                case e.EventReceived(name=name):
                    _answer(waits, name)
                case _ if event.is_terminal:
                    waits.clear()
                case _:
                    waits.pop(getattr(event, "path", ""), None)
    return list(waits.values())


def _answer(waits: dict[str, tuple[e.Output, int]], name: str) -> None:
    """The oldest wait for the event takes it."""
    for path, (event, _) in waits.items():
        if isinstance(event, e.EventAwaited) and event.name == name:
            del waits[path]
            return


def wait_text(event: e.Output) -> str:
    """What is waited for, in words."""
    match event:
        case e.ActivityScheduled():
            queue = event.options.task_queue
            said = f"activity {event.name}" + (f" on queue {queue}" if queue != "default" else "")
        case e.ChildScheduled():
            said = f"child workflow {event.instance_id}"
        case e.EventAwaited():
            until = "" if event.due_us is None else f" until {day_text(event.due_us)} {clock_text(event.due_us)}"
            said = f"event {event.name!r}{until}"
        case e.TimerStarted():
            said = f"{event.purpose} until {day_text(event.due_us)} {clock_text(event.due_us)}"
        case e.EventSent():
            said = f"acceptance of event {event.name!r} by {event.target}"
        case _:
            said = type(event).__name__
    return f"{said} ({event.site})" if event.site else said


def unserved(batches: Sequence[Batch], names: Iterable[str]) -> list[str]:
    """The activities that are waited for and are not among `names`."""
    known = set(names)
    wanted = {event.name for event, _ in waits_of(batches) if isinstance(event, e.ActivityScheduled)}
    return sorted(wanted - known)
