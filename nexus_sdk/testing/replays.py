"""Replaying recorded histories in a test: does today's code still do what it did when they were recorded?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.client.history import History
from nexus_sdk.codec import wire
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.codec.wire_json import batch_from_json
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.history import Batch, BatchHeader
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import HistoryCorruptedError, InvalidArgument
from nexus_sdk.runtimes.watchdog import ThreadWatchdog
from nexus_sdk.testing.clock import START_US

Recorded = History | Sequence[Batch] | Iterable[e.Event] | str | os.PathLike[str]
"""What holds a history: itself, its batches, its events, or the path of a file that `nexus history ID --json` made."""


def assert_replays(
    workflow: Workflow[Any, Any],
    history: Recorded,
    *,
    run: int | None = None,
    codec: Codec | None = None,
    strict: bool = False,
) -> None:
    """Replay a recorded history with this code. No activity runs, and no store is needed.

    Args:
        workflow: the code.
        history: of one run: what `handle.history()` returns, its events, or the path of an exported file.
        run: the run's number, for code that looks at `ctx.run`; by default 1, or 2 for a run that continues another.
        codec: how its values are encoded; msgpack by default.
        strict: compare what operations are given, too: arguments, payloads, deadlines.

    Raises:
        NonDeterminismError: the code does not do what the history says; it says what, where and how to mend it.
        BlockingError: the code broke another rule of workflows.
        PayloadError: a recorded value does not fit the code.
        HistoryCorruptedError: the file is not an exported history, or was changed.
        InvalidArgument: this is no workflow, or the history is another workflow's.
    """
    if not isinstance(workflow, Workflow):
        raise InvalidArgument(
            f"assert_replays takes what @workflow made, got {shown(workflow)}.", hint="assert_replays(fulfil, history)"
        )
    batches = _batches_of(history)
    first = batches[0].events[0] if batches and batches[0].events else None
    if not isinstance(first, e.WorkflowCreated):
        raise HistoryCorruptedError(
            "the history does not begin with WorkflowCreated.", hint="Give it whole: one run, from its first event."
        )
    if first.workflow != workflow.name:
        raise InvalidArgument(
            f"this is a history of workflow {first.workflow!r}, not of {workflow.name!r}.",
            hint="An instance belongs to the name it was started with. Is it the right file, or was it renamed?",
        )
    if strict and not all(batch.hash for batch in batches):
        raise InvalidArgument(
            "strict=True needs a history with its batches: events alone do not say when their turns were.",
            hint="Pass on what handle.history() returned, or the exported file.",
        )
    number = run if run is not None else 1 if first.origin == "start" else 2
    parent_id = first.parent.instance_id if first.parent is not None else None
    header = batches[0].header
    identity = Identity(header.instance_id, header.run_id, number, workflow.name, first.version, parent_id)
    replay(workflow, batches, identity, codec or _default_codec(), is_strict=strict)


def replay(
    workflow: Workflow[Any, Any], batches: Sequence[Batch], identity: Identity, codec: Codec, *, is_strict: bool
) -> None:
    """Run a workflow's code over a history; it raises as `Execution.replay` does."""
    bound = codec.bound_to(identity.instance_id)
    services = Services(bound, partial(failure_from, codec=bound), lambda: "")
    execution = Execution(workflow.program, identity, services)
    execution.ledger.is_strict = is_strict
    try:
        with watchdog().watching(identity.instance_id):
            execution.replay(batches)
    finally:
        execution.dispose()


@lru_cache
def watchdog(seconds: float = 10.0) -> ThreadWatchdog:
    """The watchdog of this patience: one for the process, because each has a thread."""
    return ThreadWatchdog(seconds)


def _default_codec() -> Codec:
    from nexus_sdk.codec.values import MsgpackCodec

    return MsgpackCodec()


# --- reading ----------------------------------------------------------------------------------------------------------


def _batches_of(history: Recorded) -> Sequence[Batch]:
    if isinstance(history, str | os.PathLike):
        return _verified(_exported(Path(history)))
    if isinstance(history, History):
        return history.batches
    if not isinstance(history, Iterable):
        raise InvalidArgument(
            f"assert_replays takes a history, its events, or the path of an exported one, got {shown(history)}.",
            hint="await handle.history(), or a file made by: nexus history ID --json",
        )
    found = list(history)
    batches = [one for one in found if isinstance(one, Batch)]
    events = [one for one in found if isinstance(one, e.Event)]
    if len(batches) == len(found):
        return batches
    if len(events) == len(found):
        return _as_batches(events)
    raise InvalidArgument("assert_replays takes events or batches, and this sequence has something else in it.")


def _exported(path: Path) -> list[Batch]:
    export = "Export it with: nexus history ID --json > history.json"
    try:
        exported = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgument(f"there is no history to read at {str(path)!r}: {error.strerror}.", hint=export) from None
    except ValueError as error:
        raise HistoryCorruptedError(f"{str(path)!r} is not JSON: {error}.", hint=export) from None
    if isinstance(exported, dict):
        exported = exported.get("batches")
    if not isinstance(exported, list) or not all(isinstance(one, dict) for one in exported):
        raise HistoryCorruptedError(f"{str(path)!r} is not an exported history: a list of batches.", hint=export)
    return [batch_from_json(one) for one in exported]


def _verified(batches: list[Batch]) -> list[Batch]:
    wire.verify(batches)
    return batches


def _as_batches(events: Sequence[e.Event]) -> list[Batch]:
    """Events without their batches: what came in, and what the code did of it, is one turn.

    So it was unless several things came in at once; and that makes a difference only to what a saga cancelled in the
    very turn in which it was begun.
    """
    turns: list[list[e.Event]] = []
    for event in events:
        if event.is_input or not turns:
            turns.append([])
        turns[-1].append(event)
    return [
        Batch(BatchHeader("replayed", "replayed", number, "", (), START_US), tuple(turn), b"", b"")
        for number, turn in enumerate(turns, start=1)
    ]
