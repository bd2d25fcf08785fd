"""Instance records as bytes. The one rule: fields are only ever appended, and a reader fills in what is missing."""

from __future__ import annotations

from typing import Any

import msgpack

from nexus_sdk.core.events import ParentRef
from nexus_sdk.core.status import Status
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import InstanceRecord


def pack(record: InstanceRecord) -> bytes:
    """The record as one blob."""
    parent = record.parent
    packed: bytes = msgpack.packb(
        (
            record.id,
            record.run_id,
            record.run,
            record.status.value,
            record.workflow,
            record.version,
            record.created_us,
            record.updated_us,
            record.last_batch,
            record.last_hash,
            record.request_id,
            record.start_digest,
            record.namespace,
            record.program,
            record.definition_digest,
            record.build,
            (parent.instance_id, parent.run_id, parent.path) if parent is not None else None,
            record.is_detached,
            record.root,
            record.priority,
            dict(record.attributes),
            dict(record.trace),
            record.custom_status,
            record.failure,
            record.wake_at_us,
            record.held_through,
            record.encoding,
        )
    )
    return packed


def unpack(data: bytes) -> InstanceRecord:
    """The record in a blob.

    Raises:
        HistoryCorruptedError: these are not the bytes of a record.
    """
    try:
        fields: list[Any] = msgpack.unpackb(data)
        fields[3] = Status(fields[3])
        if fields[16] is not None:
            fields[16] = ParentRef(*fields[16])
        return InstanceRecord(*fields)
    except Exception as error:  # garbage fails in too many ways to list
        raise HistoryCorruptedError(
            f"{len(data):,} bytes in the table of instances are not a record ({type(error).__name__}: {error!s:.200}).",
            hint="The file was changed by something else, or a newer version wrote it. Restore it from a backup.",
        ) from error


def pack_attributes(record: InstanceRecord) -> bytes | None:
    """The attributes alone, to see whether they changed; None when there are none."""
    packed: bytes | None = msgpack.packb(dict(record.attributes)) if record.attributes else None
    return packed


def attribute_text(value: str | int | float | bool) -> str:
    """The text under which an attribute's value is indexed: equal values of one kind have one text."""
    if isinstance(value, bool):
        return f"b{int(value)}"
    if isinstance(value, str):
        return f"s{value}"
    return f"n{int(value)}" if value == value and abs(value) != float("inf") and value == int(value) else f"n{value!r}"
