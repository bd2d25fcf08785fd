"""`nexus destroy`: take away what is deployed. Data is kept unless it is asked for."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nexus_sdk.building.platform import Destroyed
from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption
from nexus_sdk.cli.deploying import NameOption, PlatformArgument, ProgramArgument, Request, StageOption, requested
from nexus_sdk.cli.mistakes import FAILED, Mistake, told


@told
def destroy(
    platform: PlatformArgument,
    program: ProgramArgument,
    name: NameOption = None,
    stage: StageOption = "dev",
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Erase all instances and their histories, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Take away what is deployed. Its data is kept unless --delete-data is said."""
    request = requested(platform, program, name, stage, None, None)
    deployment = request.platform.deployment(request.program, request.settings, None)
    if not yes:
        _confirm(request, deletes_data=delete_data)
    done = deployment.destroy(lambda line: output.say(line), deletes_data=delete_data)
    if json:
        said = {"title": done.title, "place": done.place, "was_there": done.was_there}
        output.put_json({**said, "kept": list(done.kept), "erased": list(done.erased)})
    else:
        _put(done, request)


def _confirm(request: Request, *, deletes_data: bool) -> None:
    """Ask, where somebody is there to answer.

    Raises:
        Mistake: nobody is.
        typer.Exit: the answer is no.
    """
    if not _is_asked():
        raise Mistake("Nobody is there to be asked, and nothing was destroyed.", hint="Say --yes.")
    what = f"{request.settings.title} on {request.platform.title}"
    question = f"Destroy {what}, and erase all its data for good?" if deletes_data else f"Destroy {what}?"
    if not typer.confirm(question, err=True):
        output.say("Nothing was destroyed.")
        raise typer.Exit(FAILED)


def _is_asked() -> bool:
    """Whether somebody is there."""
    return sys.stdin.isatty()


def _put(done: Destroyed, request: Request) -> None:
    output.put(f"{done.title} ({done.place}) {'is destroyed' if done.was_there else 'was not there'}.")
    for one in done.erased:
        output.put(f"  erased: {one}")
    for one in done.kept:
        output.put(f"  kept:   {one}")
    if done.kept:
        output.say(f"It is found again by: {request.command('deploy')}")
        output.say(f"To erase it: {request.command('destroy', '--delete-data')}")
