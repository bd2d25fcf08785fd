"""The store port: the one narrow protocol that every store speaks, each verb with its law.

The port knows records, batches, messages and leases, and nothing of what they mean: bodies are opaque bytes that the
engine writes and reads. Every time is an argument (`now_us`, microseconds since the epoch), so that a fake clock
reaches the database; no store reads a clock for anything that can be observed.

The one rule: **nothing is visible before `commit` returns, nothing is lost after it.**
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nexus_sdk.core.events import ParentRef
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.status import Status

TURNS = "nexus:turns"
"""The reserved queue on which instances that need a turn are delivered."""

LOCAL = "nexus:local"
"""The reserved queue of local activities: handed to the committer by its claim, without a queue hop; whoever serves
this queue gets them only when that lease has run out."""


# --- values ---------------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """Everything about an instance that can be read without its history. A function of the history; an index to it.

    `last_batch` and `last_hash` are the fence of `commit`. `wake_at_us` is when the instance wants a turn even if no
    message comes (None: never). `encoding` is that of the arguments it was started with: who sends it something encodes
    likewise. `held_through` is set while the instance is held: inbox messages up to this number do
    not make it ready; a later one does.
    """

    id: str
    run_id: str
    run: int
    status: Status
    workflow: str
    version: str
    created_us: int
    updated_us: int
    last_batch: int
    last_hash: bytes
    request_id: str
    start_digest: bytes
    namespace: str = "default"
    program: str = "python"
    definition_digest: str = ""
    build: str = ""
    parent: ParentRef | None = None
    is_detached: bool = False
    root: str = ""
    priority: int = 0
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    trace: Mapping[str, str] = field(default_factory=dict)
    custom_status: bytes | None = None
    failure: bytes | None = None
    wake_at_us: int | None = None
    held_through: int | None = None
    encoding: str = ""


@quick
@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One immutable batch of one run. `(instance_id, run_id, number)` is its key."""

    run_id: str
    number: int
    turn_id: str
    data: bytes


@quick
@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message for an instance.

    Attributes:
        id: idempotency key within the instance.
        is_remembered: the id is remembered until the instance is purged, so that a message with it is accepted
            (as a repetition, without effect) even after it was consumed. Otherwise only while it lies in the inbox.
        if_accepted, if_refused, if_finished: sent in the same breath to *their* instance: when this message was
            accepted; when it was refused because its instance is unknown; when it was refused because its instance
            is known but has finished (without `if_finished`, `if_refused` says that too). Only for messages in
            `Commit.sends`; a reply that is itself refused is dropped.
        accepted_at_us, number: filled in by the store when it accepts: the order of the instance's inputs.
    """

    id: str
    instance_id: str
    body: bytes
    is_remembered: bool = False
    if_accepted: InboxMessage | None = None
    if_refused: InboxMessage | None = None
    if_finished: InboxMessage | None = None
    accepted_at_us: int = 0
    number: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Task:
    """A message that asks for an activity.

    Attributes:
        id: deterministic (run id and operation path); one task exists per operation, its attempts replace each other.
        not_before_us: not delivered earlier.
        attempt: the number of the attempt that the next delivery makes.
        details: the last heartbeat details.
        body: opaque: what to run, and the log of the attempts so far.
    """

    id: str
    queue: str
    instance_id: str
    run_id: str
    body: bytes
    not_before_us: int = 0
    attempt: int = 1
    priority: int = 0
    details: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance to be created with its first batch and the message that wakes it.

    Without a message it is woken by its record's `wake_at_us` alone: a start that is put off.
    `if_refused` is sent (to the creator) when another request has taken the id; the same request again is no refusal.
    Only meaningful in `Commit.sends`.
    """

    record: InstanceRecord
    batch: StoredBatch
    message: InboxMessage | None = None
    if_refused: InboxMessage | None = None


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Asks that a task be stopped.

    A task that nobody holds is removed and `if_removed` sent; one that is held is marked, so that its holder learns
    it from `extend`, and so that a later delivery (after a lost lease or a retry) says so too. Unknown: no effect.
    """

    task_id: str
    instance_id: str
    if_removed: InboxMessage


Send = InboxMessage | Task | NewInstance | CancelTask
"""What a turn may send."""


@dataclass(frozen=True, slots=True)
class TurnDelivery:
    """An instance that needs a turn, leased: its pending messages, in the order of acceptance.

    Attributes:
        run_id, last_batch: where the instance was when these messages were pending. At any other batch some of them
            may have been consumed, by another holder or without a delivery: then they are to be loaded anew.
        loaded: what `load` would return, where the store had it at hand: of an instance that never had a turn.
    """

    instance_id: str
    token: str
    messages: tuple[InboxMessage, ...] = ()
    run_id: str = ""
    last_batch: int = 0
    loaded: Loaded | None = None


@quick
@dataclass(frozen=True, slots=True)
class TaskDelivery:
    """An activity to be run, leased.

    `task.attempt` counts: a delivery after a lost lease has the next number. `deliveries` says how often this
    attempt's message was delivered (1: nobody had it before). `is_cancel_requested`: do not start it. `dead_letter`:
    not empty when the store's queue has given the task up, and why; do not start it, it has failed for that reason.
    """

    task: Task
    token: str
    deliveries: int = 1
    is_cancel_requested: bool = False
    dead_letter: str = ""


Delivery = TurnDelivery | TaskDelivery
"""A leased message."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who takes deliveries, and for how long they are his without an `extend`."""

    holder: str
    seconds: float


