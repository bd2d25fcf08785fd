"""Events and batches as JSON, for people and scripts. The one rule: what is shown can be read back.

Values are shown decoded where they can be, points in time as ISO text beside the microseconds. For reading back, a
batch carries its exact bytes in `wire`; everything else in it is a view.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from nexus_sdk.codec import plain
from nexus_sdk.codec.base import NO_VALUE
from nexus_sdk.codec.values import MSGPACK, MsgpackCodec
from nexus_sdk.codec.wire import decode_batch, encode_batch
from nexus_sdk.core.events import Event
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import DETAILS, Codec, Payload
from nexus_sdk.errors import HistoryCorruptedError, NexusError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODEC = MsgpackCodec(payload_bytes_max=1 << 40)
_MOMENTS = ("_at_us", "due_us", "first_started_us")


class Opaque(dict[str, Any]):
    """What is known of a payload whose value cannot be shown. `text` says it to people."""

    @property
    def text(self) -> str:
        """For example: ``<58 bytes, msgpack+aes-gcm, key '2026'>``."""
        said = [f"{self['size']:,} bytes" if "size" in self else "", self["encoding"]]
        said += [f"key {self['key_id']!r}" if "key_id" in self else "", self.get("unreadable", "")]
        return f"<{', '.join(part for part in said if part)}>"


def event_to_json(event: Event, codec: Codec | None = None) -> dict[str, Any]:
    """An event as data that `json.dumps` takes: its class's name as `event`, then its fields.

    Args:
        codec: what decodes the values, bound to the instance whose history this is; by default what needs no key.
    """
    return {"event": type(event).__name__, **_fields_to_json(event, codec)}


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """A failure as data that `json.dumps` takes, with its causes."""
    return _fields_to_json(failure, None)


def value_to_json(value: Any) -> Any:
    """A user's value as data that `json.dumps` takes: as it would be recorded, text where JSON has no notation.

    Raises:
        PayloadError: it cannot be encoded.
    """
    return payload_to_json(_CODEC.encode(value), None)


def batch_to_json(batch: Batch, *, data: bytes | None = None, codec: Codec | None = None) -> dict[str, Any]:
    """A batch as data that `json.dumps` takes.

    Args:
        data: its stored bytes; made anew by default (which differs when it holds what this version does not know).
        codec: see `event_to_json`. `wire` keeps the bytes as they are.
    """
    if data is None:
        data, _ = encode_batch(batch.header, batch.events, batch.previous_hash)
    return {
        **_fields_to_json(batch.header, None),
        "events": [event_to_json(event, codec) for event in batch.events],
        "previous_hash": batch.previous_hash.hex(),
        "hash": batch.hash.hex(),
        "wire": _base64(data),
    }


def batch_from_json(exported: Mapping[str, Any]) -> Batch:
    """The batch that `batch_to_json` showed.

    Raises:
        HistoryCorruptedError: this is not an exported batch, or was changed.
    """
    wire = exported.get("wire")
    if not isinstance(wire, str):
        raise HistoryCorruptedError(
            "this is not an exported batch: it has no field 'wire'.", hint="Export it with `nexus history ID --json`."
        )
    try:
        data = base64.b64decode(wire, validate=True)
    except ValueError as error:
        raise HistoryCorruptedError(
            f"the field 'wire' of an exported batch is not base64: {error}.", hint="Export the history again."
        ) from error
    return decode_batch(data)


def _fields_to_json(value: Any, codec: Codec | None) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        shown[field.name] = _to_json(item, codec)
        if isinstance(item, int) and field.name.endswith(_MOMENTS):
            shown[field.name.removesuffix("_us")] = _iso(item)
    return shown


def _to_json(value: Any, codec: Codec | None) -> Any:
    """A field of an event."""
    if isinstance(value, Payload):
        return payload_to_json(value, codec)
    if isinstance(value, Event):
        return event_to_json(value, codec)
    if isinstance(value, Failure):
        return _fields_to_json(value, None if codec is None else codec.bound_to(DETAILS))
    if is_dataclass(value):
        return _fields_to_json(value, codec)
    if isinstance(value, tuple):
        return [_to_json(item, codec) for item in value]
    return _value_to_json(value)


def payload_to_json(payload: Payload, codec: Codec | None) -> Any:
    """The value where it can be shown; what is known of it, as `Opaque`, otherwise.

    Args:
        codec: see `event_to_json`.
    """
    if payload.encoding == NO_VALUE.encoding:
        return None
    known: dict[str, Any] = {"encoding": payload.encoding, "size": payload.size, "digest": payload.digest.hex()}
    if payload.data is not None:
        try:
            if payload.encoding == MSGPACK:
                return _value_to_json(plain.look(payload.data))
            if codec is not None and codec.can_read(payload.encoding):
                return _value_to_json(codec.decode(payload))
        except Exception as error:  # bytes and classes may be anything; the view says so and goes on
            said = error.message if isinstance(error, NexusError) else str(error)
            known["unreadable"] = said.partition("\n")[0]
    more = {"schema": payload.schema, "key_id": payload.key_id, "reference": payload.reference}
    known |= {name: item for name, item in more.items() if item is not None}
    return Opaque(known if payload.data is None else {**known, "base64": _base64(payload.data)})


def _value_to_json(value: Any) -> Any:
    """A decoded value: JSON where JSON has a notation, text where it has none."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no nan and no infinity
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _value_to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, range):
        return [_value_to_json(item) for item in value]
    if isinstance(value, AbstractSet):
        return sorted((_value_to_json(item) for item in value), key=repr)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _iso(moment_us: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=moment_us)).isoformat()
    except OverflowError:
        return "beyond the year 9999"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
