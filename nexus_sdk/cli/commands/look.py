"""`nexus show` and `nexus query`: looking at one instance, without moving anything."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import (
    AppOption,
    IdArgument,
    JsonOption,
    StoreOption,
    app_for,
    ask,
    checked,
    continuing,
    tell_unread,
)
from nexus_sdk.cli.inputs import read_json
from nexus_sdk.cli.mistakes import told
from nexus_sdk.cli.timeline import wait_text, waits_of
from nexus_sdk.cli.views import failure_text, status_to_json
from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.codec.wire_json import Opaque, event_to_json
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.status import Status
from nexus_sdk.errors import HistoryCorruptedError

WAITS_MAX = 10
"""So many of the things it waits for are shown to people."""


@told
def show(id: IdArgument, store: StoreOption = None, app: AppOption = None, json: JsonOption = False) -> None:
    """Show an instance: status, result, what it waits for."""
    found = checked(app_for(app, store), may_make=False)

    status, batches, codec = ask(found, partial(_look, id=id))
    waits = [] if status.status.is_finished else waits_of(batches)
    end = batches[-1].events[-1] if status.status.is_finished and batches and batches[-1].events else None
    result = event_to_json(end, codec)["result"] if isinstance(end, e.WorkflowCompleted) else None
    if json:
        said = {"waiting_for": [wait_text(event) for event, _ in waits], "result": result}
        output.put_json({**status_to_json(status), **said})
        return
    _put_status(status)
    _put_waits(Counter(wait_text(event) for event, _ in waits))
    if isinstance(end, e.WorkflowCompleted):
        # Not broken into lines: what is JSON stays JSON.
        output.put(("result      ", "dim"), _result_text(result))
    if status.failure is not None:
        _put_failure(status, store)
    ask(found, lambda client: tell_unread(client, id))


async def _look(client: Client, id: str) -> tuple[InstanceStatus, list[Batch], Codec]:
    handle = client.get(id)
    status, codec = await handle.status(), client.codec.bound_to(id)
    try:
        return status, list((await handle.history()).batches), codec
    except HistoryCorruptedError:
        if status.status is Status.COMPLETED:
            raise  # its result is not known
        return status, [], codec  # that it cannot be read is the very thing to be seen


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


# --- for people -------------------------------------------------------------------------------------------------------


def _put_field(name: str, value: str, style: str = "") -> None:
    output.put_hanging([(f"{name:<10}  ", "dim")], value, style)


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


def _result_text(result: Any) -> str:
    text = output.brief(result) if isinstance(result, Opaque) else output.json_text(result)
    return text.replace("\n", "\n" + " " * 12)


def _put_waits(waits: Counter[str]) -> None:
    for text, number in list(waits.items())[:WAITS_MAX]:
        _put_field("waits for", text if number == 1 else f"{number} × {text}")
    if len(waits) > WAITS_MAX:
        _put_field("", f"and {len(waits) - WAITS_MAX} more")


def _put_failure(status: InstanceStatus, store: str | None) -> None:
    failure = status.failure
    if failure is None:
        return
    _put_field("because", failure_text(failure), "red")
    evidence = output.traceback_of(failure)
    if evidence:
        output.put("")
        output.put(evidence, style="dim")
    output.put("")
    if status.status is Status.FAILED:
        output.put("Retry from the failed step:  ", continuing("rewind", id=status.id, store=store))
    if status.status is Status.BLOCKED:
        output.put("Mend the cause, then:  ", continuing("resume", id=status.id, store=store))
