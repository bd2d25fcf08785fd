"""Playing a recorded run: today's code over yesterday's record, with somebody looking on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.history import Batch
from nexus_sdk.core.mismatch import differing
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.program import Site
from nexus_sdk.errors import NexusError, PayloadError
from nexus_sdk.replay.recorded import RecordedRun
from nexus_sdk.replay.source import Place, files_of, frames_of, opening_of, place_named, place_of, where
from nexus_sdk.runtimes.watchdog import ThreadWatchdog


def identity_of(run: RecordedRun) -> Identity:
    """Whose run this is, as its code is told."""
    created, header = run.created, run.header
    parent_id = created.parent.instance_id if created.parent is not None else None
    return Identity(header.instance_id, header.run_id, run.number, created.workflow, created.version, parent_id)


def execution_of(workflow: Workflow[Any, Any], identity: Identity, codec: Codec) -> Execution:
    """A fresh execution. Whoever asks for it disposes of it.

    Args:
        codec: the app's, bound to nobody.
    """
    bound = codec.bound_to(identity.instance_id)
    return Execution(workflow.program, identity, Services(bound, partial(failure_from, codec=bound), lambda: ""))


def replay(
    workflow: Workflow[Any, Any], batches: Sequence[Batch], identity: Identity, codec: Codec, *, is_strict: bool
) -> None:
    """Run a workflow's code over a history; it raises as `Execution.replay` does."""
    execution = execution_of(workflow, identity, codec)
    execution.ledger.is_strict = is_strict
    try:
        watchdog().watch(identity.instance_id, execution.replay, batches)
    finally:
        execution.dispose()


@lru_cache
def watchdog(seconds: float = 10.0) -> ThreadWatchdog:
    """The watchdog of this patience: one for the process, because each has a thread."""
    return ThreadWatchdog(seconds)


# --- with somebody looking on -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Warned:
    """At this event the code does what is recorded, but gives it something else."""

    number: int
    place: Place | None
    text: str


@dataclass
class Played:
    """What came of playing a run.

    Attributes:
        reached: the number of the last event that the code came to.
        places: the source line that asked for an event, by the event's number.
        error: what stopped it; None when the code did all that is recorded.
    """

    run: RecordedRun
    reached: int = 0
    places: dict[int, Place] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    error: NexusError | None = None


def play(workflow: Workflow[Any, Any], run: RecordedRun, codec: Codec) -> Played:
    """Play a run from beginning to end, or to where code and record part."""
    played = Played(run)
    identity = identity_of(run)
    execution = execution_of(workflow, identity, codec)
    execution.ledger.watcher = PlaceWatcher(workflow, execution, played)
    try:
        watchdog().watch(identity.instance_id, execution.replay, run.batches)
        played.reached = len(run.events)
    except NexusError as error:
        played.error = error
    finally:
        execution.dispose()
    return played


class PlaceWatcher:
    """Notes which source line asked for which event, and what operations are given otherwise than recorded."""

    def __init__(self, workflow: Workflow[Any, Any], execution: Execution, played: Played) -> None:
        self._opening = opening_of(workflow.fn.__code__)
        self._files = files_of(workflow.fn)
        self._execution = execution
        self._played = played
        self._by_path: dict[str, Place] = {}
        self._marks: dict[tuple[type[e.Output], str], list[int]] = {}
        for number, event in enumerate(played.run.events, start=1):
            if isinstance(event, e.PatchDecided | e.CustomStatusSet):
                self._marks.setdefault((type(event), getattr(event, "change_id", "")), []).append(number)

    def arrived(self, number: int, event: e.Event) -> None:
        """See `Watcher.arrived`."""
        place = self._by_path.get(getattr(event, "path", ""))
        if isinstance(event, e.WorkflowCreated | e.WorkflowStarted):
            place = self._opening
        self._note(number, place)

    def applied(self, number: int, event: e.Event) -> None:
        """See `Watcher.applied`."""
        if number not in self._played.places and self._execution.ready:
            frames = frames_of(self._execution.ready[0][0].program)
            self._note(number, where(frames[-1]) if frames else None)

    def asked(self, number: int, recorded: e.Event, site: Site | None, outline: Callable[[], e.Output]) -> None:
        """See `Watcher.asked`."""
        place = place_of(site) or place_named(getattr(outline(), "site", ""), self._files)
        path = getattr(recorded, "path", "")
        if path and place is not None:
            self._by_path.setdefault(path, place)
        self._note(number, place)
        if text := self._given_otherwise(recorded, outline):
            self._played.warnings.append(Warned(number, place, text))

    def marked(self, kind: type[e.Output], key: str, site: Site | None) -> None:
        """See `Watcher.marked`."""
        numbers = self._marks.get((kind, key))
        if numbers:
            self._note(numbers.pop(0), place_of(site))

    def _note(self, number: int, place: Place | None) -> None:
        self._played.reached = max(self._played.reached, number)
        if place is not None:
            self._played.places[number] = place

    def _given_otherwise(self, recorded: e.Event, outline: Callable[[], e.Output]) -> str:
        from nexus_sdk.replay.given import told_otherwise

        codec = self._execution.services.codec
        try:
            asked = outline()
        except PayloadError as error:
            return f"what it is given now cannot be encoded: {error.message}"
        words = differing(recorded, asked, codec)
        return told_otherwise(recorded, asked, codec, words) if words else ""
