"""`nexus show`, `history`, `list` and `query`: looking, without moving anything."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, IdArgument, JsonOption, StoreOption, app_for, ask, checked, continuing
from nexus_sdk.cli.inputs import read_json
from nexus_sdk.cli.mistakes import told
from nexus_sdk.cli.timeline import Row, rows_of, wait_text, waits_of
from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus, Page
from nexus_sdk.codec import wire
from nexus_sdk.codec.wire_json import batch_to_json, event_to_json, failure_to_json
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.status import Status

WAITS_MAX = 10
"""So many of the things it waits for are shown to people."""

WIDE = 100
"""From so many columns on, an event of the history is one line; two where it is narrower."""


@told
def show(id: IdArgument, store: StoreOption = None, app: AppOption = None, json: JsonOption = False) -> None:
    """Show an instance: status, result, what it waits for."""
    found = checked(app_for(app, store), may_make=False)

    async def look(client: Client) -> tuple[InstanceStatus, list[Batch]]:
        handle = client.get(id)
        return await handle.status(), list((await handle.history()).batches)

    status, batches = ask(found, look)
    waits = [] if status.status.is_finished else waits_of(batches)
    end = batches[-1].events[-1] if status.status.is_finished and batches and batches[-1].events else None
    result = event_to_json(end)["result"] if isinstance(end, e.WorkflowCompleted) else None
    if json:
        said = {"waiting_for": [wait_text(event) for event, _ in waits], "result": result}
        output.put_json({**status_to_json(status), **said})
        return
    _put_status(status)
    _put_waits(Counter(wait_text(event) for event, _ in waits))
    if isinstance(end, e.WorkflowCompleted):
        _put_field("result", output.json_text(result).replace("\n", "\n" + " " * 12))
    if status.failure is not None:
        _put_failure(status, store)


@told
def history(id: IdArgument, store: StoreOption = None, app: AppOption = None, json: JsonOption = False) -> None:
    """Show what happened to an instance, event by event. --json is the exact export, for replay."""
    found = checked(app_for(app, store), may_make=False)

    async def look(client: Client) -> tuple[InstanceStatus, list[Batch], list[bytes]]:
        handle = client.get(id)
        loaded = await client.store.load(id)
        batches = [wire.decode_batch(stored.data) for stored in loaded.batches]
        wire.verify(batches)
        return await handle.status(), batches, [stored.data for stored in loaded.batches]

    status, batches, stored = ask(found, look)
    if json:
        lines = [
            output.json_text(batch_to_json(batch, data=data), is_compact=True)
            for batch, data in zip(batches, stored, strict=True)
        ]
        print("[\n" + ",\n".join(lines) + "\n]")
        return
    _put_history(status, list(rows_of(batches)))


@told
def list_instances(
    status: Annotated[
        list[str] | None, typer.Option("--status", help=f"Repeat it for more. One of: {', '.join(Status)}.")
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="The workflow's name.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the page before ended.")] = None,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """List instances, the newest first."""
    found = checked(app_for(app, store), may_make=False)

    async def look(client: Client) -> Page:
        return await client.list(status=status or None, workflow=workflow, limit=limit, cursor=cursor)

    page = ask(found, look)
    if json:
        output.put_json({"instances": [status_to_json(one) for one in page], "cursor": page.cursor})
        return
    if not page:
        output.say("No instance matches." if status or workflow or cursor else "No instances yet.")
        return
    rows = [_list_row(one) for one in page]
    output.put_table(("ID", "STATUS", "WORKFLOW", "UPDATED", "NOTE"), rows, optional=("WORKFLOW", "UPDATED"))
    if page.cursor is not None:
        output.say(f"More:  add --cursor {shlex.quote(page.cursor)}")


@told
def query(
    id: IdArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The query's name.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[JSON]...", help="Its arguments.")] = None,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a query handler of the workflow. Its code runs here: name its --app."""
    found = checked(app_for(app, store), may_make=False)
    values = [read_json(argument, "the argument") for argument in arguments or ()]
    answer = output.plain(ask(found, lambda client: client.get(id).query(name, *values)))
    output.put_json({"id": id, "query": name, "answer": answer} if json else answer)


# --- as data ----------------------------------------------------------------------------------------------------------


