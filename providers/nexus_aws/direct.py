"""Direct calls of a function: ``{"action": "start", "workflow": "fulfil", "id": "order-42", "arguments": {…}}``.

The actions and their fields are those of `nexus_sdk.client.actions`, and ``sweep``. Whatever is wrong comes back as
``{"error": {"code": …, "message": …, "hint": …}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nexus_aws.gateway import too_large
from nexus_aws.limits import RESPONSE_BYTES_MAX
from nexus_sdk.client.actions import ACTIONS, act
from nexus_sdk.client.client import Client
from nexus_sdk.client.json_views import error_to_json
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidRequest, NexusError


async def answer(client: Client, event: Any, *, seconds: float) -> dict[str, Any]:
    """The answer to a call.

    Args:
        seconds: how long it may take.
    """
    try:
        fields = _fields_of(event)
        said = await act(client, fields.pop("action"), fields, seconds=seconds)
        if len(json.dumps(said)) > RESPONSE_BYTES_MAX:
            raise too_large()
        return said
    except NexusError as error:
        return {"error": error_to_json(error)}


def _fields_of(event: Any) -> dict[str, Any]:
    if not isinstance(event, Mapping) or "action" not in event:
        known = ", ".join(sorted([*ACTIONS, "sweep"]))
        raise InvalidRequest(
            f"This function does not know such an event: {shown(event)}, an object without 'action'."
            if isinstance(event, Mapping)
            else f"This function is called with an object, got {shown(event)}.",
            hint=f'For example: {{"action": "status", "id": "order-42"}}. Actions: {known}.',
        )
    return dict(event)
