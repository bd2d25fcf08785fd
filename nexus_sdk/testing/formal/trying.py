"""What may come next in a state, whatever the store is: the part of `Next` that both profiles have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, Protocol, TypeVar

from nexus_sdk.testing.formal import instance
from nexus_sdk.testing.formal.choices import choices
from nexus_sdk.testing.formal.state import Bounds, Choice, Name, NotEnabled, State, TaskInHand

S = TypeVar("S", bound=State)

Attempt = Callable[[], S]
"""Takes an action: the next state, or `NotEnabled`."""


class TakeTurn(Protocol[S]):
    """`TakeTurn` of a profile. `is_answered`: the worker hears of it."""

    def __call__(self, s: S, worker: Name, c: Choice, bounds: Bounds, *, is_answered: bool = True) -> S: ...


def enabled(attempts: Iterable[Attempt[S]]) -> Iterator[S]:
    """The states that those of these attempts lead to which are allowed."""
    for attempt in attempts:
        try:
            yield attempt()
        except NotEnabled:
            continue


class Trying(Generic[S]):
    """Attempts in one state.

    Args:
        ring: the state with the bell rung.
        take_turn: as the profile has it.
    """

    def __init__(self, state: S, bounds: Bounds, ring: Callable[[S], S], take_turn: TakeTurn[S]) -> None:
        self._state = state
        self._bounds = bounds
        self._ring = ring
        self._take_turn = take_turn

    def silent(self, action: Callable[..., S], *given: object) -> Attempt[S]:
        """An action that nobody is told of."""
        return partial(action, self._state, *given)

    def rings(self, action: Callable[..., S], *given: object) -> Attempt[S]:
        """An action after which the bell rings."""
        return lambda: self._ring(action(self._state, *given))

    def leases_ending(self) -> Iterator[Attempt[S]]:
        """Leases run out."""
        yield self.silent(instance.turn_lease_ends, self._bounds)
        for activity in self._bounds.activities:
            yield self.silent(instance.task_lease_ends, activity, self._bounds)

    def turns(self, worker: Name) -> Iterator[Attempt[S]]:
        """A worker loads, takes a turn, whose reply may be lost, or finds that it cannot."""
        s, bounds = self._state, self._bounds
        if instance.has_something(s, worker):
            yield self.silent(instance.load, worker)
            yield self.silent(instance.warm, worker)
        for c in choices(s, worker, bounds):
            yield self.silent(self._take_turn, worker, c, bounds)
            yield partial(self._take_turn, s, worker, c, bounds, is_answered=False)
        yield self.rings(instance.conflict, worker)
        yield self.silent(instance.ack_turn, worker)
        yield self.rings(instance.release_turn, worker, bounds)

    def dropped(self, worker: Name, delivery: TaskInHand) -> Iterator[Attempt[S]]:
        """What may become of an activity that a worker has without a word to anybody."""
        yield self.silent(instance.ack_task, worker, delivery)
        yield self.silent(instance.forget, worker, delivery, self._bounds)
