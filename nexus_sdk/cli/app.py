"""The commands, gathered. The one rule: a command is a thin sentence over the client; no behaviour lives here.

The table names each command's module, which is imported when the command is typed: `nexus --help` imports none.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

import nexus_sdk
from nexus_sdk.cli.mistakes import FAILED, USAGE, Mistake, tell

SETTINGS: Mapping[str, Any] = {
    "pretty_exceptions_enable": False,
    # Plain help: it reads the same on a narrow terminal, in a pipe and in a log.
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: ``module:function`` under `nexus_sdk.cli.commands`, and the first sentence of its docstring."""

    place: str
    summary: str


COMMANDS: Mapping[str, Entry] = {
    "run": Entry("run:run", "Run a workflow to its end, here, with an embedded worker."),
    "worker": Entry("worker:worker", "Serve workflows and activities until told to stop."),
    "dev": Entry("dev:dev", "Serve as worker does, and reload the code when it changes."),
    "start": Entry("run:start", "Start a workflow and leave it to workers."),
    "list": Entry("listing:list_instances", "List instances, the newest first."),
    "show": Entry("look:show", "Show an instance: status, result, what it waits for."),
    "history": Entry("history:history", "Draw what happened to an instance, over time."),
    "event": Entry("tell:event", "Send an event to an instance."),
    "query": Entry("look:query", "Ask a query handler of the workflow."),
    "cancel": Entry("tell:cancel", "Ask an instance to stop; it may clean up first."),
    "terminate": Entry("tell:terminate", "End an instance; its code has no say."),
    "suspend": Entry("tell:suspend", "Hold an instance until it is resumed."),
    "resume": Entry("tell:resume", "Let a suspended instance go on, or a blocked one try again."),
    "rewind": Entry("tell:rewind", "Retry a failed instance from its failed step."),
    "purge": Entry("purge:purge", "Erase finished instances with their histories."),
    "replay": Entry("replay:replay", "Replay a recorded history with this code."),
    "lint": Entry("lint:lint", "Find what would not replay in workflows and their helpers."),
    "doctor": Entry("doctor:doctor", "Look at versions, extras and the store, or verify stored histories."),
    "build": Entry("build:build", "Build what is deployed: a zip and a template."),
    "deploy": Entry("deploy:deploy", "Deploy an app, or bring what is deployed up to date."),
    "destroy": Entry("destroy:destroy", "Take away what is deployed."),
    "cost": Entry("cost:cost", "Estimate what a workflow costs on a cloud, beside what else there is."),
}


class _Loaded(Mapping[str, Any]):
    """The commands by name, each imported when it is first asked for."""

    def __init__(self) -> None:
        self._commands: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._commands:
            module, _, function = COMMANDS[name].place.partition(":")
            found = import_module(f"nexus_sdk.cli.commands.{module}")
            if hasattr(found, "commands"):  # it has some of its own, as in `nexus cost estimate`
                self._commands[name] = typer.main.get_group(found.commands)
            else:
                alone = typer.Typer(add_completion=False, **SETTINGS)
                alone.command(name)(getattr(found, function))
                self._commands[name] = typer.main.get_command(alone)
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(typer.core.TyperGroup):
    """The group of them. What was typed wrong is told like every other mistake."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Loaded()  # type: ignore[assignment]  # only read

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, as part of the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run what was typed and exit with its code."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(words, prog_name, complete_var, False, windows_expand_args, **extra)
        except _UsageError as error:
            if words:
                tell(_mistake(error), is_json="--json" in words)
            else:
                error.show()  # type: ignore[attr-defined]  # typed nothing: the help
            code = USAGE
        except typer.Abort:
            code = FAILED
        sys.exit(code)


_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # click's, of which typer may carry its own copy


def _mistake(error: Any) -> Mistake:
    """What click found wrong, as a mistake."""
    context = error.ctx
    command = context.command_path if context is not None else "nexus"
    hints = [f"See: {command} --help"]
    takes_id = context is not None and any(parameter.name == "id" for parameter in context.command.params)
    if takes_id and getattr(error, "option_name", None):
        hints.append(f"An id that begins with '-' stands after '--': {command} -- -x")
    return Mistake(error.format_message(), hint="\n".join(hints))


def _say_version(is_asked: bool) -> None:
    if is_asked:
        print(f"nexus-sdk {nexus_sdk.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="nexus",
    cls=Commands,
    help="NEXUS: durable execution for Python. Workflows that survive crashes.",
    no_args_is_help=True,
    **SETTINGS,
)


@app.callback()
def common(
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Log more: -v infos, -vv all.")] = 0,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say the version.")
    ] = False,
) -> None:
    """NEXUS: durable execution for Python. Workflows that survive crashes."""
    set_up_logs(verbose)


def set_up_logs(verbosity: int) -> None:
    """Send structlog's lines to stderr: warnings; from 1 on infos, from 2 on everything."""
    import structlog

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not _is_colourless()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=_Stderr()),  # type: ignore[arg-type]  # all that it uses
        cache_logger_on_first_use=False,
    )


def _is_colourless() -> bool:
    return bool(os.environ.get("NO_COLOR"))


class _Stderr:
    """Whatever stderr is when a line is written: the live line puts itself in its place."""

    def write(self, text: str) -> Any:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def set_up_streams() -> None:
    """Make stdout and stderr take whatever is written to them."""
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started it
        nowhere = open(os.devnull, "w")  # noqa: SIM115  # for as long as the process lives
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a strange name must not end a command


def run() -> None:
    """Run the command line of this process."""
    set_up_streams()
    try:
        try:
            app(prog_name="nexus")
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"The output cannot be written: {error.strerror}.", file=sys.stderr)
        sys.stderr.flush()
        os._exit(FAILED)  # what is left in the buffer of stdout would fail again
