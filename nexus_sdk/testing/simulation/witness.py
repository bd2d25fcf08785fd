"""Who sees everything that reaches the store, and holds it to the laws after every commit (architecture, section 9: S).

It stands between the processes and the store, looks at what has changed whenever a verb is over, however it ended, and
keeps what a store forgets: what was purged, who was given which task, in which order messages were accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.request import task_id
from nexus_sdk.engine.retrying import DEAD_LETTERED
from nexus_sdk.errors import ConflictError, HistoryCorruptedError, NexusError
from nexus_sdk.store.item import Item
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import (
    Commit,
    Committed,
    Delivery,
    Extended,
    InboxMessage,
    InstanceRecord,
    Lease,
    NewInstance,
    Received,
    Store,
    StoredBatch,
    Task,
    TaskDelivery,
)
from nexus_sdk.testing.laws import LawBroken, Run, breaches
from nexus_sdk.testing.simulation.attempts import Attempts
from nexus_sdk.testing.simulation.bounds import Written, breaches_of_sizes, written_by
from nexus_sdk.testing.simulation.coverage import Coverage, status_change
from nexus_sdk.testing.simulation.stores import MemoryStores, changes_of
from nexus_sdk.testing.simulation.timeliness import Timeliness


@dataclass(slots=True)
class Seen:
    """An instance as far as the witness has seen it. Stays when the instance is purged."""

    item: Item
    record: InstanceRecord | None = None
    runs: dict[str, list[Batch]] = field(default_factory=dict)
    stored: dict[str, list[StoredBatch]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """Of each accepted message: its inbox number, by its id."""
    accepted_us: dict[str, int] = field(default_factory=dict)
    """And when it was accepted."""
    acceptances: Counter[str] = field(default_factory=Counter)
    """And how often."""
    last_number: int = 0
    is_purged: bool = False
    damaged: set[str] = field(default_factory=set)
    """What of it was damaged: see `damage`."""
    damaged_run: str = ""
    """The run of which a batch was."""

    timeliness: dict[str, Timeliness] = field(default_factory=dict)
    """By run."""

    def timeliness_of(self, run_id: str) -> Timeliness:
        """Of one of its runs."""
        if run_id not in self.timeliness:
            self.timeliness[run_id] = Timeliness(self.item.record.id, self.accepted_us)
        return self.timeliness[run_id]

    @property
    def ordered(self) -> list[Run]:
        """All runs, oldest first."""
        return [Run(run_id, batches) for run_id, batches in self.runs.items()]

    @property
    def present(self) -> Run:
        """The present run."""
        return self.ordered[-1]


class Witness:
    """See the module.

    Args:
        store: the store itself.
        coverage: where what was reached is counted.
        on_change: called when something has changed: an instance's id, and what happened to it.
    """

    def __init__(self, store: MemoryStores, coverage: Coverage, on_change: Callable[[str, str], None]) -> None:
        self.store = store
        self.instances: list[Seen] = []
        """In the order of their creation; an id that was purged and taken again is here twice."""
        self.scheduled: set[str] = set()
        """The keys of all activities whose schedule was committed."""
        self.leased: Counter[str] = Counter()
        """How often each of them was given to somebody."""
        self.settled: dict[str, set[str]] = {}
        """By which commits the outcome of each was taken."""
        self.attempts = Attempts()
        self.has_damage = False
        self.has_dead_letters = False
        """Whether a queue gave an activity up, and it failed of that."""
        self._by_id: dict[str, Seen] = {}
        self._workers: list[str] = []
        self._damaged_after: dict[str, int] = {}
        """Of each run that was damaged: how many workers there had been by then."""
        self._requests: set[tuple[str, str]] = set()
        self._looked_at: int | None = None
        """How often the store had changed at the last look."""
        self.coverage = coverage
        self._on_change = on_change

    def look(self) -> None:
        """Take note of what has changed, and hold it to the laws.

        Raises:
            LawBroken: something does not hold.
        """
        changes = changes_of(self.store)
        if changes is not None and changes == self._looked_at:
            return
        self._looked_at = changes
        items: dict[str, Item] = cast("Any", self.store)._items
        for id, item in list(items.items()):
            seen = self._by_id.get(id)
            if seen is None or seen.item is not item:
                seen = self._by_id[id] = Seen(item)
                request = (id, item.record.request_id)
                if request in self._requests:
                    raise LawBroken(f"law 2, {id}: it was purged, and its request has brought it back")
                self._requests.add(request)
                self.instances.append(seen)
            if seen.last_number != item.last_number:
                self._note_messages(seen)
            if seen.record is not item.record:
                self._note_turn(seen)
        if len(items) < len(self._by_id):
            for id in [id for id in self._by_id if id not in items]:
                self._by_id.pop(id).is_purged = True
                self._on_change(id, "purged")

    def find(self, id: str) -> Seen | None:
        """The instance that has this id now."""
        return self._by_id.get(id)

    def note_leases(self, deliveries: Iterable[Delivery], now_us: int) -> None:
        """Somebody, by whose clock it is `now_us`, was given these."""
        for delivery in deliveries:
            if isinstance(delivery, TaskDelivery):
                self.attempts.note_lease(delivery, now_us)
                self.leased[delivery.task.id] += 1
                if isinstance(self.store, MemoryStore) and not delivery.is_cancel_requested:
                    self._check_is_wanted(delivery.task)

    def note_settled(self, deliveries: Iterable[Delivery], by: str) -> None:
        """Law 10: the outcome of a task is taken once, however many hold it."""
        for delivery in deliveries:
            if isinstance(delivery, TaskDelivery):
                takers = self.settled.setdefault(delivery.task.id, set())
                takers.add(by)
                if len(takers) > 1:
                    raise LawBroken(f"law 10: the outcome of task {delivery.task.id} was taken by {sorted(takers)}")

    def check_was_not_made(self, commit: Commit) -> None:
        """Law 1: a commit that is repeated, because its reply was lost, is no conflict."""
        seen = self._by_id.get(commit.record.id)
        for batch in commit.batches[:1]:
            found = seen.item.runs.get(batch.run_id, ()) if seen is not None else ()
            if any(stored.turn_id == batch.turn_id for stored in found):
                raise LawBroken(f"law 1, {commit.record.id}: batch {batch.number} was made, and it was told otherwise")

    def note_worker(self, id: str) -> None:
        """Another worker begins."""
        self._workers.append(id)

    def note_damage(self, seen: Seen, kind: str, *, has_other_head: bool) -> None:
        """A byte of something of this instance was changed; `has_other_head`: of what its chain of hashes covers."""
        self.has_damage = True
        seen.damaged.add(kind)
        if has_other_head:
            seen.damaged_run = seen.item.record.run_id
            self._damaged_after.setdefault(seen.damaged_run, len(self._workers))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _check_is_wanted(self, task: Task) -> None:
        """Law 4: what was still to be done at the end of a run is not begun any more. (Where a verb is one step.)"""
        seen = self._by_id.get(task.instance_id)
        if seen is None or seen.damaged_run == task.run_id:
            return  # what only lost bytes tell of could not be cancelled: decision 0023
        batches = seen.runs.get(task.run_id, [])
        if batches and any(event.is_terminal for event in batches[-1].events):
            raise LawBroken(f"law 4, {task.instance_id}: task {task.id} was given out after the end of its run")

    def _note_messages(self, seen: Seen) -> None:
        item = seen.item
        for number, message in item.inbox.items():
            if number > seen.last_number:
                if message.is_remembered and message.id in seen.numbers:
                    raise LawBroken(f"law 6, {item.record.id}: message {message.id} was accepted twice")
                seen.numbers.setdefault(message.id, number)
                seen.acceptances[message.id] += 1
                seen.accepted_us.setdefault(message.id, message.accepted_at_us)
                self._on_change(item.record.id, f"message {number} {message.id.partition(':')[0]}")
        seen.last_number = item.last_number

    def _note_turn(self, seen: Seen) -> None:
        before, record = seen.record, seen.item.record
        seen.record = record
        fresh = self._take_batches(seen)
        if fresh and not (before is None and len(fresh) == 1):
            self.coverage.transitions[status_change(before.status if before else None, record.status)] += 1
        kinds: list[str] = []
        for batch in fresh:
            for event in batch.events:
                kinds.append(type(event).__name__)
                self._note_event(batch, event)
        self._on_change(record.id, f"batch {record.last_batch} of run {record.run}: {' '.join(kinds)}")
        if before is not None and not fresh and before.status is not record.status:
            raise LawBroken(f"law 5, {record.id}: {before.status} became {record.status} without a batch")
        for batch in fresh:
            self._check_was_readable(batch)
        said: list[str] = []
        if not seen.damaged:
            said += breaches(self._whole(record), seen.ordered)
            for batch in fresh:
                said += seen.timeliness_of(batch.header.run_id).breaches(batch)
        if said:
            raise LawBroken("\n".join(said))

    def _check_was_readable(self, batch: Batch) -> None:
        """Law 13: who began after a history was damaged cannot move the run on; it can only be put aside, or ended."""
        header = batch.header
        known = self._damaged_after.get(header.run_id)
        if known is None or header.worker not in self._workers[known:]:
            return
        # What was suspended is resumed by being blocked.
        allowed = (e.WorkflowBlocked, e.WorkflowTerminated, e.WorkflowResumed)
        moves = [event for event in batch.events if not isinstance(event, allowed)]
        if moves:
            raise LawBroken(f"law 13, {header.instance_id}: its history was damaged, and {moves} went on from it")

    def _take_batches(self, seen: Seen) -> list[Batch]:
        """Law 1, append only, and law 13: what is new, chained to what was there."""
        fresh: list[Batch] = []
        for run_id, now in seen.item.runs.items():
            then = seen.stored.get(run_id, [])
            if len(now) < len(then) or any(a is not b for a, b in zip(then, now, strict=False)):
                raise LawBroken(f"law 1, {seen.item.record.id}, run {run_id}: what was written was changed")
            if len(now) > len(then):
                decoded = [wire.decode_batch(stored.data) for stored in now[len(then) :]]
                known = seen.runs.setdefault(run_id, [])
                try:
                    wire.verify(decoded, after=known[-1] if known else None)
                except HistoryCorruptedError as error:
                    raise LawBroken(f"law 13, {seen.item.record.id}: {error}") from error
                known += decoded
                fresh += decoded
                seen.stored[run_id] = list(now)
        record = seen.item.record
        last = seen.runs[record.run_id][-1] if seen.runs.get(record.run_id) else None
        if last is None or last.hash != record.last_hash:
            raise LawBroken(f"law 13, {record.id}: the record's hash is not that of its last batch")
        return fresh

    def _note_event(self, batch: Batch, event: e.Event) -> None:
        self.coverage.events[type(event).__name__] += 1
        if isinstance(event, e.ActivityScheduled):
            self.scheduled.add(task_id(batch.header.run_id, event.path))
        if isinstance(event, e.ChildCompleted | e.ChildFailed):
            self._check_has_ended(e.ParentRef(batch.header.instance_id, batch.header.run_id, event.path))
        failure = getattr(event, "failure", None)
        self.has_dead_letters |= failure is not None and failure.type == DEAD_LETTERED
        if failure is not None and failure.code:
            self.coverage.codes[failure.code] += 1

    def _check_has_ended(self, parent: e.ParentRef) -> None:
        """Law 11: the outcome that a parent is told is that of the child that it has asked for."""
        for child in self._by_id.values():
            record = child.item.record
            if record.parent == parent and not record.status.is_finished:
                where = f"law 11, {parent.instance_id}"
                raise LawBroken(f"{where}: it was told how {record.id} has ended, and that one is {record.status}")

    def _whole(self, record: InstanceRecord) -> InstanceRecord:
        """The record with the payloads that lie apart."""
        blobs = cast("Any", self.store)._blobs.get(record.id, {})
        status, failure = (data and wire.set_in(data, blobs) for data in (record.custom_status, record.failure))
        return replace(record, custom_status=status, failure=failure)


class WitnessedStore:
    """A store with its witness: every verb is the store's own."""

    def __init__(self, inner: Store, witness: Witness, profile: str, is_fatal: Callable[[LawBroken], None]) -> None:
        self._inner = inner
        self._profile = profile
        self._witness = witness
        self._is_fatal = is_fatal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """See `Store.create`."""
        self._measure([new])
        record: InstanceRecord = await self._seen(self._inner.create(new, now_us=now_us))
        return record

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """See `Store.retry`."""
        self._measure([task])
        self._holds(lambda: self._witness.attempts.note_retry(task, now_us))
        await self._seen(self._inner.retry(delivery, task, now_us=now_us))

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """See `Store.commit`."""
        self._measure(written_by(commit))
        self._witness.attempts.note_time(now_us)
        try:
            committed: Committed = await self._seen(self._inner.commit(commit, now_us=now_us))
        except ConflictError:
            self._holds(lambda: self._witness.check_was_not_made(commit))
            raise
        if commit.batches:  # otherwise what was settled means nothing any more: it was taken before
            self._note(commit.settles, commit.batches[0].turn_id)
        self._holds(lambda: self._witness.note_leases(committed.deliveries, now_us))
        return committed

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """See `Store.send`."""
        self._measure(messages)
        await self._seen(self._inner.send(messages, now_us=now_us, settles=settles))
        for delivery in settles:
            self._note((delivery,), f"message {messages[0].id} of {delivery.token}")

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """See `Store.release`."""
        self._witness.attempts.note_given_back(delivery)
        await self._seen(self._inner.release(delivery, now_us=now_us, not_before_us=not_before_us))

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """See `Store.receive`."""
        self._witness.attempts.note_time(now_us)
        received: Received = await self._seen(self._inner.receive(queues, limit=limit, lease=lease, now_us=now_us))
        self._holds(lambda: self._witness.note_leases(received.deliveries, now_us))
        return received

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """See `Store.extend`."""
        call = self._inner.extend(delivery, lease=lease, now_us=now_us, details=details)
        extended: Extended = await self._seen(call)
        if details is not None and not extended.is_lost and isinstance(delivery, TaskDelivery):
            self._witness.attempts.note_details(delivery.task)
        return extended

    async def due(self, *args: Any, **named: Any) -> Any:
        """See `Store.due`."""
        return await self._seen(self._inner.due(*args, **named))

    async def purge(self, *args: Any, **named: Any) -> Any:
        """See `Store.purge`."""
        return await self._seen(self._inner.purge(*args, **named))

    async def _seen(self, call: Any) -> Any:
        try:
            return await call
        except NexusError as error:
            self._witness.coverage.codes[error.code] += 1
            raise
        finally:
            call.close()
            try:
                self._witness.look()
            except LawBroken as broken:
                self._is_fatal(broken)

    def _measure(self, what: Iterable[Written]) -> None:
        """What a cloud would refuse for its size, however often it is tried."""
        for breach in breaches_of_sizes(self._profile, what):
            self._is_fatal(LawBroken(breach))

    def _note(self, settles: Iterable[Delivery], by: str) -> None:
        self._holds(lambda: self._witness.note_settled(settles, by))

    def _holds(self, check: Callable[[], None]) -> None:
        try:
            check()
        except LawBroken as broken:
            self._is_fatal(broken)
