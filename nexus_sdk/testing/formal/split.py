"""The actions of `docs/formal/Split.tla`: a store with one conditional write per item, and a queue elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nexus_sdk.testing.formal import instance
from nexus_sdk.testing.formal.instance import spend, with_item
from nexus_sdk.testing.formal.state import (
    NOBODY,
    Bounds,
    Choice,
    Hand,
    Name,
    State,
    TaskInHand,
    initial,
    require,
)
from nexus_sdk.testing.formal.trying import Attempt, Trying, enabled

Reference = tuple[str, Any, int]
"""A message on the queue: what it refers to."""

BELL: Reference = ("turn", 0, 0)


class OutboxEntry(NamedTuple):
    """An entry of `outbox`, and of `follow`."""

    number: int = 0
    tasks: frozenset[Name] = frozenset()
    sends: frozenset[Name] = frozenset()


@dataclass(frozen=True, slots=True)
class SplitState(State):
    """And the variables of `Split.tla`."""

    queue: frozenset[Reference] = frozenset({BELL})
    sent_as: Mapping[Name, int] = field(default_factory=dict)
    outbox: tuple[OutboxEntry, ...] = ()
    entries: int = 0
    through: int = 0
    known: frozenset[Name] = frozenset()
    follow: Mapping[Name, OutboxEntry] = field(default_factory=dict)

    def follow_of(self, worker: Name) -> OutboxEntry:
        """The entry whose sends a worker makes, with those that are left."""
        return self.follow.get(worker, OutboxEntry())

    def reference(self, activity: Name) -> Reference:
        """The message of an activity."""
        return ("task", activity, self.sent_as.get(activity, 0))

    def refers_to_nothing(self, reference: Reference) -> bool:
        """Whether a message is of no more use."""
        kind, activity, attempt = reference
        if kind == "turn":
            return not self.is_ready
        return self.task_of(activity).is_ != "open" or self.sent_as.get(activity, 0) != attempt

    @property
    def missing(self) -> Iterable[Reference]:
        """The messages that a sweep would put again."""
        if self.is_ready and (self.turn.holder == NOBODY or self.turn.expired):
            yield BELL
        for name, task in self.task.items():
            if task.is_ == "open" and (task.holder == NOBODY or task.expired):
                yield self.reference(name)


def first(bounds: Bounds) -> SplitState:
    """The state in which the instance has been created."""
    state = initial(SplitState, bounds)
    assert isinstance(state, SplitState)
    follow = dict.fromkeys(bounds.workers, OutboxEntry())
    return replace(state, follow=follow, sent_as=dict.fromkeys(bounds.activities, 0))


# --- the outbox -------------------------------------------------------------------------------------------------------


def crossed_out(s: SplitState, done: Iterable[Name]) -> tuple[OutboxEntry, ...]:
    """The outbox without the messages of activities that were delivered."""
    entries = (entry._replace(tasks=entry.tasks - frozenset(done)) for entry in s.outbox)
    return tuple(entry for entry in entries if entry.tasks or entry.sends)


def through_of(outbox: tuple[OutboxEntry, ...], last: int) -> int:
    """What `sent_through` has to be."""
    return outbox[0].number - 1 if outbox else last


def take_turn(s: SplitState, worker: Name, c: Choice, bounds: Bounds, *, is_answered: bool = True) -> SplitState:
    """A turn is written with its outbox; not before what older batches have left was sent."""
    require(s.follow_of(worker) == OutboxEntry(), f"{worker} still makes the sends of its last turn")
    require(not crossed_out(s, [one.of for one in c.done]), f"the outbox is behind: {s.outbox}")
    after = instance.commit(s, worker, c, bounds, is_answered=is_answered)
    number = s.entries + 1
    fresh = OutboxEntry(number, c.schedules, c.sends)
    outbox = (fresh,) if c.schedules or c.sends else ()
    is_followed = bool(outbox) and is_answered
    return replace(
        after,
        entries=number,
        outbox=outbox,
        through=through_of(outbox, number),
        follow=with_item(s.follow, worker, fresh if is_followed else OutboxEntry()),
        sent_as={**s.sent_as, **dict.fromkeys(c.schedules, 1)},
    )


def heal(s: SplitState, worker: Name, bounds: Bounds) -> SplitState:
    """Whoever finds the outbox behind makes its sends."""
    require(bool(s.outbox) and s.follow_of(worker) == OutboxEntry(), "there is nothing to be healed")
    is_followed = any(entry.number == s.outbox[0].number for entry in s.follow.values())
    faults = spend(s, "stall", bounds) if is_followed else s.faults
    return replace(s, follow=with_item(s.follow, worker, s.outbox[0]), faults=faults)


def put_tasks(s: SplitState, worker: Name) -> SplitState:
    """The messages of the entry's activities are put on the queue."""
    entry = s.follow_of(worker)
    require(bool(entry.tasks), "no messages are left to be put")
    put = {s.reference(activity) for activity in entry.tasks if s.task_of(activity).is_ == "open"}
    return replace(s, queue=s.queue | put, follow=with_item(s.follow, worker, entry._replace(tasks=frozenset())))


