"""What a run of a simulated world is: drawn from a seed, and nothing else.

Everything has a name by which it can be left out (`drops`), so that a failing run can be made smaller without changing
what is left: each part draws from a stream of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from random import Random

from nexus_sdk.testing.simulation.programs import Author, Node, nodes_of

PROFILES = ("memory", "split", "dynamodb", "tables", "firestore")
"""The stores: see `stores`."""

CALM_SECONDS = (60.0, 60.0, 60.0, 60.0, 1_000.0, 100_000.0)
"""From then on nothing goes wrong any more, and everything must come to rest. The usual times first."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How likely each fault is: at each of its occasions, unless said otherwise.

    Attributes:
        crash: the worker dies, before or after a store call or one of its sub-steps.
        aimed: the same, but only at the one place that the run aims at (`Plan.aim`).
        fail_before: the store is unavailable; nothing was done.
        fail_after: it was done, but the caller sees that the store is unavailable.
        latency: a store call takes up to `latency_seconds` on either side.
        lost_lease: what was just leased is at once to be had by others: two hold it.
        lost_bell: a bell of the store does not ring.
        lost_ring, duplicate, reorder, late_ring, redeliver: what a queue does to a message: lose it, deliver it twice,
            hand out another one first, hold it back, deliver it again although it was acknowledged.
        tidy: an instance is purged as soon as it has finished.
        pause, jump, outage, deploy: of them, so many happen in a run, on average: a worker stands still for longer than
            its lease, a clock is set wrong, the store is away for all, a worker is replaced by one of another build.
        skew: how far clocks are off from the start, in seconds.
    """

    crash: float = 0.0
    aimed: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    latency: float = 0.0
    latency_seconds: float = 0.0
    lost_lease: float = 0.0
    lost_bell: float = 0.0
    lost_ring: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    late_ring: float = 0.0
    redeliver: float = 0.0
    tidy: float = 0.0
    pause: float = 0.0
    jump: float = 0.0
    outage: float = 0.0
    deploy: float = 0.0
    skew: float = 0.0


HIGHEST = Rates(
    crash=0.15,
    aimed=0.8,
    fail_before=0.15,
    fail_after=0.2,
    latency=0.5,
    latency_seconds=1.0,
    lost_lease=0.4,
    lost_bell=0.5,
    lost_ring=0.3,
    duplicate=0.5,
    reorder=1.0,
    late_ring=0.3,
    redeliver=0.3,
    tidy=1.0,
    pause=3.0,
    jump=3.0,
    outage=2.0,
    deploy=4.0,
    skew=3.0,
)


EVENLY_DRAWN = frozenset({"aimed", "tidy", "pause", "jump", "outage", "deploy", "skew"})
"""Rates of which a small one would mean next to nothing."""

AIMS = (
    *("commit", "send", "retry", "ack", "extend", "release", "create", "purge", "put_blobs", "load"),
    *("receive:lease", "commit:write", "commit:write", "commit:write", "retry:write", "send:accept", "settle:write"),
    *("outbox:task", "outbox:message", "outbox:outcome", "outbox:instance", "outbox:reply", "outbox:sent"),
    *("outbox:cancel", "ring", "due:put", "purge:write"),
)
"""Where a run may aim its crashes: after this."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the outside world does at a time.

    Attributes:
        at_seconds: since the beginning.
        what: ``start``, ``event``, ``cancel``, ``terminate``, ``suspend``, ``resume``, ``rewind``, ``purge``, ``ask``,
            ``pause``, ``jump``, ``outage`` and ``deploy`` are faults that come at a time.
        number: of the program, or of the worker, that is meant.
        name: of an event, of a build.
        value: the event's payload; seconds of a delay, of a pause, of an outage, or of a jump.
    """

    at_seconds: float
    what: str
    number: int = 0
    name: str = ""
    value: float = 0.0
    is_repeated: bool = False
    repeated_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: what is done, by whom, on what, and what goes wrong."""

    seed: int
    profile: str
    rates: Rates
    builds: tuple[str, ...]
    """Of each worker, at the beginning."""
    lease_seconds: float
    warm_max: int
    payload_bytes_max: int
    ids: tuple[str, ...]
    shapes: tuple[str, ...]
    programs: tuple[Node | None, ...]
    """None where one was left out."""
    acts: tuple[Act, ...]
    aim: str = ""
    calm_seconds: float = CALM_SECONDS[0]
    is_cancelled_at_rest: bool = False
    drops: tuple[str, ...] = field(default=())

    @property
    def has_broken_build(self) -> bool:
        """Whether code is deployed that cannot go on with what the others did."""
        return "broken" in self.builds or any(act.name == "broken" for act in self.acts if act.what == "deploy")


