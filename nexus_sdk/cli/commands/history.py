"""`nexus history`: what happened to an instance, drawn over time, event by event, or as the exact export."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

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
from nexus_sdk.cli.mistakes import Mistake, told
from nexus_sdk.cli.picture import Canvas, drawn
from nexus_sdk.cli.spans import spans_of
from nexus_sdk.cli.timeline import put_rows, rows_of
from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.core.payload import Codec
from nexus_sdk.replay.recorded import Recording, load_recording, recording_to_text


@told
def history(
    id: IdArgument,
    events: Annotated[bool, typer.Option("--events", help="A line per event instead of the picture.")] = False,
    all_rows: Annotated[bool, typer.Option("--all", help="A row for each operation, however many are alike.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Draw what happened to an instance, over time. --events lists it; --json is the exact export, for replay."""
    if events and json:
        raise Mistake("--events is for people, --json has every event anyway.", hint="Leave one of them out.")
    found = checked(app_for(app, store), may_make=False)

    async def look(client: Client) -> tuple[InstanceStatus, Recording, Codec]:
        return await client.get(id).status(), await load_recording(client.store, id), client.codec.bound_to(id)

    status, recording, codec = ask(found, look)
    if json:
        print(recording_to_text(recording, partial(output.json_text, is_compact=True), codec=codec))
        return
    batches = recording.run().batches
    head = f"{status.workflow}, {status.status}" + ("" if status.run == 1 else f", run {status.run}")
    output.put_cut((status.id, "bold"), f"  {head}, {output.moment_text(status.created_at)}")
    if events:
        put_rows(list(rows_of(batches, codec)))
        ask(found, lambda client: tell_unread(client, id))
        return
    canvas = Canvas(output.canvas_width(), is_unicode=output.can_draw(), is_cut=output.is_terminal(), is_whole=all_rows)
    for line in drawn(spans_of(batches), canvas, now_us=round(time.time() * 1_000_000)):
        output.put(*line)
    output.say(("every event  ", "dim"), (continuing("history", "--events", id=id, store=store), "dim"))