def status_to_json(status: InstanceStatus) -> dict[str, Any]:
    """A status as data, under the names it has in Python."""
    return {
        "id": status.id,
        "status": str(status.status),
        "workflow": status.workflow,
        "version": status.version,
        "run": status.run,
        "created_at": status.created_at.isoformat(),
        "updated_at": status.updated_at.isoformat(),
        "custom_status": output.plain(status.custom_status),
        "failure": None if status.failure is None else failure_to_json(status.failure),
        "attributes": dict(status.attributes),
        "parent_id": status.parent_id,
    }


# --- for people -------------------------------------------------------------------------------------------------------


def _put_field(name: str, value: str, style: str = "") -> None:
    output.put((f"{name:<10}  ", "dim"), (value, style))


def _put_status(status: InstanceStatus) -> None:
    lasted = (status.updated_at - status.created_at).total_seconds()
    _put_field("id", status.id, "bold")
    _put_field("status", str(status.status), output.STYLES.get(str(status.status), ""))
    version = "" if status.version == "1" else f" version {status.version}"
    _put_field("workflow", status.workflow + version + ("" if status.run == 1 else f", run {status.run}"))
    if status.parent_id:
        _put_field("parent", status.parent_id)
    _put_field("created", output.moment_text(status.created_at))
    _put_field("updated", f"{output.moment_text(status.updated_at)} ({output.duration_text(lasted)} later)")
    for name, value in status.attributes.items():
        _put_field("attribute", f"{name} = {output.brief(value)}")
    if status.custom_status is not None:
        _put_field("says", output.sentence(output.plain(status.custom_status)))


def _put_waits(waits: Counter[str]) -> None:
    for text, number in list(waits.items())[:WAITS_MAX]:
        _put_field("waits for", text if number == 1 else f"{number} × {text}")
    if len(waits) > WAITS_MAX:
        _put_field("", f"and {len(waits) - WAITS_MAX} more")


def _put_failure(status: InstanceStatus, store: str | None) -> None:
    failure = status.failure
    if failure is None:
        return
    said = f"{failure.type}: {failure.message}" if failure.message else failure.type
    _put_field("because", said.replace("\n", "\n" + " " * 12), "red")
    evidence = output.traceback_of(failure)
    if evidence:
        output.put("")
        output.put(evidence, style="dim")
    output.put("")
    if status.status is Status.FAILED:
        output.put("Retry from the failed step:  ", continuing("rewind", status.id, store=store))
    if status.status is Status.BLOCKED:
        output.put("Mend the code, then:  ", continuing("resume", status.id, store=store))


def _list_row(status: InstanceStatus) -> list[output.Piece]:
    note = "" if status.custom_status is None else output.sentence(output.plain(status.custom_status))
    if status.failure is not None:
        note = output.brief(f"{status.failure.type}: {status.failure.message}")
    return [
        status.id,
        (str(status.status), output.STYLES.get(str(status.status), "")),
        status.workflow,
        output.moment_text(status.updated_at),
        (note, "dim"),
    ]


def _put_history(status: InstanceStatus, rows: list[Row]) -> None:
    is_wide = output.width_of() >= WIDE
    head = f"{status.workflow}, {status.status}" + ("" if status.run == 1 else f", run {status.run}")
    output.put((status.id, "bold"), f"  {head}, {output.moment_text(status.created_at)}")
    event_width = max((len(row.event) for row in rows), default=0)
    operation_width = min(28, max((len(row.operation) for row in rows), default=0))
    digits = len(str(len(rows)))
    turn, day = 0, ""
    for row in rows:
        is_new = row.turn != turn
        if is_new:
            today = output.day_text(row.stamped_at_us)
            if day and today != day:
                output.put((f"{'':>{digits}}  {today}", "dim"))
            turn, day = row.turn, today
        # A turn begins with its time; the events that it brought stand under it.
        time = output.clock_text(row.stamped_at_us) if is_new else " " * 12
        number = (f"{row.number:>{digits}}  ", "dim")
        if is_wide:
            operation = f"{row.operation:<{operation_width}}"
            site = (f"{row.site}  ", "dim") if row.site else ""
            name = (f"{row.event:<{event_width}}  ", row.tone)
            output.put_cut(number, (f"{time}  ", "dim"), name, f"{operation}  ", site, row.detail)
        else:
            output.put_cut(number, (f"{time}  ", "dim"), (row.event, row.tone), f" {row.operation}")
            if row.detail or row.site:
                output.put_cut(" " * (digits + 4), (f"{row.site}  " if row.site else "", "dim"), row.detail)
