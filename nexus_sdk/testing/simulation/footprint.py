"""How many rows a change writes where an instance is a head and rows around it (see `nexus_sdk.store.split.row_item`).

The simulated table changes items, taken whole; the clouds' write rows, so many in a transaction and no more. The one
rule: what is counted are the rows that have to be written together. What is merely erased may follow later.

How many bytes they are does not matter: what is too large for a row, or for the rest, is put among the blobs first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nexus_sdk.store.split.item import SplitItem


@dataclass(frozen=True, slots=True)
class Footprint:
    """What of an item lies in rows of its own.

    Attributes:
        batches: of each run, how many. Where several open a run, all but the first may be written before the rest.
        marks: how many ids of messages, and keys of sends, are remembered.
        last_number: of the messages; those that are accepted together are a row.
        tasks: by id, everything that is written of each.
        replies: by entry of the outbox that has a row: of how many of its sends it is written what they came to.
    """

    batches: Mapping[str, int] = field(default_factory=dict)
    marks: int = 0
    last_number: int = 0
    tasks: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    replies: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, item: SplitItem | None) -> Footprint | None:
        """Of an item as it is now; None where there is none."""
        if item is None:
            return None
        tasks = {
            id: (
                *(state.task, state.hold.token, state.hold.until_us, state.deliveries),
                *(state.is_cancel_requested, state.dead_letter, item.sent_attempts.get(id), item.rung.get(id)),
            )
            for id, state in item.tasks.items()
        }
        return cls(
            {run_id: len(batches) for run_id, batches in item.runs.items()},
            len(item.seen) + len(item.remembered_ids),
            item.last_number,
            tasks,
            {entry.number: len(entry.replies) for entry in item.outbox if entry.has_sends},
        )


GRAVE_ROWS = 2
"""A purge takes the head away, and leaves a tombstone."""


def rows_between(before: Footprint | None, after: Footprint | None) -> int:
    """How many rows have to be written together to come from one to the other, the head among them."""
    if after is None:
        return GRAVE_ROWS if before is not None else 0
    known = before or Footprint()
    tasks = sum(known.tasks.get(id) != after.tasks.get(id) for id in known.tasks.keys() | after.tasks.keys())
    replies = sum(count - known.replies.get(number, -1) for number, count in after.replies.items())
    mail = int(after.last_number > known.last_number)
    batches = sum(
        count - known.batches[run_id] if run_id in known.batches else 1 for run_id, count in after.batches.items()
    )
    return 1 + tasks + replies + mail + batches + after.marks - known.marks
