"""polling_monitor: delivered, lost, and a carrier that is down for a while. Days pass, and the tests do not wait."""

from datetime import timedelta
from pathlib import Path

import pytest
from polling_monitor import follow_parcel, look_up

from nexus_sdk.testing import WorkflowEnvironment


def environment() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[follow_parcel], activities=[look_up])


async def test_it_looks_until_the_parcel_is_there():
    async with environment() as env:
        env.mock(look_up, sequence=["announced", "on its way", "delivered"])
        began = env.now
        handle = await env.start(follow_parcel, "parcel-1")
        assert await handle.result() == {"parcel": "parcel-1", "place": "delivered", "looks": 3}
        assert env.now - began == timedelta(seconds=60 + 90)
        assert (await handle.status()).custom_status == "delivered"


async def test_it_says_how_it_stands():
    async with WorkflowEnvironment(workflows=[follow_parcel], clock="manual") as env:
        env.mock(look_up, returns="announced")
        handle = await env.start(follow_parcel, "parcel-1")
        await env.advance("2m")
        assert await handle.query("progress") == {"place": "announced", "looks": 2, "pause": 90.0}
        assert (await handle.status()).custom_status == "announced; look 3 follows in 90 s"


async def test_the_pauses_grow_to_the_longest():
    async with environment() as env:
        env.mock(look_up, sequence=["announced"] * 36 + ["delivered"])
        began = env.now
        await env.run(follow_parcel, "parcel-1", 60.0, 100.0)
        assert env.now - began == timedelta(seconds=60 + 90 + 34 * 100)


async def test_patience_ends():
    async with environment() as env:
        env.mock(look_up, returns="announced")
        began = env.now
        assert (await env.run(follow_parcel, "parcel-1"))["place"] == "lost"
        assert env.now - began == timedelta(days=14)


async def test_a_carrier_that_is_down_is_asked_again_later():
    async with environment() as env:
        env.mock(look_up, sequence=[*[ConnectionError("no answer")] * 3, "delivered"])
        assert await env.run(follow_parcel, "parcel-1") == {"parcel": "parcel-1", "place": "delivered", "looks": 2}
        assert any(event == "the carrier does not answer" for _, event, _ in env.said)


async def test_wherever_it_is_killed_it_comes_to_the_same_end():
    async with environment() as env:
        env.mock(look_up, sequence=["announced", "delivered"])
        assert await env.crash_everywhere(follow_parcel, "parcel-1") > 5


async def test_the_carrier_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert await look_up("parcel-1") == "announced"  # outside a workflow an activity is a function
    (tmp_path / "parcel-1.txt").write_bytes(b"delivered\n")
    assert await look_up("parcel-1") == "delivered"
