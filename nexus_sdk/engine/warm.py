"""Warm instances: live executions that a worker keeps, so that their next turn need not replay anything.

Dropping one changes nothing but time; the conditional commit makes it safe to keep one that is out of date.
"""

from __future__ import annotations

from collections import OrderedDict

from nexus_sdk.engine.instance import Instance

FAR_US = 60_000_000
"""Who sleeps for longer than this is asleep: its next turn is far off, and a replay then would hardly be noticed."""

ASLEEP_MAX = 200
"""So many of those who are asleep are kept. The others cost no memory: a worker may have any number of them."""


class WarmInstances:
    """Those used last, up to a number; of those asleep, up to a smaller one.

    Args:
        most: so many in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Instance] = OrderedDict()
        self._asleep: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, instance: Instance) -> bool:
        return self._kept.get(instance.record.id) is instance

    def take(self, instance_id: str) -> Instance | None:
        """Take one out while it is at work: others come meanwhile, and only what rests may be dropped to make room."""
        self._asleep.pop(instance_id, None)
        return self._kept.pop(instance_id, None)

    def keep(self, instance: Instance, *, now_us: int) -> None:
        """Keep one that has been at work, and drop who must make room for it."""
        instance_id = instance.record.id
        self.drop(instance_id)
        self._kept[instance_id] = instance
        if instance.execution is not None and instance.execution.is_asleep(now_us + FAR_US):
            self._asleep[instance_id] = None
            if len(self._asleep) > ASLEEP_MAX:
                self.drop(next(iter(self._asleep)))
        if len(self._kept) > self._most:
            self.drop(next(iter(self._kept)))

    def drop(self, instance_id: str) -> None:
        """Drop one, if it is kept."""
        instance = self.take(instance_id)
        if instance is not None:
            instance.dispose()

    def close(self) -> None:
        """Drop all."""
        for instance_id in list(self._kept):
            self.drop(instance_id)
