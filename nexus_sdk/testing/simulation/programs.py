"""Random programs: trees of operations as plain data, which `definitions` carries out as workflows.

A program is the argument of the workflow that carries it out, so one definition serves them all, and a failing one can
be read in its history. The one rule: what a node does is decided here, from the seed, and never while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

Node = dict[str, Any]
"""An operation: `op` says which, the rest is its."""

DURATIONS = (0.0, 0.05, 0.5, 1.0, 3.0, 10.0, 31.0, 600.0, 90_000.0)
"""Seconds that timers take, the usual ones first."""

SIZES = (1_000, 40_000, 47_999, 48_001, 99_999, 100_001, 250_000, 300_000)
"""Bytes that bulky values have: beside the bounds of the stores, too."""

LEAVES: dict[str, float] = {
    "work": 8, "sleep": 3, "wait": 3, "toil": 2, "near": 2, "fall": 1, "once": 1, "hang": 1, "effect": 1, "patch": 2,
    "tell": 2, "status": 1, "fragile": 2, "bulk": 0.5, "moment": 1,
}  # fmt: skip
BRANCHES: dict[str, float] = {
    "seq": 3,
    "gather": 3,
    "race": 2,
    "map": 2,
    "spawn": 2,
    "child": 3,
    "brood": 1,
    "saga": 3,
    "timeout": 2,
    "try": 2,
    "clean": 2,
}
"""How likely each kind of node is, among its like."""

DEPTH_MAX = 3


class Author:
    """Draws programs.

    Args:
        chance: what it draws from.
        ids: the ids of the instances that are started from outside: whom events may be sent to.
    """

    def __init__(self, chance: Random, ids: list[str]) -> None:
        self._chance = chance
        self._ids = ids
        self._count = 0

    def program(self) -> Node:
        """A whole program: `rounds` runs of it, one continuing as the next."""
        chance = self._chance
        body = [self._node(0, saga=0) for _ in range(chance.randint(1, 3))]
        return {"op": "seq", "of": body, "rounds": chance.choice((1, 1, 1, 2, 3))}

    def _node(self, depth: int, *, saga: int) -> Node:
        kinds = dict(LEAVES)
        if depth < DEPTH_MAX:
            kinds |= BRANCHES
        if saga:
            kinds |= {"book": 12}
        op = self._chance.choices(list(kinds), list(kinds.values()))[0]
        self._count += 1
        node: Node = {"op": op, "n": self._count}
        return node | self._details(node, depth, saga)

    def _details(self, node: Node, depth: int, saga: int) -> Node:
        chance = self._chance
        body: Node

        def several(least: int = 1) -> list[Node]:
            return [self._node(depth + 1, saga=saga) for _ in range(chance.randint(least, 3))]

        match node["op"]:
            case "work" | "toil" | "near":
                fails = chance.choice((0, 0, 0, 0, 1, 2))
                return {"fails": fails, "takes": self._takes(), "beats": chance.random() < 0.2, "queue": self._queue()}
            case "once":
                return {"takes": self._takes()}
            case "book":
                return {"takes": self._takes(), "saga": saga}
            case "bulk":
                return {"size": chance.choice(SIZES), "fails": chance.choice((0, 0, 1, 3))}
            case "hang":
                return {"within": chance.choice(("timeout", "heartbeat", "close"))}
            case "sleep":
                return {"seconds": self._seconds()}
            case "wait":
                limit = self._seconds() if chance.random() < 0.5 else None
                return {"name": chance.choice("ab"), "limit": limit}
            case "tell":
                return {"to": chance.choice([*self._ids, "nobody"]), "name": chance.choice("ab")}
            case "seq" | "try":
                return {"of": several()}
            case "clean":
                # Deeper inside, a race or a timeout may interrupt the clean-up, too.
                return {"of": several(), "is_outermost": depth == 0, "takes": self._takes()}
            case "saga":
                number: int = node["n"]
                inside = [self._node(depth + 1, saga=number) for _ in range(chance.randint(1, 3))]
                inside.insert(0, {"op": "book", "n": number + 1_000, "takes": 0.0, "saga": number})
                return {"of": inside, "fails": chance.random() < 0.5}
            case "gather" | "race":
                return {"of": several(2), "is_tolerant": chance.random() < 0.3}
            case "timeout":
                return {"of": several(), "seconds": self._seconds()}
            case "map":
                width = chance.choice((0, 1, 2, 3, 5, 12, 2, 3, 5, 50))
                return {"width": width, "at_once": chance.choice((None, 1, 2)), "takes": self._takes()}
            case "brood":
                body = {"op": "seq", "of": [self._node(DEPTH_MAX, saga=0)], "rounds": 1}
                return {"width": chance.choice((2, 3, 5)), "at_once": chance.choice((None, 2)), "program": body}
            case "spawn":
                return {"node": self._node(depth + 1, saga=0), "then": several(), "end": chance.choice("wwcl")}
            case "child":
                body = {"op": "seq", "of": several(), "rounds": chance.choice((1, 1, 1, 2))}
                return {
                    "program": body,
                    "detached": chance.random() < 0.25,
                    "named": chance.random() < 0.5,
                    "shape": chance.choice(("carried", "yielded")),
                    "limit": self._seconds() if chance.random() < 0.15 else None,
                }
            case _:
                return {}

    def _seconds(self) -> float:
        return self._chance.choices(DURATIONS, (3, 4, 5, 5, 4, 3, 1, 1, 1))[0]

    def _takes(self) -> float:
        """How long an activity takes, in seconds."""
        return self._chance.choices((0.0, 0.02, 0.3, 2.0, 12.0), (6, 4, 4, 2, 1))[0]

    def _queue(self) -> str:
        return self._chance.choices(("default", "other"), (5, 1))[0]


def nodes_of(program: Node) -> Iterator[Node]:
    """The program's nodes, those of its children's programs too."""
    yield program
    for inner in program.get("of", ()):
        yield from nodes_of(inner)
    for inner in (*program.get("then", ()), *(program[key] for key in ("node", "program") if key in program)):
        yield from nodes_of(inner)


class Unsure(Exception):
    """What comes of a program depends on time or on others."""


def expected(program: Node, round: int = 1) -> Any:
    """What a program returns, when neither time nor chance nor anybody else has a say in it.

    Raises:
        Unsure: one of them has.
    """
    del round  # every round returns the same
    return [_expected(node) for node in program["of"]]


def _expected(node: Node) -> Any:
    match node["op"]:
        case "work" | "toil" | "near":
            return node["n"]
        case "book":
            return [node["saga"], node["n"]]
        case "sleep" | "status":
            return None
        case "effect":
            return node["n"]
        case "bulk":
            return node["size"]
        case "fall":
            raise Unsure
        case "seq" | "clean":
            return [_expected(inner) for inner in node["of"]]
        case "gather":
            return [_expected(inner) for inner in node["of"]]
        case "map":
            return [node["n"] * 100 + index for index in range(node["width"])]
        case "brood":
            return [expected(node["program"])] * node["width"]
        case "saga" if not node["fails"]:
            return [_expected(inner) for inner in node["of"]]
        case "spawn" if node["end"] == "w":
            return [_expected(node["node"]), [_expected(inner) for inner in node["then"]]]
        case "child" if not node["detached"] and node["limit"] is None and not node["named"]:
            return expected(node["program"])
        case "try" if all(inner["op"] != "fall" for inner in node["of"]):
            return [_expected(inner) for inner in node["of"]]
        case _:
            raise Unsure
