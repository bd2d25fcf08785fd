"""What the engine does in the simulation is what the specification allows; and bugs that were planted in it are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice

import pytest

from nexus_sdk.testing.formal.traced import simulate_traced
from nexus_sdk.testing.simulation.plan import draw
from tests.simulation.mutants import planted

nightly = pytest.mark.skipif(os.environ.get("NEXUS_NIGHTLY") != "1", reason="takes minutes: NEXUS_NIGHTLY=1")

PLANTED = {
    "a conflict costs the outcome": "AckTask: the instance has not ended",
    "any holder may settle": "is not worker-",
    "blocking takes the messages along": "TakeTurn",
    "cancelled tasks are only removed": "by the specification: [('outcome'",
    "early ack": "AckTask: the instance has not ended",
    "finished instances take messages": "and is not there",
    "held too far": "messages that it does not want a turn for",
    "messages stay after they were used": "inbox of",
    "naive timer compare": "µs early",
    "no dedup": "was accepted before",
    "no fence": "the fence",
    "no memory of event ids": "was accepted before",
    "off by one fence": "the fence",
    "suspension forgets messages": "a held instance did something",
    "termination leaves activities running": "tasks of",
    "the end of a run leaves its activities": "EndedRunsLeaveNothing",
    "the record of a blocked instance says running": "running; by the specification: ",
    "timers sleep with their worker": "it is to be woken at None",
    "warm instances are always up to date": "the mail is of batch",
    "woken an hour late": "it is to be woken at",
}
"""Bugs that the specification refuses within a few seeds, and by what. They are those of tests/simulation."""

RARE = ("the end of a run leaves its activities", "blocking takes the messages along")

SAMPLE = [name for name in PLANTED if name not in RARE]

SEEDS_MAX = 600


def _seeds(first: int = 0, *, is_split: bool = False) -> Iterator[int]:
    return (seed for seed in count(first) if draw(seed).is_split is is_split)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_split", [False, True])
def test_what_the_engine_does_is_allowed(is_split: bool) -> None:
    _follow(islice(_seeds(is_split=is_split), 8), steps_min=200)


@nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("is_split", [False, True])
def test_what_the_engine_does_in_many_runs_is_allowed(is_split: bool) -> None:
    _follow(islice(_seeds(10_000, is_split=is_split), 1_000), steps_min=50_000)


def _follow(seeds: Iterator[int], steps_min: int) -> None:
    taken = 0
    for seed in seeds:
        outcome, steps = simulate_traced(draw(seed))
        assert not outcome.broken.startswith("the specification refuses"), f"seed {seed}: {outcome.broken}"
        taken += steps
    assert taken >= steps_min


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_bug_is_refused(name: str) -> None:
    _hunt(name)


@nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(PLANTED.keys() - SAMPLE))
def test_every_planted_bug_is_refused(name: str) -> None:
    _hunt(name)


def _hunt(name: str) -> None:
    for seed in _seeds():
        assert seed < SEEDS_MAX, f"{name} was not refused"
        with planted(name):
            outcome, _ = simulate_traced(draw(seed))
        if outcome.broken.startswith("the specification refuses"):
            assert PLANTED[name] in outcome.broken
            return
