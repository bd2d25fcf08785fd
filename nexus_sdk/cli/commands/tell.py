"""`nexus event`, `cancel`, `terminate`, `suspend`, `resume`, `rewind`: telling an instance something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, IdArgument, JsonOption, StoreOption, app_for, ask, checked
from nexus_sdk.cli.inputs import read_json
from nexus_sdk.cli.mistakes import told
from nexus_sdk.client.handle import Handle

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
        lambda h: h.send_event(name, value, event_id=event_id),
        said,
    )


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
    said = f"{id} goes on from its failed step."
    _tell(id, store, app, json, said, lambda handle: handle.rewind(), {"asked": "rewind"})


def _tell(
    id: str,
    store: str | None,
    app: str | None,
    is_json: bool,
    text: str,
    message: Callable[[Handle[Any]], Awaitable[None]],
    said: dict[str, Any],
) -> None:
    """Tell the instance, then say that it was told."""
    found = checked(app_for(app, store), may_make=False)
    ask(found, lambda client: message(client.get(id)))
    if is_json:
        output.put_json({"id": id, **said})
    else:
        output.say(text)
