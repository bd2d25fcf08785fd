"""The actions of `docs/formal/Transactional.tla`: a store whose every verb is one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nexus_sdk.testing.formal import instance
from nexus_sdk.testing.formal.state import NOBODY, Bounds, Choice, Name, State, initial
from nexus_sdk.testing.formal.trying import Attempt, Trying, enabled


@dataclass(frozen=True, slots=True)
class TransactionalState(State):
    """And `bell`: whether workers have been told to look."""

    bell: bool = True

    @property
    def has_work(self) -> bool:
        """Whether there is anything to be taken."""
        if self.is_ready and (self.turn.holder == NOBODY or self.turn.expired):
            return True
        return any(task.is_ == "open" and (task.holder == NOBODY or task.expired) for task in self.task.values())


def first(bounds: Bounds) -> TransactionalState:
    """The state in which the instance has been created."""
    state = initial(TransactionalState, bounds)
    assert isinstance(state, TransactionalState)
    return state


def take_turn(
    s: TransactionalState, worker: Name, c: Choice, bounds: Bounds, *, is_answered: bool = True
) -> TransactionalState:
    """A turn is committed: what it sends is there with it."""
    after = instance.commit(s, worker, c, bounds, is_answered=is_answered)
    return replace(after, got={**s.got, **{peer: s.got.get(peer, 0) + 1 for peer in c.sends}}, bell=True)


def successors(s: TransactionalState, bounds: Bounds) -> Iterator[TransactionalState]:
    """Every state that may come next."""
    return enabled(_attempts(s, bounds))


def _attempts(s: TransactionalState, bounds: Bounds) -> Iterator[Attempt[TransactionalState]]:
    trying = Trying(s, bounds, lambda after: replace(after, bell=True), take_turn)
    for message in bounds.messages:
        yield trying.rings(instance.accept, message)
    for timer in bounds.timers:
        yield trying.silent(instance.come_due, timer)
    yield from trying.leases_ending()
    if s.bell and "bell" in bounds.fault_kinds and s.faults > 0:
        yield lambda: replace(s, bell=False, faults=s.faults - 1)
    if s.bell and not s.has_work and "bell" in bounds.fault_kinds:
        yield lambda: replace(s, bell=False)
    if not s.bell and s.has_work:
        yield lambda: replace(s, bell=True)
    for worker in bounds.workers:
        if s.bell:
            yield trying.silent(instance.lease_turn, worker)
            for activity in bounds.activities:
                yield trying.silent(instance.lease_task, worker, activity, bounds)
        yield from trying.turns(worker)
        yield trying.silent(instance.repeat, worker)
        yield trying.silent(instance.crash, worker, bounds)
        for delivery in s.doing_of(worker):
            yield from trying.dropped(worker, delivery)
            yield trying.rings(instance.report, worker, delivery)
            yield trying.rings(instance.retry, worker, delivery, bounds)
            yield trying.rings(instance.release_task, worker, delivery, bounds)
