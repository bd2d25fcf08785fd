"""`nexus history`: what happened to an instance, drawn over time, event by event, or as the exact export."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, IdArgument, JsonOption, StoreOption, app_for, ask, checked, continuing
from nexus_sdk.cli.mistakes import Mistake, told
from nexus_sdk.cli.picture import Canvas, drawn
from nexus_sdk.cli.spans import spans_of
from nexus_sdk.cli.timeline import put_rows, rows_of
from nexus_sdk.client.client import Client
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.codec import wire
from nexus_sdk.codec.wire_json import batch_to_json
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec
from nexus_sdk.engine.apart import whole_batches


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

    async def look(client: Client) -> tuple[InstanceStatus, list[Batch], list[bytes], Codec]:
        handle = client.get(id)
        loaded = await client.store.load(id)
        whole = [batch.data for batch in await whole_batches(client.store, id, loaded.batches, every=True)]
        batches = [wire.decode_batch(data) for data in whole]
        wire.verify(batches)
        return await handle.status(), batches, whole, client.codec.bound_to(id)

    status, batches, stored, codec = ask(found, look)
    if json:
        lines = [
            output.json_text(batch_to_json(batch, data=data, codec=codec), is_compact=True)
            for batch, data in zip(batches, stored, strict=True)
        ]
        print("[\n" + ",\n".join(lines) + "\n]")
        return
    head = f"{status.workflow}, {status.status}" + ("" if status.run == 1 else f", run {status.run}")
    output.put_cut((status.id, "bold"), f"  {head}, {output.moment_text(status.created_at)}")
    if events:
        put_rows(list(rows_of(batches, codec)))
        return
    canvas = Canvas(output.canvas_width(), is_unicode=output.can_draw(), is_cut=output.is_terminal(), is_whole=all_rows)
    for line in drawn(spans_of(batches), canvas, now_us=round(time.time() * 1_000_000)):
        output.put(*line)
    output.say(("every event  ", "dim"), (continuing("history", "--events", id=id, store=store), "dim"))
