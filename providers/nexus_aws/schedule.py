"""Starts that a schedule asks for: an EventBridge rule, EventBridge Scheduler, or any event on a bus.

``{"start": {"workflow": "report", "arguments": {…}}, "id": …, "time": …}``, or the same ``start`` as an event's
detail. AWS hands an event over at least once; the one rule: the same event starts one instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from nexus_sdk.client.actions import Answer, act
from nexus_sdk.client.client import Client
from nexus_sdk.client.json_views import error_to_json
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InstanceExists, InvalidRequest

Event = Mapping[str, Any]

SCHEDULERS = frozenset({"aws.events", "aws.scheduler"})


def is_sweep(event: Event) -> bool:
    """Whether this is a schedule that asks for nothing: the sweep's."""
    return event.get("source") in SCHEDULERS or event.get("detail-type") == "Scheduled Event"


def start_in(event: Event) -> Mapping[str, Any] | None:
    """The start that an event asks for, None if it asks for none."""
    detail = event.get("detail")
    for holder in (event, detail if isinstance(detail, Mapping) else {}):
        if "start" in holder:
            start = holder["start"]
            if not isinstance(start, Mapping):
                raise InvalidRequest(
                    f"'start' is an object, got {shown(start)}.", hint='{"start": {"workflow": "report"}}'
                )
            return start
    return None


async def begin(client: Client, event: Event, start: Mapping[str, Any], *, seconds: float) -> Answer:
    """Start what a schedule asks for, once for each event.

    ``{time}`` in the instance's id is the event's time. An id that is taken is no failure: the one before still runs,
    or this event came before.

    Raises:
        InvalidRequest: nothing tells this event from the next.
        NexusError: what `Client.start` raises; the event's source tries again.
    """
    fields = dict(start)
    fields.setdefault("request_id", _request_of(event, start))
    if isinstance(fields.get("id"), str) and "{time}" in fields["id"]:
        fields["id"] = fields["id"].replace("{time}", _text(event, "time"))
    try:
        return await act(client, "start", fields, seconds=seconds)
    except InstanceExists as error:
        return {"error": error_to_json(error)}


def _request_of(event: Event, start: Mapping[str, Any]) -> str:
    """What is the same for each delivery of an event, and for no other event."""
    if isinstance(event.get("id"), str):
        return f"event:{event['id']}"
    if isinstance(event.get("time"), str):  # other schedules ring at the same time
        asked = sha256(json.dumps(start, sort_keys=True).encode()).hexdigest()
        return f"schedule:{event['time']}:{asked[:32]}"
    raise InvalidRequest(
        "a start needs the id or the time of its event, or each delivery would start another instance.",
        hint='Let the schedule\'s input name them: {"start": {…}, "time": "<aws.scheduler.scheduled-time>"}.',
    )


def _text(event: Event, name: str) -> str:
    if not isinstance(event.get(name), str):
        raise InvalidRequest(f"the event has no {name!r}, which the instance's id wants.")
    return str(event[name])
