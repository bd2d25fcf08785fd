"""Whether what lies in a store fits into what the clouds have: items, entities, documents, writes of several, messages.

Looked at when a run is at rest, and whenever something is written through the port (`breaches_of_commit`, …): an item
that is too large would be refused there, and the engine would be told so for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nexus_sdk.store.port import Commit, InboxMessage, InstanceRecord, NewInstance, Send, Task
from nexus_sdk.testing.simulation.stores import CLOUDS, MemoryStores, SimulatedSplitStore, queue_of

Written = Send | InstanceRecord | bytes
"""What is made an item of; bytes: a batch."""

OVERHEAD_BYTES = 2_000
"""What a record, an inbox entry or a task has beside its bodies: names, ids, times."""


def breaches_of_sizes(profile: str, what: Iterable[Written]) -> Iterator[str]:
    """What does not fit into an item of this cloud."""
    cloud = CLOUDS.get(profile)
    if cloud is None:
        return
    for one in what:
        size = _size(one) + OVERHEAD_BYTES
        if size > cloud.item_bytes_max:
            yield f"{type(one).__name__} of {size:,} bytes: an item of {profile} has {cloud.item_bytes_max:,} at most"


def written_by(commit: Commit) -> Iterator[Written]:
    """What a commit makes items of."""
    yield commit.record
    yield from (batch.data for batch in commit.batches)
    yield from commit.sends


def breaches_of_bounds(store: MemoryStores, profile: str) -> Iterator[str]:
    """Messages that their queue would not take, and writes of more rows than a transaction has."""
    cloud, queue = CLOUDS.get(profile), queue_of(store)
    if cloud is None or queue is None:
        return
    if isinstance(store, SimulatedSplitStore) and store.table.most_rows > cloud.rows_max:
        yield f"a write of {store.table.most_rows} rows: a transaction of {profile} takes {cloud.rows_max} at most"
    for ring in queue.all():
        size = len(repr(ring).encode())
        if size > cloud.message_bytes_max:
            yield f"a message of {size:,} bytes: a queue of {profile} takes {cloud.message_bytes_max:,} at most"


def _size(one: Written) -> int:
    match one:
        case bytes():
            return len(one)
        case InstanceRecord():
            return len(one.custom_status or b"") + len(one.failure or b"") + len(repr(dict(one.attributes)))
        case InboxMessage():
            return len(one.body)
        case Task():
            return len(one.body) + len(one.details or b"")
        case NewInstance():
            return len(one.batch.data) + (len(one.message.body) if one.message is not None else 0)
        case _:
            return 0
