"""A user's mistake on the command line, and how any error is told. The one rule: nobody sees a traceback of ours.

Errors go to stderr, as words or (with --json) as one JSON object; stdout has the answer or nothing. Exit codes: 1 when
the thing failed, which includes what an instance's status does not allow; 2 for what was typed or defined.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer

from nexus_sdk.cli import output
from nexus_sdk.errors import (
    BlockingError,
    BuildError,
    DefinitionError,
    InvalidArgument,
    NexusError,
    PayloadError,
    ProviderMissing,
    UsageError,
    WorkflowEnded,
    WrongStatus,
)

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 1
USAGE = 2

_USAGE_ERRORS = (BuildError, DefinitionError, InvalidArgument, PayloadError, ProviderMissing)
_REFUSALS = (WrongStatus,)
"""Arguments that were right in themselves: what they name does not allow it."""


class Mistake(UsageError):
    """Something that was typed makes no sense, or the user's module cannot be used.

    Args:
        hint: the next step.
        evidence: text to be shown above the message: the traceback of the user's own module.
        code: that of the error behind it, where there is one.
    """

    def __init__(self, message: str, *, hint: str = "", evidence: str = "", code: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.evidence = evidence


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: what goes wrong in it is told on stderr, with the right exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except NexusError as error:
            tell(error, is_json=bool(kwargs.get("json")))
            raise typer.Exit(exit_code(error)) from None

    return wrapped


def exit_code(error: NexusError) -> int:
    """1 when the thing failed, 2 when what was typed or defined makes no sense."""
    if isinstance(error, _REFUSALS):
        return FAILED
    return USAGE if isinstance(error, (Mistake, *_USAGE_ERRORS)) else FAILED


def tell(error: NexusError, *, is_json: bool, next_steps: tuple[str, ...] = ()) -> None:
    """Say what went wrong: evidence, message, next steps."""
    if is_json:
        output.say_json({"error": described(error)})
        return
    failure = error.failure if isinstance(error, WorkflowEnded) else None
    evidence = error.evidence if isinstance(error, Mistake) else output.traceback_of(failure)
    if evidence:
        output.say(evidence.rstrip(), style="dim")
        output.say("")
    output.say((f"[{error.code}] ", "bold red"), (error.message, "bold"))
    for step in (error.hint, *next_steps):
        if step:
            output.say(step)


def described(error: NexusError) -> dict[str, Any]:
    """An error as data."""
    from nexus_sdk.client.json_views import error_to_json

    said = error_to_json(error)
    if isinstance(error, Mistake):
        said["type"] = "UsageError"
        if error.evidence:
            said["evidence"] = error.evidence
    return said


__all__ = ["BlockingError", "FAILED", "USAGE", "Mistake", "described", "exit_code", "tell", "told"]
