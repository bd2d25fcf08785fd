"""The rows of one incarnation of an instance: their keys, and what lies in them, as far as a snapshot has them.

What is read lazily reads from here, and not from the item that it belongs to: an item that nobody uses any more is
freed at once, and no collection of garbage has to find it. The one rule: nothing is kept here but the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nexus_sdk.store.item import TaskState
from nexus_sdk.store.port import InboxMessage, Send, StoredBatch
from nexus_sdk.store.split import wire
from nexus_sdk.store.split.rows import Row
from nexus_sdk.store.split.snapshot import Snapshot, key_name, task_key


class Incarnation:
    """See the module.

    Attributes:
        seq: of the incarnation; what its rows begin with is made of it.
        snapshot: the rows that were read.
    """

    __slots__ = ("_begin", "seq", "snapshot")

    def __init__(self, seq: int, snapshot: Snapshot) -> None:
        self.seq = seq
        self.snapshot = snapshot
        self._begin = f"{seq:x}"

    # --- keys ---------------------------------------------------------------------------------------------------------

    def key(self, kind: str, name: str) -> str:
        """The key of one of its rows."""
        return f"{self._begin}/{kind}/{key_name(name)}"

    def batch_key(self, run_id: str, number: int) -> str:
        """The key of a batch."""
        return f"{self._begin}/b/{key_name(run_id)}/{number:09d}"

    def mail_key(self, number: int) -> str:
        """The key of the messages that were accepted together, by the number of the first."""
        return f"{self._begin}/m/{number:012d}"

    def reply_key(self, number: int, index: int | str) -> str:
        """The key of what a send of an entry came to."""
        return f"{self._begin}/r/{number:012d}/{index}"

    def outbox_key(self, number: int) -> str:
        """The key of an entry."""
        return f"{self._begin}/o/{number:012d}"

    # --- what lies there: `NotRead` is raised where it was not looked up yet ------------------------------------------

    def has_message(self, name: str) -> bool:
        """Whether a message of this name was accepted."""
        return self.snapshot.row(self.key("k", name)) is not None

    def has_send(self, name: str) -> bool:
        """Whether a send of this name was accepted."""
        return self.snapshot.row(self.key("s", name)) is not None

    def mail(self, number: int) -> Mapping[int, InboxMessage]:
        """The messages that were accepted together, by their numbers."""
        row = self.snapshot.row(self.mail_key(number))
        found = [wire.certain_message(each) for each in wire.unpack(row.data, "messages")] if row is not None else []
        return {message.number: message for message in found}

    def batches(self, run_id: str, number: int | None) -> Sequence[StoredBatch]:
        """The batch of this number, if there is one; None: all of the run."""
        if number is not None:
            row = self.snapshot.row(self.batch_key(run_id, number))
            rows = [row] if row is not None else []
        else:
            rows = list(self.snapshot.under(f"{self._begin}/b/{key_name(run_id)}/"))
        return [wire.batch_of(wire.unpack(row.data, "a batch")) for row in rows]

    def sends(self, number: int) -> tuple[Send, ...]:
        """What is sent to others by an entry."""
        row = self.snapshot.row(self.outbox_key(number))
        return wire.sends_of(wire.unpack(row.data, "an outbox")) if row is not None else ()

    def replies(self, number: int) -> Iterator[tuple[int, InboxMessage | None]]:
        """What was noted about the sends of an entry."""
        for row in self.snapshot.under(self.reply_key(number, "")):
            index, reply = wire.unpack(row.data, "a reply")
            yield index, wire.message_of(reply)


class TaskRows:
    """The tasks of an incarnation.

    Attributes:
        strangers: tasks whose rows were read, and are those of an earlier incarnation.
    """

    __slots__ = ("_rows", "_rung", "_sent_attempts", "strangers")

    def __init__(self, rows: Incarnation, sent_attempts: dict[str, int], rung: dict[str, tuple[int, int]]) -> None:
        self.strangers: set[str] = set()
        self._rows = rows
        self._sent_attempts = sent_attempts
        self._rung = rung

    def read(self, task_id: str) -> TaskState | None:
        """A task; what is known of its messages is noted beside."""
        row = self._rows.snapshot.row(task_key(task_id))
        if row is None:
            return None
        state, sent_attempt, rung, incarnation = wire.state_of(wire.unpack(row.data, "a task"))
        if incarnation != self._rows.seq:
            self.strangers.add(task_id)
            return None
        self._sent_attempts[task_id], self._rung[task_id] = sent_attempt, rung
        return state

    def read_ids(self) -> Iterator[str]:
        """The ids of all tasks that there are."""
        return (task_id_of(row) for row in self._rows.snapshot.under("t/"))


def task_id_of(row: Row) -> str:
    """The task that lies in a row."""
    task_id: str = wire.unpack(row.data, "a task")[0][0]
    return task_id
