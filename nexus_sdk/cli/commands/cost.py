"""`nexus cost estimate`: what a run costs on a cloud, counted, beside what else there is for the same work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from nexus_sdk.authoring.registry import near
from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, ask, checked
from nexus_sdk.cli.commands.run import InputOption, WorkflowArgument
from nexus_sdk.cli.costs import estimate_to_json, put_estimate
from nexus_sdk.cli.inputs import bind, read_json
from nexus_sdk.cli.loading import Target, find_workflow
from nexus_sdk.cli.mistakes import FAILED, Mistake, tell, told
from nexus_sdk.client.client import Client
from nexus_sdk.core import events as e
from nexus_sdk.core.shown import shown
from nexus_sdk.core.status import Status
from nexus_sdk.costing.answers import Answers, Arrival, RecordedAnswers, arrivals_in
from nexus_sdk.costing.estimate import Assumptions, Estimate, find_cloud
from nexus_sdk.costing.prices import with_prices_of
from nexus_sdk.costing.rehearsal import Case
from nexus_sdk.errors import InstanceNotFound, NexusError, NothingIsDue
from nexus_sdk.replay.recorded import Recording, load_recording, read_recording

RUNS_PER_MONTH = 10_000
USUAL = Assumptions()

commands = typer.Typer(
    name="cost",
    help="Estimate what a workflow costs on a cloud, beside what else there is.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@commands.callback()
def cost() -> None:
    """Estimate what a workflow costs on a cloud, beside what else there is."""


@commands.command("estimate")
@told
def estimate(
    workflow: WorkflowArgument,
    input: InputOption = None,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="NAME[=JSON]", help="An event that comes; repeat it, in their order."),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option("--results", metavar="JSON", help="What activities return, by name: an object, @FILE or @-."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="FILE", help="Count a recorded run: made by `nexus history ID --json`."),
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Count the recorded run of an instance of the store.")] = None,
    run_activities: Annotated[
        bool, typer.Option("--run-activities", help="Run the activities themselves. They do what they do!")
    ] = False,
    per_month: Annotated[float, typer.Option("--per-month", min=0, help="So many runs a month.")] = RUNS_PER_MONTH,
    activity_ms: Annotated[
        float, typer.Option("--activity-ms", min=0, help="How long an activity takes, where nothing is recorded.")
    ] = USUAL.activity_ms,
    request_ms: Annotated[
        float, typer.Option("--request-ms", min=0, help="How long a service takes to answer.")
    ] = USUAL.request_ms,
    memory_mb: Annotated[
        int, typer.Option("--memory-mb", min=128, max=10_240, help="Memory of the function.")
    ] = USUAL.memory_mb,
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="How long a finished run is kept.")
    ] = USUAL.keep_days,
    prices: Annotated[
        str | None, typer.Option("--prices", metavar="FILE", help="Prices that replace those of the built-in table.")
    ] = None,
    on: Annotated[str, typer.Option("--on", metavar="CLOUD", help="Which cloud.")] = "aws",
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Count what a run asks of a cloud, and what that costs.

    The workflow runs here, on services in memory, with a fake clock. Activities are not run: they return what
    --results, or a recorded history, says, and otherwise a plain value of the type that they declare.
    """
    _check_typed(input, event, results, history, id, run_activities=run_activities)
    cloud = find_cloud(on)
    table = with_prices_of(cloud.prices, prices) if prices is not None else cloud.prices
    target = find_workflow(workflow, store, app)
    recordings = _recordings(target, history, id)
    if recordings:
        case = _recorded_case(target, recordings)
    else:
        answers = Answers(_given(target, results))
        arrivals = tuple(_arrival(text) for text in event or ())
        call = bind(target.workflow, input, target.app.codec)
        case = Case(target.app, call, answers, arrivals, runs_activities=run_activities)
    assumptions = Assumptions(activity_ms, request_ms, memory_mb=memory_mb, keep_days=keep_days)
    with redirect_stdout(sys.stderr):  # what the workflow prints is no part of the answer
        try:
            found = asyncio.run(cloud.estimate(case, assumptions))
        except NothingIsDue as error:
            raise _with_made_up(error, case) from None
    if not recordings and found.counted.status.status is not Status.COMPLETED:
        _tell_end(found, case, is_json=json)
        raise typer.Exit(FAILED)
    if json:
        output.put_json(estimate_to_json(found, table, per_month, case))
    else:
        put_estimate(found, table, per_month, case)


