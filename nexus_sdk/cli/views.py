"""Instances and histories as data and as words: what several commands show of them. Pure."""

from __future__ import annotations

from nexus_sdk.client.json_views import status_to_json as status_to_json
from nexus_sdk.core.failure import Failure


def failure_text(failure: Failure) -> str:
    """A failure in a few words: its type, and its message where it has one."""
    return f"{failure.type}: {failure.message}" if failure.message else failure.type


def instances_text(number: int) -> str:
    """So many instances, in words."""
    return "1 instance" if number == 1 else f"{number:,} instances"
