"""What the commands that build and deploy have in common: options, and from these to a program and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nexus_sdk.building.platform import Change, Platform, find_platform
from nexus_sdk.building.program import Program, program_in
from nexus_sdk.building.settings import Settings, settings_of
from nexus_sdk.cli import output
from nexus_sdk.cli.loading import find_app, load_module

PlatformArgument = Annotated[str, typer.Argument(metavar="PLATFORM", help="Where it will run: aws.")]
ProgramArgument = Annotated[str, typer.Argument(metavar="MODULE[:APP]", help="The app.")]
NameOption = Annotated[
    str | None, typer.Option("--name", help="What it is called; by default as pyproject.toml or the module says.")
]
StageOption = Annotated[str, typer.Option("--stage", help="Which one of its deployments: dev, prod.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A variable of its environment; repeat it.")
]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="A setting of the platform; repeat it.")
]


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed, understood."""

    platform: Platform
    program: Program
    settings: Settings

    def command(self, verb: str, *words: str) -> str:
        """A command about the same deployment, as it is typed."""
        own = [] if self.settings.name == self.program.name else ["--name", self.settings.name]
        stage = [] if self.settings.stage == "dev" else ["--stage", self.settings.stage]
        return " ".join(["nexus", verb, self.platform.name, self.program.spec, *own, *stage, *words])


def requested(
    platform: str,
    program: str,
    name: str | None,
    stage: str,
    variables: list[str] | None,
    options: list[str] | None,
) -> Request:
    """From what was typed to a platform, a program and settings.

    Raises:
        Mistake: there is no such app.
        BuildError: it cannot be built, or a setting makes no sense.
    """
    found = find_platform(platform)
    app = find_app(program, None)
    packed = program_in(load_module(_module_of(program)), app)
    settings = settings_of(
        packed, found.name, found.settings, name=name, stage=stage, options=options or (), variables=variables or ()
    )
    return Request(found, packed, settings)


def put_changes(changes: list[Change]) -> None:
    """A table of changes, on stdout."""
    rows = [[change.action, change.name, change.kind, ", ".join(change.what)] for change in changes]
    output.put_table(["", "resource", "kind", "what changes"], rows, optional=["kind"])


def size_text(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _module_of(spec: str) -> str:
    head, separator, _ = spec.rpartition(":")
    return head if separator else spec
