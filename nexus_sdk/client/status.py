"""What a client sees of an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

from nexus_sdk.authoring.duration import datetime_of
from nexus_sdk.codec import wire
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.status import Status
from nexus_sdk.errors import PayloadUnreadable
from nexus_sdk.store.port import InstanceRecord


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """An instance as of one moment. `failure` says why it failed or is blocked.

    Attributes:
        created_at, updated_at: aware UTC; when it was started, and its last turn.
        run: 1 for the first; counts up at each continue-as-new and rewind.
        custom_status: what the workflow set with `ctx.set_status`, None if nothing. Where the codec that asks cannot
            read it (it lacks the key, say), what can be shown of it: a dict with its `encoding` and `size`.
        failure: its `.type`, `.message`, `.code` and `.traceback`; None while nothing is wrong.
        attributes: those it was started with.
        parent_id: the instance that started it as a child, None if no other did.
    """

    id: str
    status: Status
    workflow: str
    version: str
    run: int
    created_at: datetime
    updated_at: datetime
    custom_status: Any
    failure: Failure | None
    attributes: Mapping[str, str | int | float | bool]
    parent_id: str | None = None


class Page(Sequence[InstanceStatus]):
    """A page of instances, newest first; `cursor` asks for the next one, None on the last."""

    def __init__(self, items: Sequence[InstanceStatus], cursor: str | None) -> None:
        self._items = tuple(items)
        self.cursor = cursor

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> InstanceStatus: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[InstanceStatus]: ...
    def __getitem__(self, index: int | slice) -> InstanceStatus | Sequence[InstanceStatus]:
        return self._items[index]

    def __repr__(self) -> str:
        return f"<page of {len(self)} instances{'' if self.cursor is None else ', more to come'}>"


def status_of(record: InstanceRecord, codec: Codec) -> InstanceStatus:
    """The client's view of a record."""
    return InstanceStatus(
        record.id,
        record.status,
        record.workflow,
        record.version,
        record.run,
        datetime_of(record.created_us),
        datetime_of(record.updated_us),
        None if record.custom_status is None else _value_of(record.custom_status, codec.bound_to(record.id)),
        None if record.failure is None else wire.decode_failure(record.failure),
        dict(record.attributes),
        record.parent.instance_id if record.parent else None,
    )


def _value_of(data: bytes, codec: Codec) -> Any:
    """A custom status. To look at an instance, or to list it among others, needs nobody's key."""
    payload = wire.decode_payload(data)
    try:
        return codec.decode(payload)
    except PayloadUnreadable:
        from nexus_sdk.codec.wire_json import payload_to_json

        return payload_to_json(payload, codec)