@quick
@dataclass(frozen=True, slots=True)
class Claim:
    """What a commit may hand out at once: up to `limit` tasks of these queues, those just sent first.

    Local tasks that the commit itself sends are always handed out, beyond the limit.
    """

    queues: frozenset[str]
    limit: int
    lease: Lease


@quick
@dataclass(frozen=True, slots=True)
class Commit:
    """One turn, to be made durable.

    Its identity is the key and the turn id of its first batch: by them it is known again when it is repeated.

    Attributes:
        expected: the batch number that was the last when the turn was replayed, with `expected_run_id`: the fence.
        record: the instance after the turn; the store keeps it as it is.
        batches: what is appended. Usually one; a turn that ends a run and opens the next has the last batch of the
            old run and the first of the new one.
        sends: in order.
        consumed: numbers of the inbox messages that the turn used up.
        settles: deliveries that are done with. One whose lease another holder has taken: `ConflictError`.
        claim: see `Claim`.
    """

    record: InstanceRecord
    expected_run_id: str
    expected: int
    batches: tuple[StoredBatch, ...]
    sends: tuple[Send, ...] = ()
    consumed: tuple[int, ...] = ()
    settles: tuple[Delivery, ...] = ()
    claim: Claim | None = None


@quick
@dataclass(frozen=True, slots=True)
class Committed:
    """The reply to a commit: what the claim leased, and whether the instance is ready for another turn already."""

    deliveries: tuple[TaskDelivery, ...] = ()
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """The reply to `receive`. `next_due_us`: the earliest time known now at which there may be more, if any."""

    deliveries: tuple[Delivery, ...] = ()
    next_due_us: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """An instance as of one moment: record, the batches asked for, and all its pending messages in order."""

    record: InstanceRecord
    batches: tuple[StoredBatch, ...]
    messages: tuple[InboxMessage, ...]


