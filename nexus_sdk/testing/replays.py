"""Replaying recorded histories in a test: does today's code still do what it did when they were recorded?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.client.history import History
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidArgument, NonDeterminismError
from nexus_sdk.replay.explanation import explain
from nexus_sdk.replay.player import identity_of, play, replay
from nexus_sdk.replay.recorded import RecordedRun, read_recording, run_of_batches, run_of_events

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
        history: what `handle.history()` returns, its events, or the path of an exported file, all runs of which are
            replayed.
        run: only this run of a file. For a history that is no file: the run's number, for code that looks at
            `ctx.run`; by default 1, or 2 for a run that continues another.
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
    for recorded in _runs_of(history, run):
        if recorded.created.workflow != workflow.name:
            raise InvalidArgument(
                f"this is a history of workflow {recorded.created.workflow!r}, not of {workflow.name!r}.",
                hint="An instance belongs to the name it was started with. Is it the right file, or was it renamed?",
            )
        if strict and not recorded.has_turns:
            raise InvalidArgument(
                "strict=True needs a history with its batches: events alone do not say when their turns were.",
                hint="Pass on what handle.history() returned, or the exported file.",
            )
        _replay(workflow, recorded, codec or _default_codec(), is_strict=strict)


def _replay(workflow: Workflow[Any, Any], recorded: RecordedRun, codec: Codec, *, is_strict: bool) -> None:
    try:
        replay(workflow, recorded.batches, identity_of(recorded), codec, is_strict=is_strict)
    except NonDeterminismError as error:
        played = play(workflow, recorded, codec)
        if isinstance(played.error, NonDeterminismError):
            lines = explain(workflow, played, codec).lines()
            raise NonDeterminismError(error.message, hint="\n".join(["", *lines])) from None
        raise  # only the strict one looks at what differs


def _default_codec() -> Codec:
    from nexus_sdk.codec.values import MsgpackCodec

    return MsgpackCodec()


def _runs_of(history: Recorded, number: int | None) -> Sequence[RecordedRun]:
    if isinstance(history, str | os.PathLike):
        recording = read_recording(history)
        if number is not None and len(recording.runs) == 1:
            return [replace(recording.runs[0], number=number)]
        return recording.runs if number is None else [recording.run(number)]
    if not isinstance(history, Iterable):
        raise InvalidArgument(
            f"assert_replays takes a history, its events, or the path of an exported one, got {shown(history)}.",
            hint="await handle.history(), or a file made by: nexus history ID --json",
        )
    found = list(history.batches if isinstance(history, History) else history)
    batches = [one for one in found if isinstance(one, Batch)]
    events = [one for one in found if isinstance(one, e.Event)]
    if len(found) not in (len(batches), len(events)):
        raise InvalidArgument("assert_replays takes events or batches, and this sequence has something else in it.")
    run = run_of_batches(batches) if batches or not events else run_of_events(events)
    return [run if number is None else replace(run, number=number)]
