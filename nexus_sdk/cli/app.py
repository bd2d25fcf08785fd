"""The commands, gathered. The one rule: a command is a thin sentence over the client; no behaviour lives here."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

import nexus_sdk
from nexus_sdk.cli.commands import doctor, look, tell, worker
from nexus_sdk.cli.commands import run as running
from nexus_sdk.cli.mistakes import FAILED

app = typer.Typer(
    name="nexus",
    help="NEXUS: durable execution for Python. Workflows that survive crashes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: it reads the same on a narrow terminal, in a pipe and in a log.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": running.run,
    "worker": worker.worker,
    "start": running.start,
    "list": look.list_instances,
    "show": look.show,
    "history": look.history,
    "event": tell.event,
    "query": look.query,
    "cancel": tell.cancel,
    "terminate": tell.terminate,
    "suspend": tell.suspend,
    "resume": tell.resume,
    "rewind": tell.rewind,
    "purge": tell.purge,
    "doctor": doctor.doctor,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        print(f"nexus-sdk {nexus_sdk.__version__}")
        raise typer.Exit


@app.callback()
def common(
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Log more: -v infos, -vv all.")] = 0,
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_say_version)] = False,
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


def run() -> None:
    """Run the command line of this process."""
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started it
        nowhere = open(os.devnull, "w")  # noqa: SIM115  # for as long as the process lives
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a strange name must not end a command
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
