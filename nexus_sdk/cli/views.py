"""Instances and histories as data and as words: what several commands show of them. Pure."""

from __future__ import annotations

from typing import Any

from nexus_sdk.cli import output
from nexus_sdk.client.status import InstanceStatus
from nexus_sdk.codec.wire_json import failure_to_json
from nexus_sdk.core.failure import Failure


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
        "custom_status": output.plain(status.custom_status),
        "failure": None if status.failure is None else failure_to_json(status.failure),
        "attributes": dict(status.attributes),
        "parent_id": status.parent_id,
    }


def failure_text(failure: Failure) -> str:
    """A failure in a few words: its type, and its message where it has one."""
    return f"{failure.type}: {failure.message}" if failure.message else failure.type


def instances_text(number: int) -> str:
    """So many instances, in words."""
    return "1 instance" if number == 1 else f"{number:,} instances"