def send(s: SplitState, worker: Name, peer: Name) -> SplitState:
    """One send to another instance is made; that one knows it if it was made before."""
    entry = s.follow_of(worker)
    require(peer in entry.sends, f"nothing is left to be sent to {peer}")
    got = s.got if peer in s.known else with_item(s.got, peer, s.got.get(peer, 0) + 1)
    follow = with_item(s.follow, worker, entry._replace(sends=entry.sends - {peer}))
    return replace(s, got=got, known=s.known | {peer}, follow=follow)


def mark_sent(s: SplitState, worker: Name) -> SplitState:
    """All sends of an entry were made: it is forgotten."""
    entry = s.follow_of(worker)
    require(entry.number > 0 and not entry.tasks and not entry.sends, f"sends are left to be made: {entry}")
    outbox = tuple(one for one in s.outbox if one.number != entry.number)
    follow = with_item(s.follow, worker, OutboxEntry())
    return replace(s, outbox=outbox, through=through_of(outbox, s.entries), follow=follow)


# --- the queue --------------------------------------------------------------------------------------------------------


def take_bell(s: SplitState, worker: Name) -> SplitState:
    """A worker takes a bell, and leases the turn."""
    require(BELL in s.queue, "there is no bell")
    require(not s.outbox, f"the outbox is behind: {s.outbox}")
    return instance.lease_turn(s, worker)


def take_task(s: SplitState, worker: Name, activity: Name, bounds: Bounds) -> SplitState:
    """A worker takes the message of an activity, or has claimed it with its turn, and leases it."""
    is_claimed = activity in s.follow_of(worker).tasks
    require(s.reference(activity) in s.queue or is_claimed, f"there is no message for activity {activity}")
    return instance.lease_task(s, worker, activity, bounds)


def put_away(s: SplitState, reference: Reference) -> SplitState:
    """A message that refers to nothing any more is removed."""
    require(reference in s.queue and s.refers_to_nothing(reference), f"{reference} is still wanted")
    return replace(s, queue=s.queue - {reference})


def message_is_lost(s: SplitState, reference: Reference, bounds: Bounds) -> SplitState:
    """The queue loses a message."""
    require(reference in s.queue and not s.refers_to_nothing(reference), f"{reference} is of no use")
    return replace(s, queue=s.queue - {reference}, faults=spend(s, "queue", bounds))


def sweep(s: SplitState, reference: Reference) -> SplitState:
    """A message is put again that should have been answered."""
    require(reference not in s.queue, f"{reference} is there")
    return replace(s, queue=s.queue | {reference})


def reports_to(s: SplitState, worker: Name, delivery: TaskInHand) -> SplitState:
    """The outcome of an activity goes through the inbox, after older sends."""
    require(not crossed_out(s, [delivery.of]), f"the outbox is behind: {s.outbox}")
    after = instance.report(s, worker, delivery)
    return replace(after, outbox=(), through=s.entries, queue=s.queue | {BELL})


def retries(s: SplitState, worker: Name, delivery: TaskInHand, bounds: Bounds) -> SplitState:
    """The next attempt has a message of its own."""
    after = instance.retry(s, worker, delivery, bounds)
    sent_as = with_item(s.sent_as, delivery.of, delivery.attempt + 1)
    return replace(after, sent_as=sent_as, queue=s.queue | {("task", delivery.of, delivery.attempt + 1)})


def crash(s: SplitState, worker: Name, bounds: Bounds) -> SplitState:
    """A worker dies, and with it what it was about to send."""
    follow = with_item(s.follow, worker, OutboxEntry())
    if s.hand_of(worker) != Hand() or s.doing_of(worker):
        return replace(instance.crash(s, worker, bounds), follow=follow)
    require(s.follow_of(worker) != OutboxEntry(), f"{worker} has nothing to lose")
    return replace(s, follow=follow, faults=spend(s, "crash", bounds))


# --- all of it --------------------------------------------------------------------------------------------------------


def successors(s: SplitState, bounds: Bounds) -> Iterator[SplitState]:
    """Every state that may come next."""
    return enabled(_attempts(s, bounds))


def _attempts(s: SplitState, bounds: Bounds) -> Iterator[Attempt[SplitState]]:
    trying = Trying(s, bounds, lambda after: replace(after, queue=after.queue | {BELL}), take_turn)
    if not s.outbox:
        for message in bounds.messages:
            yield trying.rings(instance.accept, message)
    for timer in bounds.timers:
        yield trying.rings(instance.come_due, timer)
    yield from trying.leases_ending()
    for reference in s.queue:
        yield trying.silent(put_away, reference)
        yield trying.silent(message_is_lost, reference, bounds)
    for reference in s.missing:
        yield trying.silent(sweep, reference)
    for worker in bounds.workers:
        yield trying.silent(take_bell, worker)
        for activity in bounds.activities:
            yield trying.silent(take_task, worker, activity, bounds)
        yield from trying.turns(worker)
        if not s.outbox:
            yield trying.silent(instance.repeat, worker)
        yield trying.silent(put_tasks, worker)
        for peer in bounds.peers:
            yield trying.silent(send, worker, peer)
        yield trying.silent(mark_sent, worker)
        yield trying.silent(heal, worker, bounds)
        yield trying.silent(crash, worker, bounds)
        for delivery in s.doing_of(worker):
            yield from trying.dropped(worker, delivery)
            yield trying.silent(reports_to, worker, delivery)
            yield trying.silent(retries, worker, delivery, bounds)
            yield trying.silent(instance.release_task, worker, delivery, bounds)
