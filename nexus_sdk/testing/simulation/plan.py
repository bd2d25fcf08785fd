"""What a run of a simulated world is: data, drawn from a seed or read from a file, and nothing else.

Everything has a name by which it can be left out (`without`), so that a failing run can be made smaller without
changing what is left. A plan that is kept is kept as data (`to_json`): what a seed means changes with the generator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from random import Random
from typing import Any

from nexus_sdk.testing.simulation.occasions import Occasion, occasion_for
from nexus_sdk.testing.simulation.programs import Author, Node, nodes_of
from nexus_sdk.testing.simulation.rates import Rates, draw_aim, draw_rates, without_rates

PROFILES = ("memory", "split", "dynamodb", "tables", "firestore")
"""The stores: see `stores`."""

OCCASION_AIMED = 0.5
"""A run that is given an occasion comes to the place it aims at once or twice: the fault strikes so often at least."""

CALM_SECONDS = (60.0, 60.0, 60.0, 60.0, 1_000.0, 100_000.0)
"""From then on nothing goes wrong any more, and everything must come to rest. The usual times first."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the outside world does at a time.

    Attributes:
        at_seconds: since the beginning.
        what: ``start``, ``event``, ``cancel``, ``terminate``, ``suspend``, ``resume``, ``rewind``, ``purge``, ``ask``,
            ``query``, ``watch``; ``pause``, ``jump``, ``outage``, ``deploy`` and ``damage`` are faults that come at a
            time.
        number: of the program, or of the worker, that is meant.
        name: of an event, of a build; what is away in an outage.
        value: the event's payload; seconds of a delay, of a pause, of an outage, or of a jump; what is damaged.
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
    """Where chance begins while it runs."""
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
    acts: tuple[Act | None, ...]
    """By time; None where one was left out."""
    aim: str = ""
    receives_max: int = 4
    """So often a queue delivers a message before it goes to the dead letters."""
    replayed: float = 0.0
    """How likely each commit is followed by a replay of what has been recorded so far."""
    calm_seconds: float = CALM_SECONDS[0]
    is_cancelled_at_rest: bool = False
    drops: tuple[str, ...] = field(default=())
    """What was left out of what was drawn, or read."""

    @property
    def has_broken_build(self) -> bool:
        """Whether code is deployed that cannot go on with what the others did."""
        return "broken" in self.builds or any(act.name == "broken" for act in self.acts if act and act.what == "deploy")

    @property
    def is_split(self) -> bool:
        """Whether the verbs of its store have sub-steps."""
        return self.profile != "memory"


# --- parts ------------------------------------------------------------------------------------------------------------


def parts(plan: Plan) -> list[str]:
    """The names of what could be left out of a run, the largest parts first."""
    names = [f"program:{number}" for number, program in enumerate(plan.programs) if program is not None]
    names += [rate.name for rate in fields(Rates) if getattr(plan.rates, rate.name) and rate.name != "latency_seconds"]
    names += ["workers"] if len(plan.builds) > 1 else []
    names += [f"act:{index}" for index in range(len(plan.acts) - 1, -1, -1) if plan.acts[index] is not None]
    return names


def without(plan: Plan, names: Collection[str]) -> Plan:
    """The plan with less in it: a rate (``crash``), a program (``program:1``), an act (``act:3``), ``workers``."""
    return replace(
        plan,
        rates=without_rates(plan.rates, names),
        builds=plan.builds[:1] if "workers" in names else plan.builds,
        programs=tuple(None if f"program:{i}" in names else program for i, program in enumerate(plan.programs)),
        acts=tuple(None if f"act:{i}" in names else act for i, act in enumerate(plan.acts)),
        drops=(*plan.drops, *(name for name in names if name not in plan.drops)),
    )


def to_json(plan: Plan) -> dict[str, Any]:
    """As data."""
    return asdict(replace(plan, drops=()))


def from_json(data: Mapping[str, Any]) -> Plan:
    """What `to_json` gave; rates that it does not have are zero."""
    acts = tuple(Act(**act) if act is not None else None for act in data["acts"])
    rates = Rates(**{name: rate for name, rate in data["rates"].items() if name in Rates.__dataclass_fields__})
    sequences = {name: tuple(data[name]) for name in ("builds", "ids", "shapes", "programs", "drops")}
    return Plan(**{**data, **sequences, "acts": acts, "rates": rates})


# --- drawing ----------------------------------------------------------------------------------------------------------


