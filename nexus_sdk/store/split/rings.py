"""A queue in memory as the clouds have them: messages are references, hidden while somebody looks at them.

A message may be delivered twice and a bell may get lost; nothing here is the truth. No clock, no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nexus_sdk.store.port import TURNS


@dataclass(slots=True)
class Ring:
    """A message on a queue: a bell for an instance, or (with `task_id`) a reference to one attempt of a task.

    Attributes:
        receives: how often it was delivered since it was put, or given back.
        pushed_to: to whom it was delivered without being asked for, on queues that do.
        receipt: by which it is hidden or removed, on queues that give one.
    """

    number: int
    queue: str
    instance_id: str
    task_id: str = ""
    attempt: int = 0
    priority: int = 0
    visible_us: int = 0
    is_taken: bool = False
    receives: int = 0
    pushed_to: str = ""
    receipt: str = ""

    def is_same(self, other: Ring) -> bool:
        """Whether both refer to the same thing."""
        return (self.queue, self.instance_id, self.task_id, self.attempt) == (
            other.queue,
            other.instance_id,
            other.task_id,
            other.attempt,
        )


@dataclass(slots=True)
class RingQueue:
    """All queues of a split store.

    Attributes:
        receives_max: a message that was delivered so often, and not acknowledged, goes to the dead letters instead;
            None: never.
        dead: the dead letters, in order.
    """

    receives_max: int | None = None
    dead: list[Ring] = field(default_factory=list)
    _rings: dict[str, dict[int, Ring]] = field(default_factory=dict)
    _count: int = 0

    def put(self, ring: Ring) -> int:
        """Add a message; one that waits already for the same thing is enough. Returns its number."""
        waiting = self._rings.setdefault(ring.queue, {})
        for other in waiting.values():
            if not other.is_taken and not ring.is_taken and other.is_same(ring):
                other.visible_us = min(other.visible_us, ring.visible_us)
                self._is_put(other)
                return other.number
        return self._add(ring)

    def _add(self, ring: Ring) -> int:
        self._count += 1
        added = replace(ring, number=self._count, receives=0, pushed_to="")
        self._rings.setdefault(ring.queue, {})[self._count] = added
        self._is_put(added)
        return self._count

    def take(self, queue: str, *, now_us: int, until_us: int, holder: str) -> Ring | None:
        """The next visible message, hidden from others than the holder until `until_us`."""
        while visible := self._visible(queue, now_us, holder):
            ring = self._choose(visible)
            if self._is_given_up(ring):
                del self._rings[queue][ring.number]
                self.dead.append(ring)
                continue
            ring.receives += 1
            ring.visible_us, ring.is_taken = until_us, True
            self._is_put(ring)
            return replace(ring)
        return None

    def hide(self, queue: str, number: int, until_us: int, *, is_taken: bool = True) -> None:
        """Change when it is visible again. One that is not taken any more was given back: as if it were put anew."""
        ring = self._rings.get(queue, {}).get(number)
        if ring is not None:
            ring.visible_us, ring.is_taken = until_us, is_taken
            ring.receives = ring.receives if is_taken else 0
            self._is_put(ring)

    def remove(self, queue: str, number: int) -> None:
        """It is done with."""
        self._rings.get(queue, {}).pop(number, None)

    def next_visible_us(self, queue: str) -> int | None:
        """When the next message is visible."""
        return min((ring.visible_us for ring in self._rings.get(queue, {}).values()), default=None)

    def all(self) -> list[Ring]:
        """Every message of every queue, the dead letters aside."""
        return [ring for rings in self._rings.values() for ring in rings.values()]

    # --- what differs between queues --------------------------------------------------------------------------------

    def _visible(self, queue: str, now_us: int, holder: str) -> list[Ring]:
        """The messages that this holder may have now."""
        return [ring for ring in self._rings.get(queue, {}).values() if ring.visible_us <= now_us]

    def _choose(self, visible: Sequence[Ring]) -> Ring:
        return min(visible, key=lambda ring: (-ring.priority, ring.number))

    def _is_given_up(self, ring: Ring) -> bool:
        return self.receives_max is not None and ring.receives >= self.receives_max

    def _is_put(self, ring: Ring) -> None:
        """It is on the queue, or its time has changed: a queue that pushes takes note."""

    # --- what queues do to one ------------------------------------------------------------------------------------

    def duplicate(self) -> None:
        """Deliver every message once more, as queues may."""
        for ring in self.all():
            self._add(replace(ring, visible_us=0, is_taken=False))

    def lose(self, is_lost: Callable[[Ring], bool] = lambda ring: ring.queue == TURNS) -> None:
        """Lose messages: all bells, when nothing else is said."""
        for rings in self._rings.values():
            for number in [number for number, ring in rings.items() if is_lost(ring)]:
                del rings[number]
