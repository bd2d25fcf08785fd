"""The state that the specification speaks of: one instance, and what its workers have in hand.

The names are those of `docs/formal/Instance.tla`, whose comments say what each variable is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

NOBODY = "nobody"

Name = Any
"""Of a worker, activity, timer or peer: whatever can be hashed."""

Message = tuple[str, Any]
"""Its kind (`event`, `suspend`, `resume`, `terminate`, `outcome`), and which one."""


class NotEnabled(Exception):
    """The specification does not allow this action here; the message says which of its conditions does not hold."""


def require(holds: bool, why: str) -> None:
    """Raise `NotEnabled` unless a condition of an action holds."""
    if not holds:
        raise NotEnabled(why)


class LoggedBatch(NamedTuple):
    """An entry of `log`."""

    run: int
    number: int
    by: Name = NOBODY


class TaskNow(NamedTuple):
    """An entry of `task`."""

    is_: str = "none"
    run: int = 0
    attempt: int = 0
    holder: Name = NOBODY
    expired: bool = False
    cancelled: bool = False


class TurnLease(NamedTuple):
    """`turn`."""

    holder: Name = NOBODY
    expired: bool = False


NO_LEASE = TurnLease()


class Hand(NamedTuple):
    """An entry of `hand`."""

    phase: str = "idle"
    at: int = 0
    seen_at: int = 0
    seen: tuple[Message, ...] = ()
    leased: bool = False


class TaskInHand(NamedTuple):
    """An entry of `doing`."""

    of: Name
    attempt: int


class Choice(NamedTuple):
    """What a turn comes to: the record `c` of the specification."""

    then: str
    mail: bool = False
    settles: bool = False
    done: frozenset[TaskInHand] = frozenset()
    used: frozenset[Message] = frozenset()
    records: frozenset[Name] = frozenset()
    schedules: frozenset[Name] = frozenset()
    cancels: frozenset[Name] = frozenset()
    lapses: frozenset[Name] = frozenset()
    sets: frozenset[Name] = frozenset()
    fires: frozenset[Name] = frozenset()
    drops: frozenset[Name] = frozenset()
    sends: frozenset[Name] = frozenset()
    reads: int = 0
    writes: bool = True

    @property
    def brings(self) -> frozenset[Name]:
        """The activities whose outcomes come with it."""
        return frozenset(one.of for one in self.done) | {id for kind, id in self.used if kind == "outcome"}

    @property
    def asks_for_nothing(self) -> bool:
        """Whether nothing was asked for, and nothing recorded."""
        asked = (self.schedules, self.cancels, self.lapses, self.records, self.sets, self.fires, self.drops, self.sends)
        return not any(asked) and self.reads == 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The constants of the specification. As they are here there are none: what an engine does is not bounded."""

    workers: tuple[Name, ...] = ()
    messages: frozenset[Message] = frozenset()
    activities: tuple[Name, ...] = ()
    timers: tuple[Name, ...] = ()
    peers: tuple[Name, ...] = ()
    runs_max: float = math.inf
    attempts_max: float = math.inf
    ends: frozenset[str] = frozenset({"go", "end", "continue", "suspend", "block", "hold"})
    gives_up: bool = True
    fault_kinds: frozenset[str] = frozenset({"crash", "stall", "bell", "reply", "drain", "block", "queue"})
    faults_max: float = math.inf


START: Message = ("event", "start")


