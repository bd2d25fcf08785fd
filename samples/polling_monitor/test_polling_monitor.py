"""polling_monitor: delivered, lost, and a carrier that is down for a while. Days pass, and the tests do not wait."""

from collections.abc import Callable
from pathlib import Path

import pytest
from polling_monitor import follow_parcel, look_up

from nexus_sdk.testing import WorkflowEnvironment


@pytest.fixture
def carrier_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """Call it to let the carrier know where the parcel is."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "parcel-1.txt").write_bytes


def environment(clock: str = "manual") -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[follow_parcel], activities=[look_up], clock=clock)


async def test_it_looks_until_the_parcel_is_there(carrier_says: Callable[[bytes], int]):
    async with environment() as env:
        handle = await env.start(follow_parcel, "parcel-1")
        await env.advance("2m")  # looks after 0 and 60 seconds; the next after 150
        assert await handle.query("progress") == {"place": "announced", "looks": 2, "pause": 90.0}
        assert (await handle.status()).custom_status == "announced; look 3 follows in 90 s"
        carrier_says(b"delivered\n")
        await env.advance("30s")
        assert await handle.result() == {"parcel": "parcel-1", "place": "delivered", "looks": 3}
        assert (await handle.status()).custom_status == "delivered"


async def test_the_pauses_grow_to_the_longest(carrier_says: Callable[[bytes], int]):
    async with environment() as env:
        handle = await env.start(follow_parcel, "parcel-1", 60.0, 100.0)
        await env.advance("1h")
        # at 0 and 60 seconds, at 150, then every 100
        assert await handle.query("progress") == {"place": "announced", "looks": 37, "pause": 100.0}


async def test_patience_ends(carrier_says: Callable[[bytes], int]):
    async with environment(clock="auto") as env:
        began = env.now
        assert (await env.run(follow_parcel, "parcel-1"))["place"] == "lost"
        assert (env.now - began).days == 14


async def test_a_carrier_that_is_down_is_asked_again_later(carrier_says: Callable[[bytes], int]):
    carrier_says(b"\xff")  # what is no text cannot be read
    async with environment() as env:
        handle = await env.start(follow_parcel, "parcel-1")
        await env.advance("1m")
        assert (await handle.query("progress"))["place"] == "unknown"
        assert any(event == "the carrier does not answer" for _, event, _ in env.said)
        carrier_says(b"delivered")
        await env.advance("10m")
        assert (await handle.result())["place"] == "delivered"
