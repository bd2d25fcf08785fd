"""A history that becomes long is warned of once; one that is too long is blocked, and goes on when it may be longer."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_sdk import Context, DefinitionError, HistoryLimits, HistoryTooLong, Nexus, activity, workflow
from nexus_sdk.engine.worker import WorkerOptions


@activity
async def fetch(size: int) -> str:
    return "x" * size


@workflow
async def counting(ctx: Context, number: int, size: int = 10):
    for _ in range(number):
        yield fetch(size)
        yield ctx.sleep("1m")
    yield ctx.complete(ctx.history.events)


@workflow
async def rounds(ctx: Context, left: int):
    for _ in range(5):
        yield fetch(10)
    if left:
        yield ctx.continue_as_new(left - 1)


def limited(warm_max: int = 1_000, **limits: int) -> WorkerOptions:
    return WorkerOptions(lease_seconds=1e9, warm_max=warm_max, history_limits=HistoryLimits(**limits))


def warnings_of(env: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(event, fields) for level, event, fields in env.said if level == "warning" and "is long" in event]


@pytest.mark.parametrize("warm_max", [1_000, 0])
@pytest.mark.parametrize("limits", [{"events_warn": 10}, {"bytes_warn": 4_000}])
async def test_a_long_history_is_warned_of_once_for_each_run(
    environment: Any, warm_max: int, limits: dict[str, int]
) -> None:
    env = await environment(counting, rounds, fetch, worker=limited(warm_max, **limits))
    await env.run(counting, 12, id="one")
    ((text, fields),) = warnings_of(env)
    assert text.startswith("the history of one is long: ")
    assert "continue_as_new" in text
    assert fields["instance_id"] == "one"
    assert fields["events"] >= limits.get("events_warn", 0)
    assert fields["bytes"] >= limits.get("bytes_warn", 0)

    if "events_warn" in limits:
        await env.run(rounds, 2, id="three")
        assert [fields["instance_id"] for _, fields in warnings_of(env)] == ["one", "three", "three", "three"]


async def test_nobody_is_warned_of_a_short_one(environment: Any) -> None:
    env = await environment(counting, fetch)
    await env.run(counting, 12)
    assert warnings_of(env) == []


@pytest.mark.parametrize("warm_max", [1_000, 0])
@pytest.mark.parametrize("limits", [{"events_warn": 10, "events_max": 20}, {"bytes_warn": 4_000, "bytes_max": 8_000}])
async def test_one_that_is_too_long_is_blocked_and_goes_on_when_the_limit_is_raised(
    environment: Any, warm_max: int, limits: dict[str, int]
) -> None:
    env = await environment(counting, fetch, worker=limited(warm_max, **limits))
    handle = await env.start(counting, 12, 200, id="it")
    with pytest.raises(HistoryTooLong, match="history_limits"):
        await handle.result()
    status = await handle.status()
    assert (status.status, status.failure.code) == ("blocked", "NX209")
    length = len(await env.history(handle))
    assert 10 < length < 40

    await handle.resume()  # nothing has changed: it stays where it is
    await env.settle()
    assert (await handle.status()).status == "blocked"
    (page,) = await env.client.list(status="blocked")
    assert (page.id, page.failure.code) == ("it", "NX209")

    await env.restart_worker(limited(warm_max, events_max=1_000))  # which tries what is blocked, in its first round
    assert await handle.result() == 2 + 12 * 4


async def test_one_that_is_too_long_can_be_resumed_by_hand_and_be_terminated(environment: Any) -> None:
    env = await environment(counting, fetch, worker=limited(events_warn=5, events_max=10), clock="manual")
    for id in ("resumed", "terminated"):
        await env.start(counting, 12, id=id)
    await env.advance("1h")
    resumed, terminated = env.client.get("resumed"), env.client.get("terminated")
    assert {(await one.status()).status for one in (resumed, terminated)} == {"blocked"}
    await terminated.terminate()
    await env.settle()
    assert (await terminated.status()).status == "terminated"
    await env.restart_worker(limited())
    await resumed.resume()
    await env.advance("1h")
    assert (await resumed.status()).status == "completed"


async def test_neighbours_do_not_notice(environment: Any) -> None:
    env = await environment(counting, fetch, worker=limited(events_warn=5, events_max=10))
    long = await env.start(counting, 12, id="long")
    assert await env.run(counting, 1, id="short") == 6
    with pytest.raises(HistoryTooLong):
        await long.result()


async def test_an_app_gives_its_limits_to_its_workers() -> None:
    limits = HistoryLimits(events_warn=3, events_max=5)
    app = Nexus("memory://", workflows=[rounds], activities=[fetch], history_limits=limits)
    assert app.history_limits is limits
    with pytest.raises(HistoryTooLong):
        await app.run_async(rounds, 0)
    assert Nexus("memory://").history_limits == HistoryLimits()


@pytest.mark.parametrize(
    "limits",
    [{"events_max": 0}, {"bytes_max": 1.5}, {"events_warn": True}, {"bytes_warn": "10 MB"}],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="HistoryLimits"):
        HistoryLimits(**limits)