@dataclass(frozen=True, slots=True)
class State:
    """The variables of `Instance.tla`. Mappings are never changed in place."""

    run: int = 1
    log: tuple[LoggedBatch, ...] = (LoggedBatch(1, 1),)
    status: str = "running"
    wake: str = "never"
    inbox: tuple[Message, ...] = (START,)
    heard: frozenset[Message] = frozenset()
    task: Mapping[Name, TaskNow] = field(default_factory=dict)
    timer: Mapping[Name, str] = field(default_factory=dict)
    turn: TurnLease = NO_LEASE
    accepted: tuple[Message, ...] = (START,)
    consumed: tuple[Message, ...] = ()
    unread: tuple[Message, ...] = ()
    reads: int = 0
    outcomes: Mapping[Name, int] = field(default_factory=dict)
    taken: Mapping[Name, int] = field(default_factory=dict)
    sent: frozenset[Name] = frozenset()
    got: Mapping[Name, int] = field(default_factory=dict)
    due: frozenset[Name] = frozenset()
    hand: Mapping[Name, Hand] = field(default_factory=dict)
    doing: Mapping[Name, frozenset[TaskInHand]] = field(default_factory=dict)
    faults: float = math.inf

    def task_of(self, activity: Name) -> TaskNow:
        """What is known of an activity."""
        return self.task.get(activity, TaskNow())

    def hand_of(self, worker: Name) -> Hand:
        """What a worker has in hand."""
        return self.hand.get(worker, Hand())

    def doing_of(self, worker: Name) -> frozenset[TaskInHand]:
        """The deliveries of activities that a worker has."""
        return self.doing.get(worker, frozenset())

    @property
    def timers_set(self) -> frozenset[Name]:
        """The timers that have neither fired nor been given up."""
        return frozenset(name for name, now in self.timer.items() if now == "set")

    @property
    def due_timers(self) -> frozenset[Name]:
        """Those of them whose time has come."""
        return self.timers_set & self.due

    @property
    def open_here(self) -> frozenset[Name]:
        """The activities of the present run that are open and not given up."""
        return frozenset(
            name
            for name, task in self.task.items()
            if task.is_ == "open" and task.run == self.run and not task.cancelled
        )

    @property
    def pending(self) -> frozenset[Name]:
        """What the code still waits for: asked for in this run, neither given up nor with an outcome."""
        return frozenset(
            name
            for name, task in self.task.items()
            if task.is_ != "none" and task.run == self.run and not task.cancelled and not self.outcomes.get(name, 0)
        )

    @property
    def is_ready(self) -> bool:
        """Whether the instance wants a turn."""
        if self.status == "ended":
            return False
        is_woken = self.wake == "now" or (self.wake == "later" and bool(self.due_timers))
        return is_woken or any(message not in self.heard for message in self.inbox)

    def is_mine(self, worker: Name, delivery: TaskInHand) -> bool:
        """Whether a delivery of an activity is still this worker's."""
        task = self.task_of(delivery.of)
        return task.is_ == "open" and task.holder == worker and task.attempt == delivery.attempt

    def is_not_lost(self, worker: Name, delivery: TaskInHand) -> bool:
        """Whether its outcome is taken from this worker: it is his, or nobody's."""
        task = self.task_of(delivery.of)
        return task.is_ == "open" and (task.holder == NOBODY or self.is_mine(worker, delivery))

    def key(self) -> tuple[Any, ...]:
        """Equal for equal states, and can be hashed."""
        return tuple(_hashable(getattr(self, one.name)) for one in fields(self))


def initial(kind: type[State], bounds: Bounds, **others: Any) -> State:
    """The first state within these bounds."""
    return kind(
        task=dict.fromkeys(bounds.activities, TaskNow()),
        timer=dict.fromkeys(bounds.timers, "none"),
        outcomes=dict.fromkeys(bounds.activities, 0),
        taken=dict.fromkeys(bounds.activities, 0),
        got=dict.fromkeys(bounds.peers, 0),
        hand=dict.fromkeys(bounds.workers, Hand()),
        doing=dict.fromkeys(bounds.workers, frozenset()),
        faults=bounds.faults_max,
        **others,
    )


def is_event(message: Message) -> bool:
    """Whether it is an event, and no request and no outcome."""
    return message[0] == "event"


def is_client_message(message: Message) -> bool:
    """Whether it was sent to the instance, and does not come from its own activities."""
    return message[0] != "outcome"


def _hashable(value: Any) -> Any:
    return frozenset(value.items()) if isinstance(value, Mapping) else value