def draw(seed: int, *, profile: str | None = None, drops: Collection[str] = ()) -> Plan:
    """The plan of a seed.

    Args:
        seed: the same seed, the same plan.
        profile: the store to use, instead of the one that the seed says.
        drops: names of what is left out: a rate (``crash``), a program (``program:1``), an act (``act:3``), all
            workers but one (``workers``).
    """
    chance = Random(f"{seed}/plan")
    drawn = chance.choices(PROFILES, (5, 2, 1, 1, 1))[0]
    rates = _rates(Random(f"{seed}/rates"), drops)
    count = chance.choices((1, 2, 3, 4), (4, 3, 2, 1))[0]
    ids = tuple(f"p{number}" for number in range(count))
    author = Author(Random(f"{seed}/programs"), list(ids))
    programs = [author.program() for _ in ids]
    workers = chance.choices((1, 2, 3, 4), (3, 4, 3, 1))[0]
    is_mixed = chance.random() < 0.4
    deployed = ("old", "old", "new", "partial", "broken") if is_mixed else ("old",)
    builds = tuple(chance.choice(deployed) for _ in range(workers))
    acts = _acts(Random(f"{seed}/acts"), programs) + _weather(Random(f"{seed}/weather"), rates, workers)
    acts = [act for index, act in enumerate(acts) if f"act:{index}" not in drops]
    return Plan(
        seed,
        profile or drawn,
        rates,
        builds[:1] if "workers" in drops else builds,
        lease_seconds=chance.choice((3.0, 10.0, 30.0)),
        warm_max=chance.choice((0, 2, 1_000)),
        payload_bytes_max=chance.choice((60, 400, 256_000, 256_000, 256_000)),
        ids=ids,
        shapes=tuple(chance.choice(("carried", "yielded")) for _ in ids),
        programs=tuple(None if f"program:{i}" in drops else program for i, program in enumerate(programs)),
        acts=tuple(sorted(acts, key=lambda act: act.at_seconds)),
        aim=chance.choice(AIMS if profile_is_split(profile or drawn) else AIMS[:10]),
        calm_seconds=chance.choice(CALM_SECONDS),
        is_cancelled_at_rest=chance.random() < 0.6,
        drops=tuple(drops),
    )


def profile_is_split(profile: str) -> bool:
    """Whether its verbs have sub-steps."""
    return profile != "memory"


def parts(plan: Plan) -> list[str]:
    """The names of what could be left out of a run, the largest parts first."""
    names = [f"program:{number}" for number, program in enumerate(plan.programs) if program is not None]
    names += [rate.name for rate in fields(Rates) if getattr(plan.rates, rate.name) and rate.name != "latency_seconds"]
    names += ["workers"] if len(plan.builds) > 1 else []
    whole = draw(plan.seed, profile=plan.profile)
    names += [f"act:{index}" for index in range(len(whole.acts) - 1, -1, -1)]
    return [name for name in names if name not in plan.drops]


def _rates(chance: Random, drops: Collection[str]) -> Rates:
    """Each at zero in half of the runs; otherwise anything up to the highest, small ones as likely as large ones."""
    drawn: dict[str, float] = {}
    for rate in fields(Rates):
        is_on, power = chance.random() < 0.5, chance.random()
        highest: float = getattr(HIGHEST, rate.name)
        is_kept = rate.name not in drops and (is_on or rate.name == "latency_seconds")
        drawn[rate.name] = highest * 30 ** (power - 1) if is_kept else 0.0
        if rate.name in EVENLY_DRAWN and is_kept:
            drawn[rate.name] = highest * power
    return Rates(**drawn)


def _acts(chance: Random, programs: list[Node]) -> list[Act]:
    """What clients do."""
    acts: list[Act] = []
    for number, program in enumerate(programs):
        begun = chance.uniform(0, 5)
        delay = chance.choice((0.0, 0.0, 0.0, 0.0, 2.0))
        is_repeated, later = chance.random() < 0.4, chance.choice((0.0, 5.0, 25.0))
        acts.append(Act(begun, "start", number, "", delay, is_repeated, later))
        waits = [node["name"] for node in nodes_of(program) if node["op"] == "wait"]
        for name in waits:
            if chance.random() < 0.75:
                at = begun + chance.uniform(-1, 25)
                acts.append(Act(at, "event", number, name, float(chance.randint(1, 99)), chance.random() < 0.3))
        for what, likely in (("ask", 0.2), ("cancel", 0.15), ("terminate", 0.08), ("purge", 0.25), ("rewind", 0.2)):
            if chance.random() < likely:
                at = begun + chance.expovariate(1 / 10)
                acts.append(Act(at, what, number))
                if what == "cancel":
                    acts.append(Act(at + 1.0, what, number))
        if chance.random() < 0.2:
            at = begun + chance.expovariate(1 / 5)
            acts.append(Act(at, "suspend", number))
            acts.append(Act(at + chance.expovariate(1 / 8), "resume", number))
        if chance.random() < 0.1:
            acts.append(Act(begun + chance.expovariate(1 / 20), "start", number))
        for _ in range(chance.choice((0, 0, 0, 3, 8))):
            name, value = chance.choice("ab"), float(chance.randint(1, 99))
            acts.append(Act(begun + chance.choice((1.0, 4.0)) + chance.random() ** 4, "event", number, name, value))
    return acts


def _weather(chance: Random, rates: Rates, workers: int) -> list[Act]:
    """What goes wrong at a time."""
    acts = []
    for what, mean in (
        ("pause", rates.pause),
        ("jump", rates.jump),
        ("outage", rates.outage),
        ("deploy", rates.deploy),
    ):
        for _ in range(min(6, round(chance.expovariate(1 / mean)) if mean else 0)):
            at, number = chance.uniform(0, 40), chance.randrange(workers)
            value = chance.choice((1.0, 4.0, 12.0, 45.0))
            if what == "jump":
                value = chance.choice((-3_600.0, -30.0, -1.0, 1.0, 30.0, 3_600.0))
            name = chance.choice(("old", "new", "partial", "broken", "new")) if what == "deploy" else ""
            acts.append(Act(at, what, number, name, value))
    return acts
