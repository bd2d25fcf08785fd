"""Which instances are meant: the filters of `list` and `purge`, from words to values. Pure, but for the clock given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from nexus_sdk.authoring.duration import to_us
from nexus_sdk.authoring.registry import near
from nexus_sdk.cli.completing import complete_status
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.core.status import FINISHED, Status
from nexus_sdk.errors import InvalidArgument

StatusOption = Annotated[
    list[str] | None,
    typer.Option("--status", help=f"Repeat it for more. One of: {', '.join(Status)}.", autocompletion=complete_status),
]
WorkflowOption = Annotated[str | None, typer.Option("--workflow", help="The workflow's name.")]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME=VALUE",
        help='Equal to it; repeat it for more. A JSON number, true or false is one; anything else is text, "5" too.',
    ),
]


def statuses_of(words: Iterable[str] | None) -> frozenset[Status]:
    """The statuses that were typed.

    Raises:
        Mistake: one is none.
    """
    return frozenset(map(_status, words or ()))


def finished_statuses_of(words: Iterable[str] | None) -> frozenset[Status]:
    """The statuses that were typed, all of them ends; every end where none was typed.

    Raises:
        Mistake: one is none, or no end.
    """
    statuses = statuses_of(words)
    if alive := sorted(statuses - FINISHED):
        raise Mistake(
            f"What is {alive[0]} cannot be erased: only finished instances can.",
            hint=f"Cancel or terminate them first. Finished are: {', '.join(sorted(FINISHED))}.",
        )
    return statuses or FINISHED


def attributes_of(words: Iterable[str] | None) -> dict[str, str | int | float | bool]:
    """The attributes that were typed as ``name=value``.

    Raises:
        Mistake: one has no name or no '='.
    """
    found: dict[str, str | int | float | bool] = {}
    for word in words or ():
        name, separator, text = word.partition("=")
        if not separator or not name:
            raise Mistake(f"--attribute {word[:60]!r} is not NAME=VALUE.", hint="For example: --attribute customer=Ada")
        found[name] = _attribute_value(text)
    return found


def moment_of(text: str, option: str, now: datetime) -> datetime:
    """A point in time: an age before now (``2h``, ``30d``), or an ISO date or time, local where it names no zone.

    Raises:
        Mistake: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now - age_of(text, option, also="or a time such as 2030-01-31 or 2030-01-31T12:00")
    return (moment if moment.tzinfo is not None else moment.astimezone()).astimezone(UTC)


def age_of(text: str, option: str, also: str = "") -> timedelta:
    """An age: ``30d``, ``1h30m``.

    Raises:
        Mistake: it is none.
    """
    try:
        return timedelta(microseconds=to_us(text, option))
    except InvalidArgument:
        said = f"{option} is an age such as 30d, 12h or 1h30m{', ' + also if also else ''}"
        raise Mistake(f"{option} {text[:60]!r} makes no sense.", hint=f"{said} (units: w d h m s).") from None


def _status(word: str) -> Status:
    try:
        return Status(word)
    except ValueError:
        known = near(word, [status.value for status in Status])
        raise Mistake(f"There is no status {word[:60]!r}.", hint=known) from None


def _attribute_value(text: str) -> str | int | float | bool:
    """As JSON reads it, where it reads a number, a boolean or a quoted text; else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float | bool) else text
