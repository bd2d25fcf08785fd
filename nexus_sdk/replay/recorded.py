"""Recorded histories as files: what ``nexus history ID --json`` prints, and what reads it.

    {"format": "nexus-history/1", "exported_by": …, "instance": …, "workflow": …, "version": …,
     "runs": [{"run": 1, "run_id": …, "batches": [batch, …]}, …]}

The one rule: what any released version exported, every later version reads. Each batch carries its exact bytes in
`wire`, with its own number of the wire form; everything else is a view, for people and scripts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus_sdk.codec import wire
from nexus_sdk.codec.wire_json import batch_from_json, batch_to_json
from nexus_sdk.core import events as e
from nexus_sdk.core.events import Event
from nexus_sdk.core.history import Batch, BatchHeader, value_bytes_of
from nexus_sdk.core.payload import Codec
from nexus_sdk.engine.apart import whole_batches
from nexus_sdk.errors import HistoryCorruptedError, InvalidArgument
from nexus_sdk.store.port import Store

FORMAT = "nexus-history/1"
"""The form that this version writes."""

START_US = 1_800_000_000_000_000
"""The time of events that came without their turns: 2027-01-15 08:00 UTC."""

_EXPORT = "Export it with: nexus history ID --json > history.json"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of an instance.

    Attributes:
        number: its display number, `ctx.run`.
        stored: the bytes of each batch, exactly as they were stored; empty where they are not at hand.
    """

    number: int
    batches: tuple[Batch, ...]
    stored: tuple[bytes, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        """Its events, in order."""
        return tuple(event for batch in self.batches for event in batch.events)

    @property
    def created(self) -> e.WorkflowCreated:
        """How it began."""
        first = self.batches[0].events[0] if self.batches and self.batches[0].events else None
        if not isinstance(first, e.WorkflowCreated):
            raise HistoryCorruptedError(
                "the history does not begin with WorkflowCreated.", hint="Give it whole: one run, from its first event."
            )
        return first

    @property
    def header(self) -> BatchHeader:
        """The header of its first batch."""
        return self.batches[0].header

    @property
    def has_turns(self) -> bool:
        """Whether it is known which events belong to one turn, and when that was."""
        return all(batch.hash for batch in self.batches)


@dataclass(frozen=True, slots=True)
class Recording:
    """The runs of one instance, the oldest first."""

    runs: tuple[RecordedRun, ...]

    @property
    def instance_id(self) -> str:
        """The instance's id."""
        return self.runs[-1].header.instance_id

    def run(self, number: int | None = None) -> RecordedRun:
        """The run of this number; the last by default.

        Raises:
            InvalidArgument: it is not in here.
        """
        if number is None:
            return self.runs[-1]
        for run in self.runs:
            if run.number == number:
                return run
        known = ", ".join(str(run.number) for run in self.runs)
        raise InvalidArgument(
            f"there is no run {number} in this history of {self.instance_id}.", hint=f"It has: {known}."
        )


# --- from a store -----------------------------------------------------------------------------------------------------


async def load_recording(store: Store, instance_id: str) -> Recording:
    """All runs of an instance that the store has, with all their payloads. Nothing is changed.

    Raises:
        InstanceNotFound: no such instance.
        HistoryCorruptedError: what is stored was altered.
    """
    loaded = await store.load(instance_id)
    number, last_hash = loaded.record.run, loaded.record.last_hash
    runs: list[RecordedRun] = []
    while loaded.batches:
        stored = [batch.data for batch in await whole_batches(store, instance_id, loaded.batches, every=True)]
        batches = tuple(wire.decode_batch(data) for data in stored)
        wire.verify(batches, last_hash=None if runs else last_hash)
        run = RecordedRun(number, batches, tuple(stored))
        runs.insert(0, run)
        previous, number = run.created.previous_run_id, number - 1
        if previous is None or number < 1:
            break
        loaded = await store.load(instance_id, run_id=previous)
    return Recording(tuple(runs))


# --- as JSON ----------------------------------------------------------------------------------------------------------


def recording_to_text(
    recording: Recording, dump: Callable[[Any], str] = json.dumps, *, codec: Codec | None = None
) -> str:
    """The text of an exported history: JSON with a line for each batch.

    Args:
        dump: one JSON value to one line.
        codec: what shows the values, bound to the instance. The exact bytes stay as they are: encrypted, say.
    """
    import nexus_sdk

    created = recording.runs[-1].created
    head = {
        "format": FORMAT,
        "exported_by": f"nexus-sdk {nexus_sdk.__version__}",
        "instance": recording.instance_id,
        "workflow": created.workflow,
        "version": created.version,
    }
    runs = [
        f'{{"run": {run.number}, "run_id": {dump(run.header.run_id)}, "batches": [\n'
        + ",\n".join(dump(batch_to_json(batch, data=data, codec=codec)) for batch, data in _with_bytes(run))
        + "\n]}"
        for run in recording.runs
    ]
    return dump(head)[:-1] + ', "runs": [\n' + ",\n".join(runs) + "\n]}"


def recording_from_json(exported: Any, *, where: str = "this") -> Recording:
    """The recording that was exported; checked down to the hash of each batch. A bare list of batches is one run.

    Args:
        where: what to call it in messages.

    Raises:
        HistoryCorruptedError: it is no exported history, was changed, or has a form that this version does not know.
    """
    if isinstance(exported, list):
        return Recording((_run_from_json(exported, None, where),))
    if not isinstance(exported, Mapping):
        raise HistoryCorruptedError(f"{where} is not an exported history.", hint=_EXPORT)
    form = exported.get("format")
    if form != FORMAT:
        raise HistoryCorruptedError(
            f"{where} is not an exported history that this version knows: its format is {str(form)[:60]!r}, "
            f"not {FORMAT!r}.",
            hint=f"If it comes from a newer version, upgrade: pip install --upgrade nexus-sdk. Otherwise: {_EXPORT}",
        )
    runs = exported.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(run, Mapping) for run in runs):
        raise HistoryCorruptedError(f"{where} is not an exported history: it has no runs.", hint=_EXPORT)
    return Recording(tuple(_run_from_json(run.get("batches"), run.get("run"), where) for run in runs))


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """The recording of a file.

    Raises:
        InvalidArgument: there is no such file.
        HistoryCorruptedError: as `recording_from_json`.
    """
    name = repr(str(path))
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"there is no history to read at {name}: {error.strerror}.", hint=_EXPORT) from None
    except ValueError as error:
        raise HistoryCorruptedError(f"{name} is not JSON: {error}.", hint=_EXPORT) from None
    return recording_from_text(text, where=name)


