"""`nexus deploy`: build a program, look at what would change, and change it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from nexus_sdk.building.platform import Deployed, Plan
from nexus_sdk.building.rehearsal import rehearse
from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption
from nexus_sdk.cli.commands.build import built
from nexus_sdk.cli.deploying import (
    NameOption,
    OptionOption,
    PlatformArgument,
    ProgramArgument,
    Request,
    SetOption,
    StageOption,
    put_changes,
    requested,
    size_text,
)
from nexus_sdk.cli.mistakes import told


@told
def deploy(
    platform: PlatformArgument,
    program: ProgramArgument,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change.")] = False,
    name: NameOption = None,
    stage: StageOption = "dev",
    variables: SetOption = None,
    options: OptionOption = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not try the new code on the instances that run.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Deploy an app, or bring what is deployed up to date."""
    request = requested(platform, program, name, stage, variables, options)
    # Who may not deploy, and what would do harm, is found out before anything is built.
    store_url = request.platform.deployment(request.program, request.settings, None).store_url()
    if store_url is not None and not plan and not unchecked:
        _try_on_running(store_url, request)
    with tempfile.TemporaryDirectory(prefix="nexus-deploy-") as folder:
        archive = built(request, Path(folder))
        output.say(f"Built {size_text(archive.packed_bytes)}.")
        deployment = request.platform.deployment(request.program, request.settings, archive)
        if plan:
            _put_plan(deployment.plan(), request, is_json=json)
            return
        done = deployment.apply(lambda line: output.say(line))
    _put_deployed(done, request, is_json=json)


def _try_on_running(store_url: str, request: Request) -> None:
    """Replay what runs with the new code."""
    tried = rehearse(request.program.app, store_url)
    if tried.number:
        who = "1 instance that runs goes" if tried.number == 1 else f"{tried.number} instances that run go"
        output.say(f"{who} on with this code.")
    if tried.is_cut:
        output.say("There are more; only the newest were tried.")


def _put_plan(plan: Plan, request: Request, *, is_json: bool) -> None:
    if is_json:
        said = {"title": plan.title, "place": plan.place, "is_new": plan.is_new}
        output.put_json({**said, "changes": [change.as_json() for change in plan.changes]})
        return
    if not plan.changes:
        output.put(f"{plan.title} ({plan.place}): nothing would change.")
        return
    count = len(plan.changes)
    resources = "1 resource" if count == 1 else f"{count} resources"
    what = f"would be created, with {resources}" if plan.is_new else f"{resources} would change"
    output.put(f"{plan.title} ({plan.place}): {what}")
    put_changes(list(plan.changes))
    output.say(f"Next: {request.command('deploy')}")


def _put_deployed(done: Deployed, request: Request, *, is_json: bool) -> None:
    if is_json:
        said = {"title": done.title, "place": done.place, "url": done.url or None, "store": done.store}
        output.put_json({**said, "outputs": dict(done.outputs)})
        return
    output.put(f"{done.title} is deployed ({done.place}).")
    if done.url:
        output.put(f"URL    {done.url}")
    output.put(f"store  {done.store}")
    example = request.program.example
    given = f" --input '{example.input}'" if example.input else ""
    output.say(f"Next: nexus start {request.program.module}:{example.workflow}{given} --store '{done.store}' --wait")
    if done.request:
        output.say(f"or:   {done.request}")
