"""`nexus build`: an artifact to deploy, and the template that describes what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nexus_sdk.building.archive import Archive
from nexus_sdk.building.build import build as build_archive
from nexus_sdk.cli import output
from nexus_sdk.cli.access import JsonOption
from nexus_sdk.cli.deploying import (
    NameOption,
    OptionOption,
    PlatformArgument,
    ProgramArgument,
    Request,
    SetOption,
    StageOption,
    requested,
    size_text,
)
from nexus_sdk.cli.mistakes import told

PARTS_SHOWN_MAX = 8
"""So many of the largest parts are shown."""


@told
def build(
    platform: PlatformArgument,
    program: ProgramArgument,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("dist"),
    name: NameOption = None,
    stage: StageOption = "dev",
    variables: SetOption = None,
    options: OptionOption = None,
    json: JsonOption = False,
) -> None:
    """Build what is deployed: a zip and a template."""
    request = requested(platform, program, name, stage, variables, options)
    archive = built(request, out)
    template = request.platform.write_template(request.program, request.settings, archive, out)
    if json:
        said = {
            "artifact": str(archive.path),
            "template": str(template),
            "digest": archive.digest,
            "packed_bytes": archive.packed_bytes,
            "unpacked_bytes": archive.unpacked_bytes,
            "parts": [part.as_json() for part in archive.parts],
        }
        output.put_json(said)
        return
    put_archive(archive)
    output.put(str(template))
    output.say(f"Next: {request.command('deploy')}")


def built(request: Request, folder: Path) -> Archive:
    """Build the artifact into a folder."""
    if not output.is_terminal():
        return _built(request, folder)
    output.say(f"Building {request.program.spec} for {request.platform.title} …", style="dim")
    return _built(request, folder)


def _built(request: Request, folder: Path) -> Archive:
    target = request.platform.target(request.settings)
    return build_archive(request.program, target, folder / f"{request.settings.name}.zip")


def put_archive(archive: Archive) -> None:
    """The artifact and its largest parts, on stdout."""
    output.put(f"{archive.path}  {size_text(archive.packed_bytes)}, unpacked {size_text(archive.unpacked_bytes)}")
    shown = archive.parts[:PARTS_SHOWN_MAX]
    width = max(len(part.name) for part in shown)
    for part in shown:
        output.put(f"  {part.name:<{width}}  {size_text(part.packed_bytes):>8}")
    if rest := archive.parts[PARTS_SHOWN_MAX:]:
        size = sum(part.packed_bytes for part in rest)
        output.put(f"  {f'and {len(rest)} more':<{width}}  {size_text(size):>8}")
