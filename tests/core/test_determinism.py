"""Time, ids, randomness, side effects and logs: the same at every replay."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from nexus_sdk import ActivityFailed, Context, workflow
from nexus_sdk.core import events as e
from tests.core.acts import work
from tests.core.driver import START_US, Driver


@workflow
async def draws(ctx: Context):
    first = [ctx.now().isoformat(), str(ctx.uuid4()), ctx.random.random(), ctx.random.sample(range(1000), 3)]
    yield work(first)
    second = [ctx.now().isoformat(), str(ctx.uuid4()), ctx.random.random()]
    yield work(second)
    yield ctx.complete([first, second])


def test_now_uuid4_and_random_are_the_same_at_every_replay() -> None:
    # The driver compares what a cold replay and the live execution pass to the second activity.
    driver = Driver(draws)
    driver.turn()
    driver.turn(driver.done("0"), after=5)
    driver.play()
    first, second = driver.result
    assert first[1] != second[1]
    assert datetime.fromisoformat(first[0]) == datetime.fromtimestamp(START_US / 1e6, UTC)
    assert (datetime.fromisoformat(second[0]) - datetime.fromisoformat(first[0])).total_seconds() == 5


def test_time_stands_still_within_a_turn_and_never_goes_back() -> None:
    @workflow
    async def flow(ctx: Context):
        first = ctx.now()
        yield work(1)
        yield ctx.complete([ctx.now() == ctx.now(), (ctx.now() - first).total_seconds()])

    driver = Driver(flow)
    driver.turn(after=5)
    driver.turn(driver.done("0"), after=-3)  # the clock of this worker is behind
    assert driver.result == [True, 0]


SCRIPT = """
from tests.core.driver import Driver, names
from nexus_sdk import Context, workflow
from tests.core.acts import book, work
from tests.core.test_determinism import draws
driver = Driver(draws)
driver.play()
print(driver.result, driver.asked)

@workflow
async def many(ctx: Context):
    async with ctx.saga():
        ctx.spawn(work("spawned"))
        results = yield ctx.gather(*(ctx.race(book(n), x=ctx.sleep(n), y=ctx.wait_for_event("e")) for n in range(9)))
        raise ValueError("no")

driver = Driver(many)
print(names(driver.play().history))
"""


def test_the_hash_seed_of_the_process_does_not_matter() -> None:
    said = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        said.add(run.stdout)
    assert len(said) == 1


# --- side effects ---


def test_a_side_effect_runs_once_and_its_value_is_recorded() -> None:
    calls: list[int] = []

    def draw() -> dict[str, int]:
        calls.append(1)
        return {"drawn": len(calls)}

    @workflow
    async def flow(ctx: Context):
        value = yield ctx.side_effect(draw)
        yield work(value)
        yield ctx.complete(value)

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    for _ in range(3):
        driver.fresh().dispose()
    driver.play()
    assert calls == [1]
    assert driver.result == {"drawn": 1}


def test_a_side_effect_that_raises_is_recorded_too() -> None:
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise LookupError("no luck")

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.side_effect(fails)
        except ActivityFailed as error:
            yield work([error.type, error.message])

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    driver.fresh().dispose()
    driver.play()
    assert calls == [1]
    assert driver.asked == ["work(['LookupError', 'no luck'])"]


def test_a_side_effect_whose_value_cannot_be_recorded_fails_and_is_not_run_again() -> None:
    calls: list[int] = []

    def unspeakable() -> object:
        calls.append(1)
        return object() if len(calls) == 1 else "it would be fine now"

    @workflow
    async def flow(ctx: Context):
        try:
            yield ctx.side_effect(unspeakable)
        except ActivityFailed as error:
            yield work(error.type)

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    driver.fresh().dispose()
    driver.play()
    assert calls == [1]
    assert driver.asked == ["work('PayloadError')"]


def test_the_function_of_a_side_effect_is_outside_the_workflow() -> None:
    @workflow
    async def flow(ctx: Context):
        said = yield ctx.side_effect(lambda: repr(work(1)))
        yield ctx.complete(said)

    assert "outside a workflow" in Driver(flow).play().result


# --- logs, is_replaying, identity ---


def said(driver: Driver) -> list[str]:
    return [line.event for line in driver.last.log]


def test_each_thing_is_logged_once_when_its_turn_is_live() -> None:
    @workflow
    async def flow(ctx: Context):
        ctx.log.info("begin", order=ctx.instance_id)
        yield work(1)
        ctx.log.warning("middle")
        yield work(2)
        ctx.log.error("end")

    driver = Driver(flow)
    driver.turn()
    assert said(driver) == ["begin"]
    assert driver.last.log[0].fields["order"] == "order-42"
    driver.turn(driver.done("0"))
    assert said(driver) == ["middle"]
    driver.deploy(flow)
    driver.turn(driver.done("1"))
    assert said(driver) == ["end"]


def test_is_replaying_tells() -> None:
    told: list[bool] = []

    @workflow
    async def flow(ctx: Context):
        told.append(ctx.is_replaying)
        yield work(1)
        told.append(ctx.is_replaying)
        yield work(2)

    driver = Driver(flow)
    driver.is_thorough = False
    driver.turn()
    driver.deploy(flow)
    driver.turn(driver.done("0"))
    assert told == [False, True, False]


def test_the_context_knows_who_it_is() -> None:
    @workflow(name="named", version="7")
    async def flow(ctx: Context):
        yield ctx.complete([ctx.instance_id, ctx.run, ctx.workflow_name, ctx.version, ctx.parent_id])

    assert Driver(flow).play().result == ["order-42", 1, "named", "7", None]


def test_a_seed_that_was_given_replaces_that_of_the_run() -> None:
    plain, seeded, same = Driver(draws), Driver(draws, seed="other"), Driver(draws, seed="run-1")
    results = [driver.play().result for driver in (plain, seeded, same)]
    assert results[0] != results[1]
    assert results[0] == results[2]


@pytest.mark.parametrize("value", [object(), {"x": {1, object()}}])
def test_a_status_that_cannot_be_encoded_is_refused_at_its_line(value: Any) -> None:
    @workflow
    async def flow(ctx: Context):
        try:
            ctx.set_status(value)
        except Exception as error:
            yield ctx.complete(type(error).__name__)

    driver = Driver(flow).play()
    assert driver.result == "PayloadError"
    assert not any(isinstance(event, e.CustomStatusSet) for event in driver.history)