def draw(seed: int, *, profile: str | None = None, drops: Collection[str] = ()) -> Plan:
    """The plan of a seed.

    Args:
        seed: the same seed, the same plan.
        profile: the store to use, instead of the one that the seed says.
        drops: names of what is left out: see `without`.
    """
    chance = Random(f"{seed}/plan")
    drawn = chance.choices(PROFILES, (2, 3, 2, 2, 1))[0]
    rates = draw_rates(Random(f"{seed}/rates"))
    count = chance.choices((1, 2, 3, 4), (4, 3, 2, 1))[0]
    ids = tuple(f"p{number}" for number in range(count))
    author = Author(Random(f"{seed}/programs"), list(ids))
    programs = [author.program() for _ in ids]
    workers = chance.choices((1, 2, 3, 4), (3, 4, 3, 1))[0]
    is_mixed = chance.random() < 0.4
    deployed = ("old", "old", "new", "partial", "broken") if is_mixed else ("old",)
    builds = tuple(chance.choice(deployed) for _ in range(workers))
    acts = _acts(Random(f"{seed}/acts"), programs) + _weather(Random(f"{seed}/weather"), rates, workers, count)
    acts.sort(key=lambda act: act.at_seconds)
    plan = Plan(
        seed,
        profile or drawn,
        rates,
        builds,
        lease_seconds=chance.choice((3.0, 10.0, 30.0)),
        warm_max=chance.choice((0, 2, 1_000)),
        payload_bytes_max=chance.choice((60, 400, 256_000, 256_000, 256_000)),
        ids=ids,
        shapes=tuple(chance.choice(("carried", "yielded")) for _ in ids),
        programs=tuple(programs),
        acts=tuple(acts),
        aim=draw_aim(Random(f"{seed}/aim"), is_split=(profile or drawn) != "memory"),
        receives_max=chance.choice((2, 3, 5)),
        replayed=chance.choice((0.0, 0.02, 0.1)),
        calm_seconds=chance.choice(CALM_SECONDS),
        is_cancelled_at_rest=chance.random() < 0.6,
    )
    occasion = occasion_for(plan.aim) if rates.aimed else None
    plan = _with_occasion(plan, occasion) if occasion is not None else plan
    return without(plan, drops) if drops else plan


def _with_occasion(plan: Plan, occasion: Occasion) -> Plan:
    """The plan with what leads to the place it aims at."""
    first = plan.programs[0]
    assert first is not None
    started = next((act.at_seconds for act in plan.acts if act is not None and act.what == "start"), 0.0)
    acts = [act for act in plan.acts if act is not None]
    acts += [Act(started + seconds, what) for seconds, what in occasion.acts]
    acts.sort(key=lambda act: act.at_seconds)
    least = {"aimed": OCCASION_AIMED, **occasion.rates}
    raised = {name: max(rate, getattr(plan.rates, name)) for name, rate in least.items()}
    return replace(
        plan,
        programs=(first | {"of": [*occasion.nodes, *first["of"]]}, *plan.programs[1:]),
        acts=tuple(acts),
        rates=replace(plan.rates, **raised),
    )


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
        acts += _requests(chance, number, begun)
        if chance.random() < 0.1:
            acts.append(Act(begun + chance.expovariate(1 / 20), "start", number))
        for _ in range(chance.choice((0, 0, 0, 3, 8))):
            name, value = chance.choice("ab"), float(chance.randint(1, 99))
            acts.append(Act(begun + chance.choice((1.0, 4.0)) + chance.random() ** 4, "event", number, name, value))
    return acts


REQUESTS = {"ask": 0.2, "query": 0.4, "watch": 0.3, "cancel": 0.15, "terminate": 0.08, "purge": 0.25, "rewind": 0.2}
"""How likely a client asks for it, of each program."""


def _requests(chance: Random, number: int, begun: float) -> list[Act]:
    """What is asked of one program's instance, at any time."""
    acts = []
    for what, likely in REQUESTS.items():
        if chance.random() < likely:
            at = begun + chance.expovariate(1 / 10)
            acts.append(Act(at, what, number))
            if what == "cancel":
                acts.append(Act(at + 1.0, what, number))
    if chance.random() < 0.2:
        at = begun + chance.expovariate(1 / 5)
        acts.append(Act(at, "suspend", number))
        acts.append(Act(at + chance.expovariate(1 / 8), "resume", number))
    return acts


def _weather(chance: Random, rates: Rates, workers: int, programs: int) -> list[Act]:
    """What goes wrong at a time."""
    acts = []
    for what in ("pause", "jump", "outage", "deploy", "damage"):
        mean: float = getattr(rates, what)
        for _ in range(min(6, round(chance.expovariate(1 / mean)) if mean else 0)):
            at, number = chance.uniform(0, 40), chance.randrange(workers)
            value = chance.choice((1.0, 4.0, 12.0, 45.0))
            if what == "jump":
                value = chance.choice((-3_600.0, -30.0, -1.0, 1.0, 30.0, 3_600.0))
            if what == "damage":
                at, number, value = chance.uniform(0, 20), chance.randrange(programs), chance.random()
            name = chance.choice(("old", "new", "partial", "broken", "new")) if what == "deploy" else ""
            if what == "outage":
                name = chance.choice(("store", "store", "table", "queue"))
            acts.append(Act(at, what, number, name, value))
    return acts
