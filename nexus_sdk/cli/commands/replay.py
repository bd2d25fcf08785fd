"""`nexus replay`: today's code over a recorded history, without its store and without running any activity."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, ask, checked
from nexus_sdk.cli.loading import Target, find_workflow
from nexus_sdk.cli.mistakes import FAILED, Mistake, told
from nexus_sdk.cli.replayed import ReplayText, put_explanation, put_rows, put_standing, replay_to_json
from nexus_sdk.errors import NonDeterminismError
from nexus_sdk.replay.explanation import Explanation, explain
from nexus_sdk.replay.player import Played, play
from nexus_sdk.replay.recorded import RecordedRun, Recording, load_recording, read_recording, recording_from_text
from nexus_sdk.replay.standing import Standings


@told
def replay(
    target: Annotated[str, typer.Argument(metavar="MODULE:WORKFLOW", help="The code.")],
    history: Annotated[
        str | None, typer.Option("--history", metavar="FILE", help="Made by `nexus history ID --json`; - is stdin.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="An instance of the store, which is only read.")] = None,
    run: Annotated[int | None, typer.Option("--run", help="Which run of it; the last by default.")] = None,
    until: Annotated[int | None, typer.Option("--until", metavar="SEQ", help="Up to the event of this number.")] = None,
    step: Annotated[bool, typer.Option("--step", help="Go through it by keys, forward and back.")] = False,
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in pdb at the event of --until.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Replay a recorded history with this code. Exit code 1 when the code does not do what is recorded."""
    _check_typed(history, id, step=step, pdb=pdb, json=json)
    found = find_workflow(target, store, app)
    recording = _recording(found, history, id)
    chosen = recording.run(run)
    _check_meant(found, chosen, target)
    count = len(chosen.events)
    if until is not None and not 1 <= until <= count:
        raise Mistake(f"--until {until}: there is no such event.", hint=f"This run has the events 1 to {count:,}.")
    codec = found.app.codec
    if pdb:
        _debug(found, chosen, until)
        return
    with redirect_stdout(sys.stderr):  # what the workflow prints is no part of the answer
        played = play(found.workflow, chosen, codec)
        explanation = explain(found.workflow, played, codec) if isinstance(played.error, NonDeterminismError) else None
    if step:
        from nexus_sdk.cli.stepping import Stepper, step_through

        step_through(Stepper(found.workflow, recording, played, explanation, codec, at=until or 1))
        return
    if json:
        output.put_json(replay_to_json(recording, played, explanation, codec, until))
    else:
        _show(found, recording, played, explanation, until)
    if played.error is not None and (until is None or until > played.reached):
        raise typer.Exit(FAILED)


def _check_typed(history: str | None, id: str | None, *, step: bool, pdb: bool, json: bool) -> None:
    if (history is None) == (id is None):
        raise Mistake(
            "Which history?", hint="--history FILE, made by `nexus history ID --json`; or --id ID, of an instance here."
        )
    if step + pdb + json > 1:
        raise Mistake("--step, --pdb and --json are three ways to look at it.", hint="Choose one.")
    if history == "-" and (step or pdb):
        raise Mistake("With --step and --pdb stdin is for keys.", hint="Name a file: --history FILE")


def _recording(found: Target, history: str | None, id: str | None) -> Recording:
    if history == "-":
        return recording_from_text(sys.stdin.read(), where="stdin")
    if history is not None:
        return read_recording(history)
    return ask(checked(found.app, may_make=False), lambda client: load_recording(client.store, str(id)))


def _check_meant(found: Target, run: RecordedRun, target: str) -> None:
    """Refuse another workflow's history; say it where the version is another one."""
    created, workflow = run.created, found.workflow
    if created.workflow != workflow.name:
        served = {name for name, _ in found.app.registry.workflows}
        module = target.rpartition(":")[0] or target
        raise Mistake(
            f"This is a history of workflow {created.workflow!r}, not of {workflow.name!r}.",
            hint=f"Name that one: {module}:{created.workflow}."
            if created.workflow in served
            else "Is it the right file?",
        )
    if created.version != workflow.version:
        meant = found.app.registry.workflow(created.workflow, created.version)
        other = f"; the app serves that one as {meant.__module__}:{meant.__name__}" if meant is not None else ""
        output.say(
            ("note  ", "yellow"),
            f"recorded with version {created.version} of {workflow.name!r}, replayed with version {workflow.version}"
            f"{other}",
        )


def _debug(found: Target, run: RecordedRun, until: int | None) -> None:
    from nexus_sdk.replay.debugger import debug

    codec = found.app.codec
    if until is None:  # where code and history part, if they do
        played = play(found.workflow, run, codec)
        until = played.reached if played.error is not None else 1
    output.say(
        (f"event {until:,} of {len(run.events):,}", "bold"), ("  n next line · c go on · q quit · h help", "dim")
    )
    has_stopped, error = debug(found.workflow, run, codec, until)
    if error is not None:
        raise error
    if not has_stopped:
        output.say(f"The code never stands at event {until:,}: it has ended by then, or has not begun.")


def _show(
    found: Target, recording: Recording, played: Played, explanation: Explanation | None, until: int | None
) -> None:
    codec = found.app.codec
    text = ReplayText(recording, played, codec)
    output.put_cut(*text.head())
    put_rows(text, until)
    if until is not None and until <= played.reached:
        put_standing(Standings(found.workflow, played.run, codec).at(until), played.places.get(until))
        return
    output.put("")
    for line in text.verdict():
        output.put(*line)
    if explanation is not None:
        put_explanation(explanation)
