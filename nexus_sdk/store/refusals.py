"""The errors that every store words alike: whose instance, what is wrong with it, and the next step."""

from __future__ import annotations

from nexus_sdk.core.status import Status
from nexus_sdk.errors import InstanceExists, InstanceFinished, InstanceNotFound, StoreError


def not_found(instance_id: str) -> InstanceNotFound:
    """No such instance."""
    return InstanceNotFound(
        f"{instance_id}: no such instance in this store, or it was purged.",
        hint="Check the id and the store URL.",
    )


def purged(instance_id: str) -> InstanceNotFound:
    """The same request's instance was purged."""
    return InstanceNotFound(
        f"{instance_id}: this request's instance was purged; the same request does not bring it back.",
        hint="Start it by a new request (another request id) when you mean to run it again.",
    )


def exists(instance_id: str) -> InstanceExists:
    """Another request has the id."""
    return InstanceExists(
        f"{instance_id}: another request has taken this id.",
        hint="Choose another id, or look at the instance that has it.",
    )


def finished(instance_id: str, status: Status) -> InstanceFinished:
    """It takes no messages any more."""
    return InstanceFinished(
        f"{instance_id}: the instance is {status.value} and takes no more messages.",
        hint="Rewind it to retry its failed step." if status is Status.FAILED else "Start a new instance.",
    )


def unfinished(instance_id: str, status: Status) -> StoreError:
    """Only finished instances can be purged."""
    return StoreError(
        f"{instance_id}: only a finished instance can be purged; this one is {status.value}.",
        hint="Cancel or terminate it first.",
    )