@dataclass(frozen=True, slots=True)
class Extended:
    """The reply to `extend`: whether the lease is lost (then stop), and whether cancellation was requested."""

    is_lost: bool = False
    is_cancel_requested: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which instances to list or count. Empty fields do not restrict. Newest first.

    Created at or after `created_after_us`, and before `created_before_us`. Attributes must be equal: a bool only to a
    bool, numbers by value.
    """

    statuses: frozenset[Status] = frozenset()
    workflow: str | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    created_after_us: int | None = None
    created_before_us: int | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of a list; `cursor` asks for the next one and is None on the last."""

    records: tuple[InstanceRecord, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can and cannot do; read by the engine instead of being discovered by exceptions.

    Attributes:
        can_pull: `receive` works; otherwise deliveries are pushed to a function.
        can_extend: leases can be prolonged.
        lease_seconds_max: longest lease, None for any. Workers ask for no longer one.
        payload_bytes_max: largest payload that travels inline; larger ones are put among the instance's blobs. A body
            is that and what is said around it: names, and what failed before. A record holds two.
        commit_bytes_max: largest batch of one commit.
        settles_max: so many deliveries a commit settles together with its batch; a turn takes no more.
        delay_seconds_max: longest delay of a queue message; longer ones the store keeps itself.
        list_lag_seconds: how far `list` and `count` may lag behind.
        is_durable: acknowledged writes survive the process.
        is_shared: several processes may use it at the same time.
    """

    can_pull: bool = True
    can_extend: bool = True
    lease_seconds_max: float | None = None
    payload_bytes_max: int = 256_000
    commit_bytes_max: int = 64_000_000
    settles_max: int | None = None
    delay_seconds_max: float | None = None
    list_lag_seconds: float = 0.0
    is_durable: bool = True
    is_shared: bool = True


# --- the port -------------------------------------------------------------------------------------------------------


class Store(Protocol):
    """Durable storage for instances, their histories, messages and tasks.

    Every verb may raise `StoreUnavailable`. After that it is unknown whether it took place (its reply may be what was
    lost). Repeat it with the same arguments: being idempotent, it then takes place once.
    """

    capabilities: Capabilities

    async def create(self, new: NewInstance, *, now_us: int) -> InstanceRecord:
        """Create an instance: record, first batch and first message (if any) become visible together, or not at all.

        Idempotent by instance id and `record.request_id`: the same request again changes nothing and returns the
        instance's present record.

        Raises:
            InstanceExists: another request has taken the id.
            InstanceNotFound: this very request's instance was purged, and its tombstone still stands.
        """

    async def load(self, instance_id: str, *, run_id: str | None = None, after: int = 0) -> Loaded:
        """The record, the batches past number `after`, and the pending messages, consistent with each other.

        Args:
            run_id: whose batches; the present run's by default. When it is not the present run, `after` counts in
                that run, and the record and messages are still the present ones.
                When `after` is past what exists, no batches are returned.

        Raises:
            InstanceNotFound: no such instance, or it was purged.
        """

    async def find(self, instance_id: str) -> InstanceRecord:
        """The record alone: cheap.

        Raises:
            InstanceNotFound: no such instance, or it was purged.
        """

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        """**The single way forward.** Appends the batches, replaces the record, makes the sends, removes the consumed
        messages, settles the deliveries: observably at once, or not at all.

        Conditional on the record's present run id and last batch being the expected ones: that is the fence; leases
        only save wasted work. A settled delivery's lease must not have been taken by another holder.
        A settled `TurnDelivery` frees the instance for the next turn; a settled task is gone.

        **The same commit again is a success.** When the fence does not hold, but the first of `batches` is there
        already under its turn id, this very commit was made before and its reply was lost. Then nothing changes
        (sends that are still to be made are made), and the reply has those of the tasks in `sends` that the claim's
        holder has leased and that are not settled, under their present tokens; a holder knows by the token what it
        has received otherwise. Older tasks that the first reply handed out wait until their lease runs out.
        A commit without batches has no identity: when a repetition of it conflicts, that is a `ConflictError`.

        Sends: an `InboxMessage` whose instance is unknown or finished is refused (see `InboxMessage.if_refused`),
        which fails nothing. A `NewInstance` whose id another request has is refused likewise. A `Task` whose id
        exists already changes nothing.

        Raises:
            ConflictError: somebody else moved the instance on, holds a settled delivery, or has settled that task
                already. Nothing was written.
            InstanceNotFound: it was purged meanwhile.
        """

    async def send(self, messages: Sequence[InboxMessage], *, now_us: int, settles: Sequence[Delivery] = ()) -> None:
        """Make messages durable and wake their instances. Accepted while the instance is not finished.

        Idempotent by message id within the instance: sending twice changes nothing. Messages of one instance are
        totally ordered by acceptance: each gets the next inbox number, and a time not before its predecessor's. They
        stay until the instance consumes them, however long it sleeps, is suspended or blocked. `settles` are done
        with in the same breath (on split stores: right after).

        Raises:
            InstanceNotFound, InstanceFinished: then none of the messages was accepted, and the deliveries are still
                held. A repetition of an accepted message is no error, even when its instance has finished since.
            ConflictError: a settled delivery is held by another; none of the messages was accepted. Where both are so,
                either may be told.
        """

    async def receive(self, queues: Sequence[str], *, limit: int, lease: Lease, now_us: int) -> Received:
        """Lease what is ready on these queues, at once and without waiting, at most `limit` deliveries.

        On `TURNS`: every unfinished instance that has pending messages (past `held_through` when that is set) or
        whose `wake_at_us` has come, with all its pending messages together; who waits is not passed over for ever. On
        task queues: tasks whose time has come, by priority (higher first), then by age. Nothing that another holder's
        lease covers. A task whose lease ran out is delivered with the next attempt number and `deliveries` counted up.

        Waiting is the caller's: ring by `doorbell`, and the clock for `next_due_us` (the earliest `wake_at_us`,
        `not_before_us` or end of a lease on these queues, as far as known).
        """

    async def extend(self, delivery: Delivery, *, lease: Lease, now_us: int, details: bytes | None = None) -> Extended:
        """Prolong a lease to `now + lease.seconds`; with `details`, keep them for the next attempt.

        A lease that ran out and that nobody has taken is still the holder's.
        """

    async def retry(self, delivery: TaskDelivery, task: Task, *, now_us: int) -> None:
        """Replace a failed attempt by the next one, in one step: the lease ends, `task` (same id) takes its place.

        A task whose cancellation was requested keeps that mark.

        Raises:
            ConflictError: the lease is another's by now; nothing was written.
        """

    async def release(self, delivery: Delivery, *, now_us: int, not_before_us: int | None = None) -> None:
        """Give a delivery back unused: it counts as never made, and is delivered again (from `not_before_us` on).

        A lost lease: no effect.
        """

    async def ack(self, delivery: Delivery) -> None:
        """Settle a delivery without a turn: the task is gone, the instance is free. A lost lease: no effect."""

    async def watch(self, instance_id: str, *, run_id: str, after: int, status: Status | None = None) -> None:
        """Return when the instance is no longer at batch `after` of run `run_id` (or is gone). May return early.

        With `status` it need not return before the status has changed to one that is news (`Status.is_news_after`): who
        waits for the end sleeps through the steps on the way.
        """

    def doorbell(self) -> Doorbell:
        """A new bell that rings when something may have become ready for `receive`: twice, or never, in doubt.

        What was done through this very object has rung before the verb returns.
        """

    async def due(self, *, before_us: int, limit: int) -> Sequence[str]:
        """Ids of instances whose timer, unsent message or expired lease needs a look, at most `limit`.

        Having looked, the store heals what is its own (sends what a crashed committer left unsent); what is left
        shows up in `receive`.
        """

    async def list(self, query: Query, *, limit: int, cursor: str | None = None) -> RecordPage:
        """A page of the instances that match, newest first. May lag on stores that say so."""

    async def count(self, query: Query) -> int:
        """How many instances match. May lag on stores that say so."""

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes], *, now_us: int) -> None:
        """Keep large payloads, by their sha-256 digests, before a `create`, `commit`, `send`, `retry` or `extend` whose
        bytes refer to them. Durable when it returns. Idempotent. The instance need not exist yet.

        They stay until the instance is purged; one that nothing came to refer to is not an error.
        """

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The large payloads of these digests, as far as they are there."""

    async def purge(self, instance_id: str, *, now_us: int, tombstone_seconds: float = 86_400.0) -> None:
        """Erase a finished instance with all its runs and blobs. Idempotent.

        A tombstone stays as long as a message may still arrive: until then a late message is refused as for an unknown
        instance, and a late `NewInstance` of the same request does not bring it back. A new `create` by another
        request may take the id at once.

        Raises:
            InstanceNotFound: no such instance (and no tombstone).
            StoreError: the instance has not finished.
        """

    async def migrate(self) -> int:
        """Bring the schema to this version's, keeping all data; the schema version. Idempotent.

        Every verb does this by itself when it opens a store of an older schema.

        Raises:
            SchemaOutdated: the store is newer than this version.
        """

    async def close(self) -> None:
        """Release files and connections. Idempotent. A closed store may be used again: it opens itself."""


class Doorbell(Protocol):
    """Says "look", and nothing else."""

    async def wait(self) -> None:
        """Return at once if it rang since the last `wait` returned, else when it rings next."""

    def ring(self) -> None:
        """Ring this one bell."""

    def close(self) -> None:
        """No more rings."""


OpenStore = Callable[[str], Store]
"""What a provider's entry point is: from a URL to a store. Opening does no I/O; the first verb does."""
