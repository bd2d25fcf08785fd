"""What clients see of instances and errors, as data that `json.dumps` takes."""

from __future__ import annotations

from typing import Any

from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.codec.wire_json import Opaque, failure_to_json, value_to_json
from nexus_sdk.errors import NexusError, WorkflowEnded


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
        "custom_status": value_shown(status.custom_status),
        "failure": None if status.failure is None else failure_to_json(status.failure),
        "attributes": dict(status.attributes),
        "parent_id": status.parent_id,
    }


def error_to_json(error: NexusError) -> dict[str, Any]:
    """An error as data; of an instance that ended so, the failure too."""
    said: dict[str, Any] = {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "hint": error.hint or None,
    }
    if isinstance(error, WorkflowEnded) and error.failure is not None:
        said["failure"] = failure_to_json(error.failure)
    return said


def value_shown(value: Any) -> Any:
    """A user's value as JSON data; its repr where it has none. What is opaque stays so."""
    if isinstance(value, Opaque):
        return value
    try:
        return value_to_json(value)
    except Exception:  # a value of an app with a codec of its own; showing it must not fail
        return repr(value)
