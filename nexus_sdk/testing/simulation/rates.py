"""The faults that there are, how likely each is in a run, and where it can strike.

To add one: a rate here with its highest value, the places where it strikes in `PLACES`, and the line of code that asks
`Process.strikes` (between a process and its store) or `UnrulyQueue.strikes` (in the queue). What is drawn, left out
when a run is made smaller, counted and missed follows from these tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from random import Random


@dataclass(frozen=True, slots=True)
class Rates:
    """How likely each fault is: at each of its occasions, unless said otherwise.

    Attributes:
        crash: a worker dies, before or after a store call or one of its sub-steps.
        client_crash: the same of a client, which asks again in its next life.
        aimed: how often the one fault strikes that the run aims at (`Plan.aim`).
        fail_before: the store is unavailable; nothing was done.
        fail_after: it was done, but the caller sees that the store is unavailable.
        latency: a store call takes up to `latency_seconds` on either side.
        lost_lease: what was just leased is at once to be had by others: two hold it.
        rival: between a load and the commit another worker moves the instance on, and again at its next commits.
        crowd: between a load and the commit others send to the instance.
        lost_bell: a bell of the store does not ring.
        lost_ring, duplicate, reorder, late_ring, redeliver: what a queue does to a message: lose it, deliver it twice,
            hand out another one first, hold it back, deliver it again although it was acknowledged.
        dead_letter: a queue that was given a message up counts it double: so it comes to the dead letters sooner.
        stale: what is read from an index that lags is of some seconds ago: lists, counts, and what the sweep looks at.
        tidy: an instance is purged as soon as it has finished.
        pause, jump, outage, deploy, damage: of them, so many happen in a run, on average: a worker stands still for
            longer than its lease, a clock is set wrong, the store is away for all, a worker is replaced by one of
            another build, a byte of what is stored is changed.
        skew: how far clocks are off from the start, in seconds.
    """

    crash: float = 0.0
    client_crash: float = 0.0
    aimed: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    latency: float = 0.0
    latency_seconds: float = 0.0
    lost_lease: float = 0.0
    rival: float = 0.0
    crowd: float = 0.0
    lost_bell: float = 0.0
    lost_ring: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    late_ring: float = 0.0
    redeliver: float = 0.0
    dead_letter: float = 0.0
    stale: float = 0.0
    tidy: float = 0.0
    pause: float = 0.0
    jump: float = 0.0
    outage: float = 0.0
    deploy: float = 0.0
    damage: float = 0.0
    skew: float = 0.0


HIGHEST = Rates(
    crash=0.15,
    client_crash=0.3,
    aimed=0.8,
    fail_before=0.15,
    fail_after=0.2,
    latency=0.5,
    latency_seconds=1.0,
    lost_lease=0.4,
    rival=0.3,
    crowd=0.3,
    lost_bell=0.5,
    lost_ring=0.3,
    duplicate=0.5,
    reorder=1.0,
    late_ring=0.3,
    redeliver=0.3,
    dead_letter=0.6,
    stale=0.8,
    tidy=1.0,
    pause=3.0,
    jump=3.0,
    outage=2.0,
    deploy=4.0,
    damage=4.0,
    skew=3.0,
)

EVENLY_DRAWN = frozenset({"aimed", "tidy", "pause", "jump", "outage", "deploy", "damage", "skew"})
"""Rates of which a small one would mean next to nothing."""

SHARES = {"damage": 0.15, "dead_letter": 0.3, "aimed": 0.95}
"""The share of runs in which a fault may come at all; of the others: a half."""

# --- where they strike ------------------------------------------------------------------------------------------------

WORKER_VERBS = frozenset(
    {"commit", "send", "receive", "load", "extend", "retry", "release", "ack", "due", "list", "put_blobs", "get_blobs"}
)
CLIENT_VERBS = frozenset(
    {"create", "load", "find", "commit", "send", "purge", "list", "count", "watch", "put_blobs", "get_blobs"}
)
QUEUE_STEPS = frozenset(
    {
        *("ring", "extend:hide", "retry:put", "release:show", "release:put", "ack:remove", "receive:take", "due:put"),
        *("outbox:tasks", "outbox:put", "dead:take", "dead:put", "dead:remove"),
    }
)
"""The sub-steps of a split store that are calls of its queue; the others are writes to its table."""

OUTBOX_STEPS = frozenset(
    f"outbox:{what}"
    for what in ("tasks", "task", "put", "cancel", "message", "outcome", "instance", "reply", "sent", "made")
)
WORKER_STEPS = OUTBOX_STEPS | {
    *("commit:write", "send:accept", "extend:write", "extend:hide", "retry:write", "retry:put", "release:write"),
    *("release:show", "release:put", "ack:write", "ack:remove", "settle:write", "receive:take", "receive:lease"),
    *("due:write", "due:put", "ring", "dead:take", "dead:write", "dead:put", "dead:remove"),
}
CLIENT_STEPS = frozenset({"create:write", "purge:write", "purge:clear", "send:accept", "ring"})
"""The sub-steps of stores that are made of several writes. Clients make more of them, but not so often."""

_ALL = WORKER_VERBS | CLIENT_VERBS | WORKER_STEPS | CLIENT_STEPS
_OF_WORKERS, _OF_CLIENTS = WORKER_VERBS | WORKER_STEPS, CLIENT_VERBS | CLIENT_STEPS
_AT_A_TIME = frozenset({"at a time"})

PLACES: Mapping[str, frozenset[str]] = {
    "crash before": _OF_WORKERS,
    "crash after": _OF_WORKERS,
    "client crash before": _OF_CLIENTS,
    "client crash after": _OF_CLIENTS,
    "fail before": _ALL,
    "fail after": _ALL,
    "outage": _ALL,
    "latency": _ALL,
    "pause": _AT_A_TIME | _OF_WORKERS,
    "lost lease": frozenset({"commit", "receive"}),
    "rival": frozenset({"commit"}),
    "crowd": frozenset({"commit"}),
    "lost bell": frozenset({"doorbell"}),
    "lost ring": frozenset({"put", "take"}),
    "duplicate": frozenset({"put"}),
    "reorder": frozenset({"take"}),
    "late ring": frozenset({"put"}),
    "redeliver": frozenset({"remove"}),
    "dead letter": frozenset({"take"}),
    "stale": frozenset({"list", "count", "due"}),
    "jump": _AT_A_TIME,
    "deploy": _AT_A_TIME,
    "damage": frozenset({"batch", "message", "task", "blob"}),
}
"""For each fault as it is counted, where it must have struck for all of it to be covered."""

AIMED_FAULTS = {
    "crash before": 6,
    "crash after": 6,
    "fail before": 4,
    "fail after": 4,
    "client crash before": 2,
    "client crash after": 2,
    "pause": 12,
    "outage": 12,
}
"""What runs aim at, and how likely: those most that come at a time otherwise, and seldom in the middle of a verb."""

AT_A_TIME_OTHERWISE = frozenset({"pause", "outage"})
"""Of these, those: in the middle of a verb they come to no place by themselves, and so about as often to each."""

OUT_OF_REACH = {
    "release:put": "who holds a task has its message",
    "settle:write": "workers settle no more than one write takes, and of no other instance than the one it is for",
}
"""Steps of the protocol that nobody comes to who keeps to the port as workers and clients do, and why."""

SELDOM_REACHED = frozenset(
    {"purge:write", "purge:clear", "send:accept", "due:write", "due:put", "extend:write", "extend:hide"}
    | {
        place
        for place in WORKER_STEPS - OUT_OF_REACH.keys()
        if place.startswith(("dead:", "outbox:", "ack:", "retry:", "release:"))
    }
)
"""What faults are likelier at, and runs aim at more often."""

SELDOM_MET = frozenset(
    {"dead:put", "due:put", "send:accept", "ack:write", "outbox:reply", "outbox:instance", "outbox:outcome"}
    | {"release:show", "release:write", "retry:put", "outbox:message", "outbox:sent", "outbox:task", "outbox:put"}
    | {"outbox:made", "outbox:cancel", "purge:clear", "extend:write"}
)
"""Of these, what a run that aims at it may still not come to: more of them do."""

HARDLY_MET = frozenset(
    {"dead:put", "send:accept", "release:show", "release:write", "ack:write"}
    | {"outbox:task", "outbox:put", "outbox:made", "outbox:cancel"}
)
"""Of these, what most of such runs do not come to, or come to once, and to other places a hundred times."""


def draw_aim(chance: Random, *, is_split: bool) -> str:
    """One fault at one place, as `PLACES` has them: a run aims at it."""
    fault = chance.choices(list(AIMED_FAULTS), list(AIMED_FAULTS.values()))[0]
    there = PLACES[fault] - _AT_A_TIME - OUT_OF_REACH.keys()
    places = sorted(place for place in there if is_split or (":" not in place and place != "ring"))
    return f"{fault} {chance.choices(places, [_weight(fault, place, is_split=is_split) for place in places])[0]}"


def _weight(fault: str, place: str, *, is_split: bool) -> float:
    if fault in AT_A_TIME_OTHERWISE:
        return 12 if place in HARDLY_MET else 7 if place in SELDOM_MET else 3
    if place in SELDOM_REACHED:
        return 24 if place in HARDLY_MET else 10 if place in SELDOM_MET else 4
    if place in {"commit", "list"} and fault.startswith("client"):
        return 10  # clients commit when they rewind, and list when they are asked to, and then only
    return 0.5 if is_split and ":" not in place else 1


def draw_rates(chance: Random) -> Rates:
    """Each at zero in half of the runs; otherwise anything up to the highest, small ones as likely as large ones."""
    drawn: dict[str, float] = {}
    for rate in fields(Rates):
        is_on, power = chance.random() < SHARES.get(rate.name, 0.5), chance.random()
        highest: float = getattr(HIGHEST, rate.name)
        if not is_on and rate.name != "latency_seconds":
            drawn[rate.name] = 0.0
        elif rate.name in EVENLY_DRAWN:
            drawn[rate.name] = highest * power
        else:
            drawn[rate.name] = highest * 30 ** (power - 1)
    return Rates(**drawn)


def without_rates(rates: Rates, names: Collection[str]) -> Rates:
    """The same, those of these names at zero."""
    kept = {rate.name: getattr(rates, rate.name) for rate in fields(Rates) if rate.name not in names}
    return Rates(**kept)
