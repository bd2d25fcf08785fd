"""The graph of all states within bounds: as TLC dumps it, and as the twin makes it; in one form, to be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nexus_sdk.testing.formal import split, transactional
from nexus_sdk.testing.formal.state import Bounds, Message, State
from tests.formal import tlc

Form = Any
"""A value of TLA+: sequences are tuples; records and functions are sets of pairs; model values are strings."""


class Graph(NamedTuple):
    """States, and the steps that lead from one to another one."""

    states: frozenset[Form]
    steps: frozenset[tuple[Form, Form]]


# --- values of TLA+ ---------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r'\s*("[^"]*"|<<|>>|\|->|:>|@@|[\[\]{}(),]|-?\d+|\w+)')


def parse(text: str) -> Form:
    """A value as TLC prints it."""
    tokens = _TOKEN.findall(text)
    tokens.reverse()
    return _value(tokens)


def _value(tokens: list[str]) -> Form:
    match tokens.pop():
        case "<<":
            return tuple(_until(">>", tokens, _value))
        case "{":
            return frozenset(_until("}", tokens, _value))
        case "[":
            return frozenset(_until("]", tokens, lambda rest: _pair("|->", rest)))
        case "(":
            return frozenset(_until(")", tokens, lambda rest: _pair(":>", rest)))
        case "TRUE":
            return True
        case "FALSE":
            return False
        case token if token.lstrip("-").isdigit():
            return int(token)
        case token:
            return token.strip('"')


def _pair(between: str, tokens: list[str]) -> tuple[Form, Form]:
    key = _value(tokens)
    assert tokens.pop() == between
    return key, _value(tokens)


def _until(end: str, tokens: list[str], read: Callable[[list[str]], Form]) -> Iterator[Form]:
    while tokens[-1] != end:
        yield read(tokens)
        if tokens[-1] in (",", "@@"):
            tokens.pop()
    tokens.pop()


# --- as TLC has it ----------------------------------------------------------------------------------------------------

_NODE = re.compile(r'^(-?\d+) \[label="((?:[^"\\]|\\.)*)"', re.MULTILINE | re.DOTALL)
_EDGE = re.compile(r"^(-?\d+) -> (-?\d+)", re.MULTILINE)


def of_tlc(config: str, constants: Mapping[str, str], folder: Path) -> Graph:
    """All states and steps that TLC finds."""
    checked = tlc.run(config, constants, dump=folder / "graph")
    assert not checked.broken, checked.output
    text = (folder / "graph.dot").read_text()
    nodes = {number: _state(label) for number, label in _NODE.findall(text)}
    edges = {(nodes[a], nodes[b]) for a, b in _EDGE.findall(text) if a != b}
    return Graph(frozenset(nodes.values()), frozenset(edges))


def _state(label: str) -> Form:
    plain = label.replace("\\\\", "\\").replace("\\n", "\n").replace('\\"', '"')
    variables = re.split(r"^/\\ ", plain, flags=re.MULTILINE)[1:]
    named = (variable.partition(" = ") for variable in variables)
    return frozenset((name, parse(text)) for name, _, text in named)


# --- as the twin has it -----------------------------------------------------------------------------------------------


def of_twin(config: str, constants: Mapping[str, str]) -> Graph:
    """All states and steps of the twin."""
    bounds = bounds_of(config, constants)
    module: Any = split if config.startswith("Split") else transactional
    start: State = module.first(bounds)
    forms = {start.key(): form_of(start)}
    steps: set[tuple[Form, Form]] = set()
    waiting = [start]
    while waiting:
        state = waiting.pop()
        before = forms[state.key()]
        for after in module.successors(state, bounds):
            key = after.key()
            if key not in forms:
                forms[key] = form_of(after)
                waiting.append(after)
            if forms[key] is not before:
                steps.add((before, forms[key]))
    return Graph(frozenset(forms.values()), frozenset(steps))


def bounds_of(config: str, constants: Mapping[str, str]) -> Bounds:
    """The constants of a configuration, as the twin takes them."""
    text = tlc.configuration(config, constants)
    found = {name: parse(value) for name, value in re.findall(r"^ +(\w+) = (.+)$", text, re.MULTILINE)}
    messages: set[Message] = {("event", name) for name in found["Events"]} | {(kind, 0) for kind in found["Requests"]}
    return Bounds(
        tuple(sorted(found["Workers"])),
        frozenset(messages),
        tuple(sorted(found["Activities"])),
        tuple(sorted(found["Timers"])),
        tuple(sorted(found["Peers"])),
        found["RunsMax"],
        found["AttemptsMax"],
        found["Ends"],
        found["GivesUp"],
        found["FaultKinds"],
        found["FaultsMax"],
    )


_OWN_NAMES = {"seen_at": "seenAt", "sent_as": "sentAs", "is_": "is"}


def form_of(value: Any) -> Form:
    """A value of the twin as TLC has it."""
    if isinstance(value, State):
        names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        return frozenset((_OWN_NAMES.get(name, name), form_of(getattr(value, name))) for name in names)
    if isinstance(value, Mapping):
        if set(value) == set(range(1, len(value) + 1)):  # a function on 1..n is a sequence
            return tuple(form_of(value[n]) for n in sorted(value))
        return frozenset((key, form_of(item)) for key, item in value.items())
    if isinstance(value, frozenset):
        return frozenset(map(form_of, value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields: tuple[str, ...] = value._fields
        return frozenset((_OWN_NAMES.get(name, name), form_of(getattr(value, name))) for name in fields)
    return tuple(map(form_of, value)) if isinstance(value, tuple) else value