# --- what was typed ---------------------------------------------------------------------------------------------------


def _check_typed(
    input: str | None,
    event: list[str] | None,
    results: str | None,
    history: str | None,
    id: str | None,
    *,
    run_activities: bool,
) -> None:
    if history is not None and id is not None:
        raise Mistake("--history and --id are two ways to name a recorded run.", hint="Choose one.")
    if (history is not None or id is not None) and (input or event or results or run_activities):
        raise Mistake(
            "A recorded run has its own input, events and results.",
            hint="Leave --input, --event, --results and --run-activities out.",
        )
    if run_activities and results is not None:
        raise Mistake("--run-activities runs them, --results says what they return.", hint="Choose one.")


def _given(target: Target, results: str | None) -> Mapping[str, Any]:
    """What activities return, by their names."""
    given = {} if results is None else read_json(results, "--results")
    if not isinstance(given, dict):
        raise Mistake(
            f"--results is an object, by the names of activities; got {shown(given)}.",
            hint='For example: --results \'{"charge": {"receipt": "r-1"}}\'',
        )
    known = target.app.registry.activities
    if unknown := [name for name in given if name not in known]:
        raise Mistake(f"--results: there is no activity {unknown[0]!r}.", hint=near(unknown[0], known))
    return given


def _arrival(text: str) -> Arrival:
    name, separator, payload = text.partition("=")
    if not name:
        raise Mistake(f"--event {text!r} has no name.", hint="For example: --event approved=true")
    return Arrival(name, read_json(payload, f"--event {name}") if separator else None)


# --- recorded runs ----------------------------------------------------------------------------------------------------


def _recordings(target: Target, history: str | None, id: str | None) -> list[Recording]:
    """The recorded run and, as far as the store has them, its children; the first is the one that is meant."""
    if history is not None:
        found = [read_recording(history)]
    elif id is not None:
        found = ask(checked(target.app, may_make=False), lambda client: _with_children(client, id))
    else:
        return []
    last = found[0].runs[-1]
    created = found[0].runs[0].created
    if created.workflow != target.workflow.name:
        raise Mistake(
            f"This is a history of workflow {created.workflow!r}, not of {target.workflow.name!r}.",
            hint=f"Name that one: …:{created.workflow}.",
        )
    if not last.events or not last.events[-1].is_terminal:
        raise Mistake(
            f"{found[0].instance_id} has not ended: what it will still cost is not known.",
            hint="Take an instance that has ended, or leave the history out and say what comes: --event, --results.",
        )
    return found


async def _with_children(client: Client, id: str) -> list[Recording]:
    found = [await load_recording(client.store, id)]
    for recording in found:  # it grows while it is gone through
        for run in recording.runs:
            for event in run.events:
                if isinstance(event, e.ChildScheduled):
                    try:
                        found.append(await load_recording(client.store, event.instance_id))
                    except InstanceNotFound:  # purged since: its activities get made-up results
                        continue
    return found


def _recorded_case(target: Target, recordings: list[Recording]) -> Case:
    codec, first = target.app.codec, recordings[0]
    recorded = first.runs[0].created.arguments
    decoded = codec.bound_to(first.instance_id).decode(recorded) or {}
    args, kwargs = target.workflow.signature.unbind(decoded, codec)
    answers = Answers(recorded=[RecordedAnswers(each, codec) for each in recordings])
    call = target.workflow(*args, **kwargs)
    return Case(target.app, call, answers, tuple(arrivals_in(first, codec)), first.instance_id)


# --- when it does not end well ----------------------------------------------------------------------------------------


def _made_up_hint(case: Case) -> str:
    if not case.answers.made_up:
        return ""
    said = ", ".join(f"{name} returned {shown(value)}" for name, value in list(case.answers.made_up.items())[:3])
    return f"What activities return was made up: {said}. Say it: --results, or --history of a recorded run."


def _with_made_up(error: NothingIsDue, case: Case) -> NexusError:
    return NothingIsDue(error.message, hint=" ".join(filter(None, (error.hint, _made_up_hint(case)))))


def _tell_end(found: Estimate, case: Case, *, is_json: bool) -> None:
    """The run did not complete: what a run costs that does is not known."""
    status = found.counted.status
    said = "" if status.failure is None else f": {status.failure.type}: {status.failure.message}"
    error = NothingIsDue(
        f"the run that was to be counted is {status.status}{said}.",
        hint=_made_up_hint(case) or "Run it with `nexus run` first.",
    )
    tell(error, is_json=is_json)
