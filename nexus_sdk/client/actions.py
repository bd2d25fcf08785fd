"""What may be asked of a client in JSON, by name and fields, whatever brings it: HTTP, or a direct call of a function.

The one rule: a request that makes no sense is told what is wrong with it, and does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nexus_sdk.authoring.duration import datetime_of, to_us
from nexus_sdk.authoring.registry import near
from nexus_sdk.client.client import Client
from nexus_sdk.client.handle import Handle
from nexus_sdk.client.json_views import error_to_json, status_to_json, value_shown
from nexus_sdk.codec.wire_json import event_to_json
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidRequest, WaitTimedOut, WorkflowEnded

WAIT_SECONDS = 20.0
"""So long the result of an instance that runs is waited for, when nothing else is said."""

WAIT_SECONDS_MAX = 25.0
"""So long at most: who stands in between (a gateway, a proxy) gives up after some 30."""

EVENTS_MAX = 1_000
"""So many events of a history are told at once."""

Answer = dict[str, Any]


class Fields:
    """The fields of a request, each looked at for what it should be."""

    def __init__(self, action: str, given: Mapping[str, Any]) -> None:
        self._action = action
        self._given = given

    def text(self, name: str) -> str:
        """A text that must be there."""
        if name not in self._given:
            raise InvalidRequest(f"{self._action}: the field {name!r} is missing.", hint=hint_of(self._action))
        return self._checked(name, self._given[name], (str,), "a text")  # type: ignore[no-any-return]

    def optional_text(self, name: str) -> str | None:
        """A text, or nothing."""
        return None if self._given.get(name) is None else self.text(name)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to `most`."""
        number = self._checked(name, self._given.get(name, default), (int,), "a whole number")
        if not 0 <= number <= most:
            raise InvalidRequest(f"{self._action}: {name!r} is from 0 to {most:,}, got {shown(number)}.")
        return number  # type: ignore[no-any-return]

    def seconds(self, name: str, default: float) -> float:
        """A duration, in seconds."""
        return to_us(self._given.get(name, default), f"{self._action}: {name}") / 1_000_000

    def mapping(self, name: str) -> dict[str, Any]:
        """An object; an empty one by default."""
        return dict(self._checked(name, self._given.get(name) or {}, (Mapping,), "an object"))

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Those of a call: an array by position, an object by name."""
        given = self._given.get("arguments")
        given = {} if given is None else given
        self._checked("arguments", given, (list, Mapping), "an object (by name) or an array (by position)")
        return (given, {}) if isinstance(given, list) else ([], dict(given))

    def any(self, name: str) -> Any:
        """Whatever it is; None by default."""
        return self._given.get(name)

    def _checked(self, name: str, value: Any, kinds: tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise InvalidRequest(f"{self._action}: {name!r} is {what}, got {shown(value)}.")
        return value


@dataclass(frozen=True, slots=True)
class Action:
    """Something that may be asked for. `takes`: the names of its fields; `do` gets them, and how long it may take."""

    takes: tuple[str, ...]
    do: Callable[[Client, Fields, float], Awaitable[Answer]]


async def act(client: Client, name: Any, given: Mapping[str, Any], *, seconds: float) -> Answer:
    """Do what was asked for.

    Args:
        name: of an action in `ACTIONS`.
        given: its fields.
        seconds: how long it may wait.

    Raises:
        InvalidRequest: no such action, or its fields make no sense.
        NexusError: what the client raises.
    """
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        known = ", ".join(sorted(ACTIONS))
        raise InvalidRequest(f"There is no action {shown(name)}.", hint=f"Actions: {known}.")
    if unknown := [field for field in given if field not in action.takes]:
        raise InvalidRequest(f"{name}: there is no field {shown(unknown[0])}.", hint=near(unknown[0], action.takes))
    return await action.do(client, Fields(name, given), seconds)


def hint_of(name: str) -> str:
    """Which fields an action takes."""
    takes = ACTIONS[name].takes
    return f"{name} takes {', '.join(takes)}."


# --- the actions ------------------------------------------------------------------------------------------------------


async def _start(client: Client, fields: Fields, seconds: float) -> Answer:
    definition = client.registry.latest(fields.text("workflow"))
    args, kwargs = fields.arguments()
    handle: Handle[Any] = await client.start(
        definition(*args, **kwargs),
        id=fields.optional_text("id"),
        request_id=fields.optional_text("request_id"),
        attributes=fields.mapping("attributes"),
        delay=fields.any("delay"),
        on_conflict=fields.any("on_conflict") or "raise",
    )
    return {"id": handle.id}


async def _status(client: Client, fields: Fields, seconds: float) -> Answer:
    return status_to_json(await client.get(fields.text("id")).status())


async def _result(client: Client, fields: Fields, seconds: float) -> Answer:
    handle = client.get(fields.text("id"))
    wait = min(fields.seconds("wait", WAIT_SECONDS), seconds, WAIT_SECONDS_MAX)
    status = (await handle.status()).status
    if not status.is_finished and wait <= 0:
        return {"id": handle.id, "status": str(status)}
    try:
        value = await handle.result(timeout=None if status.is_finished else wait)
    except WaitTimedOut:
        return {"id": handle.id, "status": str((await handle.status()).status)}
    except WorkflowEnded as error:
        ended = type(error).__name__.removeprefix("Workflow").lower()
        return {"id": handle.id, "status": ended, "error": error_to_json(error)}
    return {"id": handle.id, "status": "completed", "result": value_shown(value)}


async def _history(client: Client, fields: Fields, seconds: float) -> Answer:
    handle = client.get(fields.text("id"))
    after, limit = fields.number("after", 0, 1 << 40), fields.number("limit", EVENTS_MAX, EVENTS_MAX)
    codec = client.codec.bound_to(handle.id)
    history = await handle.history()
    stamped = [(batch.header.stamped_at_us, event) for batch in history.batches for event in batch.events]
    events = [
        {"number": number, "at": datetime_of(stamped_us).isoformat(), **event_to_json(event, codec)}
        for number, (stamped_us, event) in enumerate(stamped[after : after + limit], start=after + 1)
    ]
    return {"id": handle.id, "events": events, "next": after + limit if len(history) > after + limit else None}


async def _event(client: Client, fields: Fields, seconds: float) -> Answer:
    handle, name = client.get(fields.text("id")), fields.text("name")
    event_id = fields.optional_text("event_id")
    await handle.send_event(name, fields.any("payload"), event_id=event_id)
    return {"id": handle.id, "event": name, "event_id": event_id}


async def _query(client: Client, fields: Fields, seconds: float) -> Answer:
    handle, name = client.get(fields.text("id")), fields.text("name")
    args, named = fields.arguments()
    if named:
        raise InvalidRequest("query: the arguments of a query are an array.", hint="A handler takes them by position.")
    return {"id": handle.id, "query": name, "answer": value_shown(await handle.query(name, *args))}


async def _list(client: Client, fields: Fields, seconds: float) -> Answer:
    page = await client.list(
        status=fields.any("status"),
        workflow=fields.optional_text("workflow"),
        attributes=fields.mapping("attributes"),
        limit=fields.number("limit", 100, 1_000),
        cursor=fields.optional_text("cursor"),
    )
    return {"instances": [status_to_json(status) for status in page], "cursor": page.cursor}


def _told(name: str) -> Action:
    """An action that tells an instance something, with a reason where it takes one."""
    takes = ("id", "reason") if name in ("cancel", "terminate", "suspend") else ("id",)

    async def tell(client: Client, fields: Fields, seconds: float) -> Answer:
        handle = client.get(fields.text("id"))
        reason = fields.optional_text("reason")
        await getattr(handle, name)(*([] if reason is None else [reason]))
        return {"id": handle.id, "asked": name}

    return Action(takes, tell)


ACTIONS: Mapping[str, Action] = {
    "start": Action(
        ("workflow", "id", "arguments", "request_id", "attributes", "delay", "on_conflict"),
        _start,
    ),
    "status": Action(("id",), _status),
    "result": Action(("id", "wait"), _result),
    "history": Action(("id", "after", "limit"), _history),
    "event": Action(("id", "name", "payload", "event_id"), _event),
    "query": Action(("id", "name", "arguments"), _query),
    "list": Action(("status", "workflow", "attributes", "limit", "cursor"), _list),
    **{name: _told(name) for name in ("cancel", "terminate", "suspend", "resume", "rewind")},
}