def recording_from_text(text: str, *, where: str = "this") -> Recording:
    """The recording of an exported text; raises as `recording_from_json`."""
    try:
        exported = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HistoryCorruptedError(f"{where} is not JSON: {error}.", hint=_EXPORT) from None
    return recording_from_json(exported, where=where)


def _with_bytes(run: RecordedRun) -> Sequence[tuple[Batch, bytes | None]]:
    stored: Sequence[bytes | None] = run.stored or [None] * len(run.batches)
    return list(zip(run.batches, stored, strict=True))


def _run_from_json(exported: Any, number: Any, where: str) -> RecordedRun:
    if not isinstance(exported, list) or not all(isinstance(one, Mapping) for one in exported):
        raise HistoryCorruptedError(f"{where} is not an exported history: a list of batches.", hint=_EXPORT)
    batches = tuple(batch_from_json(one) for one in exported)
    wire.verify(batches)
    likely = _likely_number(RecordedRun(1, batches).created)
    return RecordedRun(number if type(number) is int else likely, batches)


def _likely_number(created: e.WorkflowCreated) -> int:
    """The display number of a run that came without one."""
    return 1 if created.origin == "start" else 2


# --- from what is at hand ---------------------------------------------------------------------------------------------


def run_of_batches(batches: Sequence[Batch]) -> RecordedRun:
    """The run of these batches."""
    return RecordedRun(_likely_number(RecordedRun(1, tuple(batches)).created), tuple(batches))


def run_of_events(events: Sequence[Event]) -> RecordedRun:
    """A run of events without their batches: what came in, and what the code did of it, is one turn.

    So it was unless several things came in at once; and that makes a difference only to what a saga cancelled in the
    very turn in which it was begun.
    """
    turns: list[list[Event]] = []
    for event in events:
        if event.is_input or not turns:
            turns.append([])
        turns[-1].append(event)
    return run_of_batches(
        [
            Batch(
                BatchHeader("replayed", "replayed", number, "", (), START_US),
                tuple(turn),
                b"",
                b"",
                value_bytes_of(turn),
            )
            for number, turn in enumerate(turns, start=1)
        ]
    )
