"""Batches: what one turn appended. A history is the list of a run's batches, chained by hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from nexus_sdk.core.events import Event
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.payload import Payload

FORMAT = 1
"""The wire form that this version writes."""

PREVIOUS_HASH = "previous_hash"
"""In the metadata of a run's first batch: the hash of the last batch of the run before, in hex. Absent where
nobody wrote it down yet: then nothing vouches for that one batch but itself."""


@quick
@dataclass(frozen=True, slots=True)
class BatchHeader:
    """Who appended a batch, when, and because of what.

    Attributes:
        instance_id, run_id: the run it belongs to.
        number: 1 for the first batch of a run, then without gaps.
        turn_id: random; tells a writer whose reply was lost that the batch is its own.
        causes: ids of the messages that the turn consumed.
        stamped_at_us: the turn's time, microseconds since the epoch; never less than the batch before.
        worker, build: who ran the turn, with which code.
        metadata: open; see `PREVIOUS_HASH`.
    """

    instance_id: str
    run_id: str
    number: int
    turn_id: str
    causes: tuple[str, ...]
    stamped_at_us: int
    worker: str = ""
    build: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one turn. `hash` chains it to the batches before; the first one binds instance and run id.

    `value_bytes` is what the values in its events take, see `value_bytes_of`.
    """

    header: BatchHeader
    events: tuple[Event, ...]
    previous_hash: bytes
    hash: bytes
    value_bytes: int = field(default=0, compare=False)


# --- how long a history is --------------------------------------------------------------------------------------------
# What workflows decide by `HistorySize` must come out the same at every replay. So nothing of it depends on who wrote a
# batch, on how the events are spread over batches, on where the values lie, or whether they were erased since; and the
# three numbers never change.

EVENT_BYTES = 200
"""What an event counts besides its values."""

LONG_EVENTS = 10_000
"""From so many events on a history is long: to replay them takes a good part of a second."""

LONG_BYTES = 10_000_000
"""From so many bytes on a history is long."""


@quick
@dataclass(frozen=True, slots=True)
class HistorySize:
    """How long the history of a run is.

    Attributes:
        events: so many have happened. What holds an instance and lets it go on again (suspended, blocked) is not
            counted.
        bytes: what their values take, encoded, and 200 bytes for each event: about what the store keeps.
    """

    events: int
    bytes: int

    @property
    def is_long(self) -> bool:
        """Whether it is time to continue as new: from 10,000 events or 10,000,000 bytes on."""
        return self.events >= LONG_EVENTS or self.bytes >= LONG_BYTES


def value_bytes_of(events: Iterable[Event]) -> int:
    """What the values in these events take, encoded, wherever they lie."""
    return sum(payload.size for event in events for payload in _payloads(event))


def _payloads(value: Any) -> Iterator[Payload]:
    if isinstance(value, Payload):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _payloads(item)
    elif is_dataclass(value):
        for one in fields(value):
            yield from _payloads(getattr(value, one.name))


@quick
@dataclass(frozen=True, slots=True)
class Message:
    """Something that wakes an instance: an input on its way to the history.

    Attributes:
        id: the same message again has the same id.
        event: the input that is recorded when the message is consumed.
        accepted_at_us: when the store accepted it; messages are applied in this order.
        number: the store's inbox number; breaks ties. 0 for a message that never lay in an inbox.
        run_id: the run it is meant for, None for whichever runs.
    """

    id: str
    event: Event
    accepted_at_us: int
    number: int = 0
    run_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    reply_to: str | None = None
    expires_at_us: int | None = None
    trace: Mapping[str, str] | None = None
