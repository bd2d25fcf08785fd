"""A worker that dies, or whose store fails, at any store call: another one comes to the same end.

Every shape, every call, and on every side of it: dead before it, dead after it, `StoreUnavailable` before it (nothing
was done) and after it (it was done, and nobody knows). What is compared is the result, the histories of all runs of
all instances, and the effects.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Store
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.crashes import Telling
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.faults import FaultAt, Faults, NoFault, Point, Strike, at_sub_step
from nexus_sdk.testing.laws import check_laws
from tests.scenarios.shapes import ACTIVITIES, EFFECTS, LARGE, SAMPLE, SHAPES, WORKFLOWS

OPTIONS = WorkerOptions(lease_seconds=30.0)

NIGHTLY = bool(os.environ.get("NEXUS_NIGHTLY"))
"""Set by `make nightly`: what takes minutes is done as well."""

nightly = pytest.mark.skipif(not NIGHTLY, reason="takes minutes; NEXUS_NIGHTLY=1 asks for it")

MATRIX = [("memory", name) for name in SHAPES] + [("split", name) for name in (SHAPES if NIGHTLY else SAMPLE)]
"""Every shape on the transactional store; on the split one, which has several times as many points, a sample."""

PAIRS = (
    *("at once", "local", "by name", "race", "events before the wait, twice", "durable work before the next run"),
    *("complete inside a saga", "local retries", "a cancellation that is swallowed", "terminated"),
)
"""Ten of the smallest, for what grows with the square of their calls."""

PAIRS_MATRIX = [("memory", name) for name in PAIRS] + [("split", name) for name in PAIRS[:3]]


@dataclass(frozen=True)
class Outcome:
    """What a run of a shape came to: its end, what all histories tell, and how often each effect happened."""

    end: Any
    telling: Telling
    effects: Counter[str]


class Watching(NoFault):
    """Disturbs nothing, and remembers for each point all that would outlive a crash there."""

    def __init__(self, profile: str) -> None:
        super().__init__()
        self.store = new_store(profile)
        self.left: list[str] = []

    async def at(self, point: Point) -> None:
        await super().at(point)
        what_lasts = ("_items", "_blobs", "_tombstones", "queue")
        self.left.append(repr([len(EFFECTS), *(getattr(self.store, name, None) for name in what_lasts)]))


@dataclass
class CrashTwice:
    """A crash at one point, and another one so many points after it.

    Attributes:
        is_over: the second one was reached, too.
    """

    first: int
    second: int
    faults: list[FaultAt] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = [FaultAt(self.first, Strike.CRASH), FaultAt(self.second, Strike.CRASH)]

    async def at(self, point: Point) -> None:
        await self._present.at(point)

    @property
    def has_crashed(self) -> bool:
        return self._present.has_crashed

    @property
    def is_over(self) -> bool:
        return self.faults[1].struck is not None

    def revive(self) -> None:
        self._present.revive()

    @property
    def _present(self) -> FaultAt:
        first, second = self.faults
        return second if first.struck is not None and not first.has_crashed else first


def new_store(profile: str) -> MemoryStore | SplitMemoryStore:
    store = SplitMemoryStore(between=at_sub_step) if profile == "split" else MemoryStore()
    store.capabilities = replace(store.capabilities, payload_bytes_max=LARGE // 2)
    return store


async def watch(name: str, profile: str) -> tuple[Watching, Outcome]:
    """The undisturbed run, that the others are compared with."""
    watching = Watching(profile)
    return watching, await play(name, watching.store, watching)


async def play(name: str, store: Store, faults: Faults) -> Outcome:
    """Run the shape with these faults, and hold what is stored to the laws."""
    EFFECTS.clear()
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES, store=store, worker=OPTIONS, faults=faults) as env:
        end = await SHAPES[name].play(env)
        await check_laws(store)
        return Outcome(end, await Telling.of(env, ""), Counter(EFFECTS))


def points_of(watching: Watching, strike: Strike, *, every: bool = False) -> Iterator[int]:
    """Where to strike: at every point, or at all but those that equal another one.

    A crash leaves what is stored and what was done. Before a call this is mostly what it was after the call before it:
    but not when an activity ran between the two. A call that fails is heard of by its caller, whatever it changed;
    whether it fails before or after makes a difference when it changed something.
    """
    left = ["", *watching.left, ""]
    for number, point in enumerate(watching.passed, start=1):
        if strike is Strike.CRASH:
            is_another = left[number] != left[number - 1]
        else:
            is_another = point.is_done or (":" not in point.what and left[number] != left[number + 1])
        if every or is_another:
            yield number


def differences(undisturbed: Telling, disturbed: Telling) -> list[str]:
    """What happened elsewhere than it should, or did not happen, by instance and run."""
    found: list[str] = []
    for id in sorted({*undisturbed.histories, *disturbed.histories}):
        before, after = (list(telling.histories.get(id, ())) for telling in (undisturbed, disturbed))
        lines = difflib.unified_diff(before, after, lineterm="", n=0) if before != after else ()
        found += [f"{id}: {line}" for line in list(lines)[2:]]
    return found


def assert_same(disturbed: Outcome, undisturbed: Outcome, what: str, *, crashes: int = 1) -> None:
    """The same end and the same histories; of each effect at most one more per crash."""
    assert disturbed.end == undisturbed.end, what
    assert differences(undisturbed.telling, disturbed.telling) == [], what
    # Run ids are drawn, and the keys are made of them: only how many there are can be compared.
    assert len(disturbed.effects) == len(undisturbed.effects), what
    most = max(undisturbed.effects.values(), default=0) + crashes
    assert max(disturbed.effects.values(), default=0) <= most, what


def test_there_are_shapes_enough() -> None:
    assert len(SHAPES) >= 40
    assert set(SAMPLE) | set(PAIRS) <= set(SHAPES)
    assert len(set(PAIRS)) == 10


@pytest.mark.parametrize(("profile", "name"), MATRIX, ids=lambda part: part)
async def test_whatever_store_call_goes_wrong_the_end_is_the_undisturbed_one(profile: str, name: str) -> None:
    watching, undisturbed = await watch(name, profile)
    assert undisturbed.end == SHAPES[name].result
    for strike in Strike:
        for number in points_of(watching, strike, every=NIGHTLY):
            what = f"{strike.name} {watching.passed[number - 1]}, point {number}"
            try:
                disturbed = await play(name, new_store(profile), FaultAt(number, strike))
            except Exception as error:
                error.add_note(what)
                raise
            assert_same(disturbed, undisturbed, what)


@nightly
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("profile", "name"), PAIRS_MATRIX, ids=lambda part: part)
async def test_a_worker_that_dies_and_whose_heir_dies_too_changes_nothing(profile: str, name: str) -> None:
    watching, undisturbed = await watch(name, profile)
    for first in points_of(watching, Strike.CRASH):
        second = 0
        is_over = True
        while is_over:
            second += 1
            faults = CrashTwice(first, second)
            what = f"CRASH {watching.passed[first - 1]}, point {first}; again {second} points later"
            try:
                disturbed = await play(name, new_store(profile), faults)
            except Exception as error:
                error.add_note(what)
                raise
            assert_same(disturbed, undisturbed, what, crashes=2)
            is_over = faults.is_over


async def test_each_activitys_result_is_recorded_once_although_it_ran_twice() -> None:
    watching, _ = await watch("sequence", "memory")
    commits = [n for n, point in enumerate(watching.passed, 1) if str(point) == "before commit"]
    disturbed = await play("sequence", MemoryStore(), FaultAt(commits[1], Strike.CRASH))
    assert max(disturbed.effects.values()) == 2  # it was running when its worker died
    completed = [line for line in disturbed.telling.histories["it"] if line.startswith(e.ActivityCompleted.__name__)]
    assert len(completed) == 4


async def test_a_crash_before_a_call_is_another_one_when_an_activity_ran_since_the_last_call() -> None:
    watching, _ = await watch("sequence", "memory")
    crashes = {str(watching.passed[number - 1]) for number in points_of(watching, Strike.CRASH)}
    assert "before commit" in crashes
    assert "before load" not in crashes
    assert len(list(points_of(watching, Strike.CRASH, every=True))) == len(watching.passed)


async def test_a_worker_that_dies_in_the_middle_of_a_heartbeat_leaves_nothing_behind() -> None:
    watching, _ = await watch("a running activity is stopped", "memory")
    beats = [n for n, point in enumerate(watching.passed, 1) if str(point) == "after extend"]
    await play("a running activity is stopped", MemoryStore(), FaultAt(beats[0], Strike.CRASH))
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
