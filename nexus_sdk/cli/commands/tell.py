"""`nexus event`, `cancel`, `terminate`, `suspend`, `resume`, `rewind`: telling an instance something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, IdArgument, JsonOption, StoreOption, app_for, ask, checked
from nexus_sdk.cli.inputs import read_json
from nexus_sdk.cli.mistakes import told
from nexus_sdk.cli.timeline import waits_of
from nexus_sdk.client.handle import Handle
from nexus_sdk.core import events as e
from nexus_sdk.errors import NexusError

ReasonOption = Annotated[str, typer.Option("--reason", help="Recorded in its history.")]


@told
def event(
    id: IdArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The event's name.")],
    payload: Annotated[str | None, typer.Argument(metavar="[JSON]", help="JSON, @FILE, or @- for stdin.")] = None,
    event_id: Annotated[str | None, typer.Option("--event-id", help="The same id again counts once.")] = None,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Send an event to an instance."""
    value = None if payload is None else read_json(payload, "the payload")
    said = {"event": name, "event_id": event_id}
    _tell(
        id,
        store,
        app,
        json,
        f"{id} has accepted {name!r}.",
        lambda h: _send(h, name, value, event_id),
        said,
    )


async def _send(handle: Handle[Any], name: str, value: Any, event_id: str | None) -> str | None:
    """Send it; a note where the name is nearly one that is waited for: nobody else would ever tell."""
    await handle.send_event(name, value, event_id=event_id)
    with suppress(NexusError):  # it was accepted, whatever else is the matter
        waits = waits_of((await handle.history()).batches)
        awaited = {event.name for event, _ in waits if isinstance(event, e.EventAwaited)}
        if name not in awaited and (close := get_close_matches(name, awaited, n=1)):
            return f"it waits for {close[0]!r} now; {name!r} is kept until it waits for that"
    return None


@told
def cancel(
    id: IdArgument,
    reason: ReasonOption = "",
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Ask an instance to stop; it may clean up first."""
    _tell(id, store, app, json, f"{id} was asked to stop.", lambda handle: handle.cancel(reason), {"asked": "cancel"})


@told
def terminate(
    id: IdArgument,
    reason: ReasonOption = "",
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """End an instance; its code has no say."""
    said = f"{id} is told to end."
    _tell(id, store, app, json, said, lambda handle: handle.terminate(reason), {"asked": "terminate"})


@told
def suspend(
    id: IdArgument,
    reason: ReasonOption = "",
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Hold an instance until it is resumed."""
    _tell(id, store, app, json, f"{id} is told to hold.", lambda handle: handle.suspend(reason), {"asked": "suspend"})


@told
def resume(id: IdArgument, store: StoreOption = None, app: AppOption = None, json: JsonOption = False) -> None:
    """Let a suspended instance go on, or a blocked one try again."""
    _tell(id, store, app, json, f"{id} is told to go on.", lambda handle: handle.resume(), {"asked": "resume"})


@told
def rewind(id: IdArgument, store: StoreOption = None, app: AppOption = None, json: JsonOption = False) -> None:
    """Retry a failed instance from its failed step."""
    said = f"{id} goes on from its failed step, where a worker serves it."
    _tell(id, store, app, json, said, lambda handle: handle.rewind(), {"asked": "rewind"})


def _tell(
    id: str,
    store: str | None,
    app: str | None,
    is_json: bool,
    text: str,
    message: Callable[[Handle[Any]], Awaitable[str | None]],
    said: dict[str, Any],
) -> None:
    """Tell the instance, then say that it was told. `message` gives a note, if there is something to note."""
    found = checked(app_for(app, store), may_make=False)
    note = ask(found, lambda client: message(client.get(id)))
    if is_json:
        output.put_json({"id": id, **said})
    else:
        output.say(text)
    if note is not None:
        output.say(("note  ", "yellow"), note)
