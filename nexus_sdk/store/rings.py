"""A queue in memory as the clouds have them: messages are references, hidden while somebody looks at them.

A message may be delivered twice and a bell may get lost; nothing here is the truth. No clock, no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nexus_sdk.store.port import TURNS


@dataclass(slots=True)
class Ring:
    """A message on a queue: a bell for an instance, or (with `task_id`) a reference to one attempt of a task."""

    number: int
    queue: str
    instance_id: str
    task_id: str = ""
    attempt: int = 0
    priority: int = 0
    visible_us: int = 0
    is_taken: bool = False

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
    """All queues of a split store."""

    _rings: dict[str, dict[int, Ring]] = field(default_factory=dict)
    _count: int = 0

    def put(self, ring: Ring) -> int:
        """Add a message; one that waits already for the same thing is enough. Returns its number."""
        waiting = self._rings.setdefault(ring.queue, {})
        for other in waiting.values():
            if not other.is_taken and not ring.is_taken and other.is_same(ring):
                other.visible_us = min(other.visible_us, ring.visible_us)
                return other.number
        return self._add(ring)

    def _add(self, ring: Ring) -> int:
        self._count += 1
        self._rings.setdefault(ring.queue, {})[self._count] = replace(ring, number=self._count)
        return self._count

    def take(self, queue: str, *, now_us: int, until_us: int) -> Ring | None:
        """The next visible message, hidden from others until `until_us`."""
        visible = [ring for ring in self._rings.get(queue, {}).values() if ring.visible_us <= now_us]
        if not visible:
            return None
        ring = min(visible, key=lambda ring: (-ring.priority, ring.number))
        ring.visible_us, ring.is_taken = until_us, True
        return replace(ring)

    def hide(self, queue: str, number: int, until_us: int, *, is_taken: bool = True) -> None:
        """Change when it is visible again."""
        ring = self._rings.get(queue, {}).get(number)
        if ring is not None:
            ring.visible_us, ring.is_taken = until_us, is_taken

    def remove(self, queue: str, number: int) -> None:
        """It is done with."""
        self._rings.get(queue, {}).pop(number, None)

    def next_visible_us(self, queue: str) -> int | None:
        """When the next message is visible."""
        return min((ring.visible_us for ring in self._rings.get(queue, {}).values()), default=None)

    # --- what queues do to one ------------------------------------------------------------------------------------

    def duplicate(self) -> None:
        """Deliver every message once more, as queues may."""
        for ring in [ring for rings in self._rings.values() for ring in rings.values()]:
            self._add(replace(ring, visible_us=0, is_taken=False))

    def lose(self, is_lost: Callable[[Ring], bool] = lambda ring: ring.queue == TURNS) -> None:
        """Lose messages: all bells, when nothing else is said."""
        for rings in self._rings.values():
            for number in [number for number, ring in rings.items() if is_lost(ring)]:
                del rings[number]
