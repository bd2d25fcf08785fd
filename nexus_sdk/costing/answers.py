"""What activities answer in a run that is only counted: nothing is charged, sent or deleted for an estimate.

In this order: what a recorded history says; what was given; a value of the type that the activity declares. The one
rule: whose answer was made up is known afterwards, and said.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_args, get_origin
from uuid import UUID

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.errors import ApplicationError
from nexus_sdk.replay.recorded import Recording

TEXT = "a text that was made up"
"""What is answered where a text is wanted."""

DEPTH_MAX = 8
"""Types that hold types are followed this far."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt comes to: a value or an error, after so many seconds (None: as long as is assumed)."""

    value: Any = None
    error: BaseException | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event from outside. `after_us`: so long after the start; None: as soon as the run waits."""

    name: str
    payload: Any
    after_us: int | None = None


@dataclass
class Answers:
    """What activities answer.

    Attributes:
        given: results by the activity's name.
        recorded: what happened to the same instance, and to its children.
        made_up: the names of those whose result was neither given nor recorded, as they were asked.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    recorded: Sequence[RecordedAnswers] = ()
    made_up: dict[str, Any] = field(default_factory=dict)

    def of(self, activity: Activity[Any, Any] | None, request: ActivityRequest) -> Answer:
        """What this attempt of it comes to."""
        for recorded in self.recorded:
            if (answer := recorded.of(request)) is not None:
                return answer
        if request.name in self.given:
            return Answer(self.given[request.name])
        value = value_of_type(activity.signature.result_type) if activity is not None else None
        self.made_up[request.name] = value
        return Answer(value)


# --- recorded ---------------------------------------------------------------------------------------------------------


class RecordedAnswers:
    """The outcomes in the history of one instance, by run and operation."""

    def __init__(self, recording: Recording, codec: Codec) -> None:
        self.instance_id = recording.instance_id
        self._codec = codec.bound_to(self.instance_id)
        self._runs = [outcomes for run in recording.runs if (outcomes := _outcomes_of(run.batches))]
        self._met: list[str] = []

    def of(self, request: ActivityRequest) -> Answer | None:
        """What is recorded of this attempt; None: nothing."""
        if request.instance_id != self.instance_id:
            return None
        if request.run_id not in self._met:
            self._met.append(request.run_id)
        index = self._met.index(request.run_id)
        found = self._runs[index].get(request.path) if index < len(self._runs) else None
        if found is None:
            return None
        outcome, seconds = found
        number = len(request.failures)
        failures = getattr(outcome, "failures", ())
        if number < len(failures):
            return Answer(error=raised_again(failures[number]))
        match outcome:
            case e.ActivityCompleted(result=result):
                return Answer(self._codec.decode(result), seconds=None if failures else seconds)
            case e.ActivityFailed(failure=failure):
                return Answer(error=raised_again(failure), seconds=None if failures else seconds)
            case _:
                return None


def arrivals_in(recording: Recording, codec: Codec) -> list[Arrival]:
    """The events that an instance got, and when after its start."""
    codec = codec.bound_to(recording.instance_id)
    began_us = recording.runs[0].header.stamped_at_us
    return [
        Arrival(event.name, codec.decode(event.payload), batch.header.stamped_at_us - began_us)
        for run in recording.runs
        for batch in run.batches
        for event in batch.events
        if isinstance(event, e.EventReceived)
    ]


def raised_again(failure: Failure) -> BaseException:
    """An exception that is recorded as this failure was, and caught by the same names."""
    if any(name.endswith(":ApplicationError") for name in failure.lineage) or not failure.lineage:
        return ApplicationError(failure.message, type=failure.type, retryable=failure.retryable)
    kind: type[BaseException] = Exception
    for name in reversed(failure.lineage):
        module, _, qualname = name.partition(":")
        if qualname not in ("BaseException", "Exception"):
            bare = qualname.rpartition(".")[2]
            kind = type(bare, (kind,), {"__module__": module, "__qualname__": qualname})
    return kind(failure.message)


def _outcomes_of(batches: Sequence[Any]) -> dict[str, tuple[e.Event, float]]:
    """How each activity ended, and how long it took from its schedule on."""
    begun: dict[str, int] = {}
    outcomes: dict[str, tuple[e.Event, float]] = {}
    for batch in batches:
        at_us = batch.header.stamped_at_us
        for event in batch.events:
            if isinstance(event, e.ActivityScheduled):
                begun[event.path] = at_us
            elif isinstance(event, e.ActivityCompleted | e.ActivityFailed):
                outcomes[event.path] = event, (at_us - begun.get(event.path, at_us)) / 1_000_000
    return outcomes


# --- made up ----------------------------------------------------------------------------------------------------------

_PLAIN: Mapping[Any, Any] = {
    bool: True,
    int: 1,
    float: 1.0,
    str: TEXT,
    bytes: TEXT.encode(),
    Decimal: Decimal(1),
    UUID: UUID(int=1),
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    date: date(2026, 1, 1),
    time: time(12),
    timedelta: timedelta(seconds=1),
}


def value_of_type(kind: Any, depth: int = 0) -> Any:
    """A value that such an annotation accepts, as plain as can be; None where none is known.

    Collections have one item, records their required fields.
    """
    kind = getattr(kind, "__value__", kind)  # an alias
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, args = get_origin(kind) or kind, get_args(kind)
    if depth >= DEPTH_MAX:
        return None
    if origin is typing.Annotated:
        return value_of_type(args[0], depth + 1)
    if origin is typing.Literal:
        return args[0]
    if origin in (typing.Union, types.UnionType):
        return value_of_type(next((arg for arg in args if arg is not type(None)), None), depth + 1)
    if not isinstance(origin, type):
        return None
    if issubclass(origin, enum.Enum):
        return next(iter(origin), None)
    if issubclass(origin, tuple) and args and args[-1] is not Ellipsis:
        return tuple(value_of_type(arg, depth + 1) for arg in args)
    if issubclass(origin, list | tuple | set | frozenset | Sequence):
        item = value_of_type(args[0], depth + 1) if args else None
        return [] if item is None else [item]
    if issubclass(origin, dict | Mapping):
        return {value_of_type(args[0], depth + 1): value_of_type(args[1], depth + 1)} if len(args) == 2 else {}
    return _record(origin, depth)


def _record(kind: type, depth: int) -> Any:
    """The fields that a record cannot do without, as the codec would write it."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        required = [
            each.name
            for each in dataclasses.fields(kind)
            if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        ]
        return {name: value_of_type(hints[name], depth + 1) for name in required}
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, Mapping):
        return {name: value_of_type(each.annotation, depth + 1) for name, each in fields.items() if each.is_required()}
    return None
