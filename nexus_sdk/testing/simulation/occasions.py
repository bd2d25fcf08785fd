"""What leads to places that are seldom reached: a run that aims at one of them is given an occasion to come there.

The one rule: an occasion is an ordinary part of a plan. It makes something likelier that happens anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nexus_sdk.testing.simulation.programs import Node


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is added to a plan.

    Attributes:
        nodes: what its first program begins with.
        acts: what is done to that program's instance, seconds after it was started.
        rates: faults that are at least so likely.
    """

    nodes: tuple[Node, ...] = ()
    acts: tuple[tuple[float, str], ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)


def _work(number: int, takes: float, **more: object) -> Node:
    return {"op": "work", "n": number, "fails": 0, "takes": takes, "beats": False, "queue": "default"} | more


_WIDE: Node = {"op": "map", "n": 901, "width": 40, "at_once": None, "takes": 0.0}
_GIVEN_UP: Node = {"op": "race", "n": 902, "of": [_WIDE | {"takes": 12.0}, {"op": "sleep", "n": 903, "seconds": 0.5}]}
_TOLD: tuple[Node, ...] = (
    {"op": "tell", "n": 907, "to": "nobody", "name": "a"},
    {"op": "tell", "n": 908, "to": "p0", "name": "a"},
    {"op": "tell", "n": 921, "to": "nobody", "name": "b"},
    {"op": "tell", "n": 922, "to": "nobody", "name": "a"},
)
_BORN: Node = {
    "op": "child",
    "n": 909,
    "program": {"op": "seq", "of": [_work(910, 0.0)], "rounds": 1},
    "detached": False,
    "named": False,
    "shape": "carried",
    "limit": None,
}
_BROOD: Node = {"op": "brood", "n": 925, "width": 3, "at_once": None, "program": _BORN["program"]}
_OF_ALL_KINDS: Node = {
    "op": "gather",
    "n": 924,
    "of": [_BORN, _TOLD[0], _BORN | {"n": 923}, _TOLD[2]],
    "is_tolerant": False,
}
_SOME: Node = _WIDE | {"width": 6}
_GIVEN_UP_BY_THE_QUEUE = Occasion(
    (_work(911, 2.0), _SOME | {"takes": 2.0}, _SOME | {"n": 904, "takes": 12.0}),
    (),
    {"dead_letter": 0.6, "lost_lease": 0.9, "crash": 0.05},
)

OCCASIONS: Mapping[str, Occasion] = {
    **dict.fromkeys(("outbox:task", "outbox:put"), Occasion((_WIDE, _WIDE | {"n": 920}))),
    "outbox:cancel": Occasion((_GIVEN_UP,)),
    **dict.fromkeys(("outbox:outcome", "outbox:reply"), Occasion(_TOLD)),
    "outbox:message": Occasion((_BORN, *_TOLD, _BORN | {"n": 923}), (), {"tidy": 1.0}),
    "outbox:instance": Occasion((_BORN, _BORN | {"n": 923})),
    "outbox:sent": Occasion((_BROOD, _BORN)),
    "outbox:made": Occasion((_OF_ALL_KINDS,)),
    **dict.fromkeys(
        ("ack", "ack:write"), Occasion((_SOME | {"takes": 12.0},), ((1.5, "terminate"), (9.0, "terminate")))
    ),
    **dict.fromkeys(
        ("send", "send:accept"),
        Occasion(
            (_SOME | {"takes": 2.0}, _SOME | {"n": 919, "takes": 2.0}),
            ((0.7, "suspend"), (15.0, "resume"), (16.0, "suspend"), (30.0, "resume")),
            {"rival": 0.2},
        ),
    ),
    **dict.fromkeys(("retry", "retry:write", "retry:put"), Occasion((_work(914, 0.0, fails=4),))),
    **dict.fromkeys(("release", "release:write", "release:show"), Occasion((_work(915, 12.0),), (), {"rival": 0.3})),
    **dict.fromkeys(("extend", "extend:write", "extend:hide"), Occasion((_work(916, 12.0, beats=True),))),
    **dict.fromkeys(("dead:take", "dead:write", "dead:put", "dead:remove"), _GIVEN_UP_BY_THE_QUEUE),
    **dict.fromkeys(
        ("due:write", "due:put"),
        Occasion((_SOME | {"n": 917, "takes": 0.3}, _WIDE), (), {"lost_ring": 0.3, "lost_lease": 0.3}),
    ),
    **dict.fromkeys(("purge", "purge:write", "purge:clear"), Occasion((), (), {"tidy": 1.0})),
    **dict.fromkeys(("list", "count"), Occasion((), ((2.0, "ask"), (6.0, "ask")))),
    "watch": Occasion((), ((0.5, "watch"), (1.0, "watch"))),
    "commit": Occasion(({"op": "fall", "n": 918},), ((3.0, "rewind"), (8.0, "rewind"), (15.0, "rewind"))),
    "get_blobs": Occasion((), ((2.0, "ask"), (6.0, "ask"))),
}
"""By place. A client commits when it rewinds what has failed."""


def occasion_for(aim: str) -> Occasion | None:
    """What leads to the place that a run aims at; None for those that are reached anyway."""
    fault, _, place = aim.rpartition(" ")
    is_reached_anyway = place == "commit" and not fault.startswith("client")
    return None if is_reached_anyway else OCCASIONS.get(place)
