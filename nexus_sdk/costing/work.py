"""What a run did, read off its histories: the same work that another product would be paid for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch


@dataclass(frozen=True, slots=True)
class Work:
    """How much of what, over all instances and runs that belong together.

    Attributes:
        runs: of workflows: the first, children, and what continue-as-new began.
        activities: that were asked for; `attempts`: how often one began, retries included.
        timers: sleeps and timeouts that were begun; `events`: that were waited for.
        children: workflows that were begun by workflows.
        fan_outs: moments in which several activities or children were asked for at once.
        turns: that moved an instance on.
        waits: turns that something caused for which nobody had to be at work: a timer, an event.
        value_bytes: of all arguments, results and payloads.
    """

    runs: int = 0
    activities: int = 0
    attempts: int = 0
    timers: int = 0
    events: int = 0
    children: int = 0
    fan_outs: int = 0
    turns: int = 0
    waits: int = 0
    value_bytes: int = 0


_WAITED_FOR = (e.TimerFired, e.EventReceived, e.ChildCompleted, e.ChildFailed)


def work_of(runs: Iterable[Iterable[Batch]]) -> Work:
    """The work of runs, each given by its batches."""
    counted = dict.fromkeys(Work.__slots__, 0)
    for batches in runs:
        counted["runs"] += 1
        for batch in batches:
            counted["turns"] += 1
            counted["value_bytes"] += batch.value_bytes
            asked = 0
            for event in batch.events:
                match event:
                    case e.ActivityScheduled():
                        counted["activities"] += 1
                        asked += 1
                    case e.ActivityCompleted(attempts=attempts) | e.ActivityFailed(attempts=attempts):
                        counted["attempts"] += attempts
                    case e.ActivityCancelled(attempts=attempts):
                        counted["attempts"] += attempts
                    case e.TimerStarted():
                        counted["timers"] += 1
                    case e.EventAwaited():
                        counted["events"] += 1
                    case e.ChildScheduled():
                        counted["children"] += 1
                        asked += 1
                    case _:
                        pass
            counted["fan_outs"] += asked > 1
            counted["waits"] += any(isinstance(event, _WAITED_FOR) for event in batch.events)
    return Work(**counted)
