"""Batches: what one turn appended. A history is the list of a run's batches, chained by hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nexus_sdk.core.events import Event
from nexus_sdk.core.frozen import quick

FORMAT = 1
"""The wire form that this version writes."""


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
        metadata: open, for later.
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
    """The events of one turn. `hash` chains it to the batches before; the first one binds instance and run id."""

    header: BatchHeader
    events: tuple[Event, ...]
    previous_hash: bytes
    hash: bytes


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
