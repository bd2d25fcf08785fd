"""Listing, counting and purging."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from nexus_sdk import Context, InstanceNotFound, InvalidArgument, Nexus, StoreError, workflow
from nexus_sdk.codec import CodecChain, Encryption


@workflow
async def quick(ctx: Context, x: int) -> int:
    ctx.set_status({"x": x})
    return x


@workflow
async def waiting(ctx: Context) -> None:
    ctx.set_status("waiting")
    await ctx.wait_for_event("go")


@workflow
async def failing(ctx: Context) -> None:
    raise ValueError("on purpose")


@pytest.fixture
async def env(environment: Any) -> Any:
    """Seven instances: five quick ones a minute apart, one that waits, one that failed."""
    env = await environment(quick, waiting, failing)
    for number in range(5):
        attributes = {"parity": "even" if number % 2 == 0 else "odd", "number": number, "first": number == 0}
        await env.start(quick, number, id=f"quick-{number}", attributes=attributes)
        await env.advance("1m")
    await env.start(waiting, id="waiting", attributes={"parity": "none"})
    await env.start(failing, id="failing")
    await env.settle()
    return env


def ids(page: Any) -> list[str]:
    return [status.id for status in page]


async def test_everything_is_listed_newest_first(env: Any) -> None:
    page = await env.client.list()
    assert sorted(ids(page)[:2]) == ["failing", "waiting"]
    assert ids(page)[2:] == [f"quick-{n}" for n in (4, 3, 2, 1, 0)]
    assert page.cursor is None
    assert await env.client.count() == 7


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"status": "completed"}, 5),
        ({"status": ["failed", "running"]}, 2),
        ({"workflow": "waiting"}, 1),
        ({"workflow": "unknown"}, 0),
        ({"attributes": {"parity": "even"}}, 3),
        ({"attributes": {"parity": "even", "number": 2}}, 1),
        ({"attributes": {"first": True}}, 1),
        ({"attributes": {"nothing": 1}}, 0),
        ({"status": "completed", "attributes": {"parity": "odd"}}, 2),
    ],
)
async def test_filters_restrict_lists_and_counts_alike(env: Any, filters: dict[str, Any], found: int) -> None:
    assert len(await env.client.list(**filters)) == found
    assert await env.client.count(**filters) == found


async def test_instances_created_after_a_moment(env: Any) -> None:
    moment = env.now - timedelta(minutes=2, seconds=30)
    assert sorted(ids(await env.client.list(created_after=moment))) == ["failing", "quick-3", "quick-4", "waiting"]
    assert await env.client.count(created_after=moment) == 4


async def test_pages_follow_each_other_without_gap_or_repetition(env: Any) -> None:
    everything = ids(await env.client.list())
    seen, cursor = [], None
    while True:
        page = await env.client.list(limit=3, cursor=cursor)
        assert len(page) <= 3
        seen += ids(page)
        cursor = page.cursor
        if cursor is None:
            break
        await env.advance("1s")
        await env.start(quick, 9)  # what is newer than the first page changes nothing behind it
    assert seen == everything


async def test_who_has_no_key_can_list_all_the_same(environment: Any) -> None:
    env = await environment(quick, codec=CodecChain(Encryption({"2026": bytes(range(32))})))
    await env.start(quick, 1, id="hidden")
    await env.settle()
    for codec in (None, CodecChain(Encryption({"2027": bytes(32)}))):
        (status,) = await Nexus(env.app.store, codec=codec).client().list()
        assert (status.id, status.status) == ("hidden", "completed")
        assert status.custom_status["encoding"] == "msgpack+aes-gcm"
        assert status.custom_status["key_id"] == "2026"


async def test_a_status_tells_all_there_is(env: Any) -> None:
    status = (await env.client.list(attributes={"number": 3}))[0]
    assert (status.id, status.status, status.workflow, status.version, status.run) == (
        "quick-3",
        "completed",
        "quick",
        "1",
        1,
    )
    assert status.custom_status == {"x": 3}
    assert status.failure is None
    assert dict(status.attributes) == {"parity": "odd", "number": 3, "first": False}
    assert status.created_at <= status.updated_at <= env.now
    failed = await env.get("failing").status()
    assert (failed.failure.type, failed.failure.message) == ("ValueError", "on purpose")


@pytest.mark.parametrize("filters", [{"limit": 0}, {"limit": 1001}, {"status": "busy"}, {"attributes": {"a": None}}])
async def test_filters_that_make_no_sense_are_refused(env: Any, filters: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await env.client.list(**filters)


async def test_a_purged_instance_is_gone_and_its_id_is_free(env: Any) -> None:
    handle = env.get("quick-1")
    await handle.purge()
    await handle.purge()
    with pytest.raises(InstanceNotFound):
        await handle.status()
    with pytest.raises(InstanceNotFound):
        await handle.send_event("go")
    assert await env.client.count() == 6
    assert await env.run(quick, 11, id="quick-1") == 11


async def test_only_what_has_finished_can_be_purged(env: Any) -> None:
    with pytest.raises(StoreError):
        await env.get("waiting").purge()
    with pytest.raises(InstanceNotFound):
        await env.client.get("nobody").purge()
