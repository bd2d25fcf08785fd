"""`nexus list`: instances by status, workflow, attributes and age, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, app_for, ask, checked, continuing
from nexus_sdk.cli.filters import (
    AttributeOption,
    StatusOption,
    WorkflowOption,
    attributes_of,
    moment_of,
    statuses_of,
)
from nexus_sdk.cli.mistakes import Mistake, told
from nexus_sdk.cli.views import failure_text, status_to_json
from nexus_sdk.client.status import InstanceStatus


@told
def list_instances(
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    attribute: AttributeOption = None,
    created_after: Annotated[
        str | None,
        typer.Option("--created-after", metavar="AGE|TIME", help="Not older than that: 2h, 30d, or an ISO time."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the page before ended.")] = None,
    count: Annotated[bool, typer.Option("--count", help="Only say how many there are.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """List instances, the newest first."""
    statuses = statuses_of(status)
    attributes = attributes_of(attribute)
    since = None if created_after is None else moment_of(created_after, "--created-after", datetime.now(UTC))
    if count and cursor is not None:
        raise Mistake("--count counts all pages: it takes no --cursor.")
    found = checked(app_for(app, store), may_make=False)
    if count:
        number = ask(found, lambda client: client.count(statuses, workflow, attributes, since))
        output.put_json({"count": number}) if json else output.put(str(number))
        return
    page = ask(found, lambda client: client.list(statuses, workflow, attributes, since, limit, cursor))
    if json:
        output.put_json({"instances": [status_to_json(one) for one in page], "cursor": page.cursor})
        return
    if not page:
        is_filtered = statuses or workflow or attributes or since or cursor
        output.say("No instance matches." if is_filtered else "No instances yet.")
        return
    rows = [_row(one) for one in page]
    output.put_table(("ID", "STATUS", "WORKFLOW", "UPDATED", "NOTE"), rows, optional=("WORKFLOW", "UPDATED"))
    if page.cursor is not None:
        words = [
            "list",
            *(word for one in status or () for word in ("--status", one)),
            *(() if workflow is None else ("--workflow", workflow)),
            *(word for one in attribute or () for word in ("--attribute", one)),
            # The moment and not the age: the pages are of one list.
            *(() if since is None else ("--created-after", since.isoformat())),
            *(() if limit == 50 else ("--limit", str(limit))),
            *(() if app is None else ("--app", app)),
            *("--cursor", page.cursor),
        ]
        output.say(("next page  ", "dim"), continuing(*words, store=store))


def _row(status: InstanceStatus) -> list[output.Piece]:
    note = "" if status.custom_status is None else output.sentence(output.plain(status.custom_status))
    if status.failure is not None:
        note = output.brief(failure_text(status.failure))
    return [
        status.id,
        (str(status.status), output.STYLES.get(str(status.status), "")),
        status.workflow,
        output.moment_text(status.updated_at),
        (note, "dim"),
    ]
