"""`nexus purge`: erase one finished instance, or all that are finished and old enough."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from nexus_sdk.authoring.duration import moment_us
from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, app_for, ask, checked
from nexus_sdk.cli.completing import complete_id
from nexus_sdk.cli.filters import (
    AttributeOption,
    StatusOption,
    WorkflowOption,
    age_of,
    attributes_of,
    finished_statuses_of,
)
from nexus_sdk.cli.mistakes import FAILED, Mistake, told
from nexus_sdk.cli.views import instances_text
from nexus_sdk.client.client import Client
from nexus_sdk.errors import InstanceNotFound, NexusError, WrongStatus
from nexus_sdk.store.port import InstanceRecord, Query

PAGE = 1000
AT_A_TIME = 100
"""So many are erased side by side: stores that commit in groups make one commit of them."""

SHOWN_MAX = 5
"""So many ids are shown before it is asked."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of those that were chosen: how many were erased, and the ids and reasons of the others."""

    number: int
    kept: dict[str, str]


@told
def purge(
    id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="One instance; or choose by options.", autocompletion=complete_id),
    ] = None,
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    attribute: AttributeOption = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Finished longer ago than that: 12h, 30d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Erase finished instances with their histories. One by its id, or many by status, workflow and age."""
    is_chosen = bool(status or workflow or attribute or older_than)
    if id is not None and is_chosen:
        raise Mistake("An id and filters do not go together.", hint="Name one instance, or choose many by options.")
    if id is None and not is_chosen:
        raise Mistake("Which instances?", hint="nexus purge ID, or for example: nexus purge --older-than 30d")
    statuses = finished_statuses_of(status)
    age = timedelta(0) if older_than is None else age_of(older_than, "--older-than")
    attributes = attributes_of(attribute)
    found = checked(app_for(app, store), may_make=False)
    if id is not None:
        _purge_one(found, id, is_dry=dry_run, is_json=json)
        return
    # Who finished before it was created before: the store need not look at younger ones.
    before_us = moment_us(datetime.now(UTC) - age, "--older-than")
    query = Query(statuses, workflow, attributes, created_before_us=before_us)
    chosen = ask(found, lambda client: _chosen(client, query, before_us))
    if not json:
        _tell_chosen(chosen)
    if chosen and not dry_run and not yes:
        _confirm(len(chosen))
    erased = Erased(0, {}) if dry_run else ask(found, lambda client: _erase(client, [one.id for one in chosen]))
    if json:
        said = {"matched": len(chosen), "erased": erased.number, "kept": erased.kept, "dry_run": dry_run}
        output.put_json(said)
    elif chosen and not dry_run:
        output.put(f"{instances_text(erased.number)} erased.")
        for kept, reason in erased.kept.items():
            output.say(f"{kept} is kept: {reason}")
    if any(reason != GONE for reason in erased.kept.values()):
        raise typer.Exit(FAILED)


GONE = "it was gone already"


def _purge_one(found: Any, id: str, *, is_dry: bool, is_json: bool) -> None:
    async def erase(client: Client) -> None:
        handle = client.get(id)
        if is_dry:
            status = (await handle.status()).status
            if not status.is_finished:
                raise WrongStatus(f"{id} is {status}: only what is finished can be erased.")
        else:
            await handle.purge()

    ask(found, erase)
    if is_json:
        output.put_json({"id": id, "asked": "purge", **({"dry_run": True} if is_dry else {})})
    else:
        output.say(f"{id} would be erased." if is_dry else f"{id} was erased.")


async def _chosen(client: Client, query: Query, before_us: int) -> list[InstanceRecord]:
    """The finished instances that match and ended before then."""
    chosen: list[InstanceRecord] = []
    cursor: str | None = None
    while True:
        page = await client.store.list(query, limit=PAGE, cursor=cursor)
        chosen += [record for record in page.records if record.updated_us <= before_us]
        cursor = page.cursor
        if cursor is None:
            return chosen


async def _erase(client: Client, ids: list[str]) -> Erased:
    """Erase them, those that can be; one that cannot keeps none of the others."""
    kept: dict[str, str] = {}

    async def erase(id: str) -> None:
        try:
            await client.get(id).purge()
        except InstanceNotFound:
            kept[id] = GONE
        except NexusError as error:
            kept[id] = error.message

    for start in range(0, len(ids), AT_A_TIME):
        await asyncio.gather(*(erase(id) for id in ids[start : start + AT_A_TIME]))
    return Erased(len(ids) - len(kept), kept)


def _tell_chosen(chosen: list[InstanceRecord]) -> None:
    if not chosen:
        output.say("No finished instance matches.")
        return
    by_status = Counter(str(record.status) for record in chosen)
    counts = ", ".join(f"{number:,} {status}" for status, number in sorted(by_status.items()))
    ends = sorted(record.updated_us for record in chosen)
    output.say(f"{instances_text(len(chosen))} ({counts}), finished {_days(ends[0], ends[-1])}:")
    for record in chosen[:SHOWN_MAX]:
        output.say_cut(f"  {record.id}  ", (f"{record.workflow}, {record.status}", "dim"))
    if len(chosen) > SHOWN_MAX:
        output.say((f"  and {len(chosen) - SHOWN_MAX:,} more", "dim"))


def _days(first_us: int, last_us: int) -> str:
    first, last = output.day_text(first_us), output.day_text(last_us)
    return f"on {first}" if first == last else f"from {first} to {last}"


def _confirm(number: int) -> None:
    """Ask, where somebody is there to answer.

    Raises:
        Mistake: nobody is.
        typer.Exit: the answer is no.
    """
    if not sys.stdin.isatty():
        raise Mistake("Nobody is there to be asked, and nothing was erased.", hint="Say --yes, or --dry-run to look.")
    if not typer.confirm(f"Erase {instances_text(number)} for good?", err=True):
        output.say("Nothing was erased.")
        raise typer.Exit(FAILED)
