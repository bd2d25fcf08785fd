"""A worker that dies, or whose store fails, at any store call: another one comes to the same end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from nexus_sdk.core import events as e
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Query, Store
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.faults import FaultAt, Faults, NoFault, Point, Strike, at_sub_step
from nexus_sdk.testing.laws import check_laws
from tests.scenarios.shapes import ACTIVITIES, EFFECTS, LARGE, SHAPES, WORKFLOWS, Shape

Story = dict[str, Counter[tuple[str, str]]]
"""Of each instance: how often which kind of event happened to which operation."""

OPTIONS = WorkerOptions(lease_seconds=30.0)


def new_store(profile: str) -> Store:
    store = MemoryStore() if profile == "memory" else SplitMemoryStore(between=at_sub_step)
    store.capabilities = replace(store.capabilities, payload_bytes_max=LARGE // 2)
    return store


async def play(shape: Shape, store: Store, faults: Faults) -> tuple[Any, Story, Counter[str]]:
    """Run the shape with these faults: its result, what its histories tell, and how often each effect happened."""
    EFFECTS.clear()
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES, store=store, worker=OPTIONS, faults=faults) as env:
        handle = await env.start(shape.workflow, *shape.arguments, id="it")
        if shape.client is not None:
            await shape.client(handle)
        result = await handle.result()
        await env.run_until_idle()
        await check_laws(store)
        return result, await story_of(env, store), Counter(EFFECTS)


async def story_of(env: WorkflowEnvironment, store: Store) -> Story:
    page = await store.list(Query(), limit=100)
    return {
        record.id: Counter((type(event).__name__, getattr(event, "path", "")) for event in await env.history(record.id))
        for record in page.records
    }


def points_of(passed: list[Point], strike: Strike) -> list[int]:
    """Where to strike. What happens before a step is what happens after the one before it: one of them is enough.

    But not where a verb begins: a store that is unavailable there has done nothing of it.
    """
    is_enough = [point.is_done or (strike is Strike.UNAVAILABLE and ":" not in point.what) for point in passed]
    return [number for number, is_it in enumerate(is_enough, 1) if is_it]


@pytest.mark.parametrize("strike", list(Strike), ids=lambda strike: strike.name.lower())
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("profile", ["memory", "split"])
async def test_whatever_store_call_goes_wrong_the_end_is_the_undisturbed_one(
    profile: str, name: str, strike: Strike
) -> None:
    shape = SHAPES[name]
    counting = NoFault()
    result, story, effects = await play(shape, new_store(profile), counting)
    assert result == shape.result
    assert max(effects.values(), default=1) == (2 if name == "retries" else 1)
    for number in points_of(counting.passed, strike):
        faults = FaultAt(number, strike)
        what = f"{strike.name} {counting.passed[number - 1]}, point {number}"
        try:
            disturbed = await play(shape, new_store(profile), faults)
        except Exception as error:
            error.add_note(what)
            raise
        assert disturbed[0] == result, what
        assert disturbed[1] == story, what
        # Run ids are drawn, and the keys are made of them: only how many there are can be compared.
        assert len(disturbed[2]) == len(effects), what
        assert max(disturbed[2].values(), default=0) <= max(effects.values(), default=0) + 1, what


async def test_each_activitys_result_is_recorded_once_although_it_ran_twice() -> None:
    shape = SHAPES["sequence"]
    store = MemoryStore()
    counting = NoFault()
    await play(shape, MemoryStore(), counting)
    commits = [n for n, point in enumerate(counting.passed, 1) if str(point) == "before commit"]
    _, story, effects = await play(shape, store, FaultAt(commits[1], Strike.CRASH))
    assert max(effects.values()) == 2  # it was running when its worker died
    assert [count for (kind, _), count in story["it"].items() if kind == e.ActivityCompleted.__name__] == [1] * 4
