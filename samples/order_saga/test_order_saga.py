"""order_saga: both ways, and what happens between them."""

import pytest
from order_saga import Order, charge, place_order, refund, release, reserve, ship

from nexus_sdk import WorkflowCancelled
from nexus_sdk.testing import WorkflowEnvironment

GOOD = Order("order-1", "a lamp", "London")
BAD = Order("order-2", "a lamp", "nowhere")


def environment(clock: str = "auto") -> WorkflowEnvironment:
    return WorkflowEnvironment(
        workflows=[place_order], activities=[reserve, release, charge, refund, ship], clock=clock
    )


def done(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the activities have printed: the first word of each line."""
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()]


async def test_a_good_order_is_reserved_charged_and_shipped(capsys: pytest.CaptureFixture[str]):
    async with environment() as env:
        result = await env.run(place_order, GOOD)
    assert result == {"order": "order-1", "parcel": "parcel of order-1", "paid": 4_900}
    assert done(capsys) == ["reserving", "charging", "shipping"]


async def test_a_failed_shipment_is_undone_newest_first(capsys: pytest.CaptureFixture[str]):
    async with environment() as env:
        result = await env.run(place_order, BAD)
    assert result == {"order": "order-2", "refused": "no carrier goes to nowhere"}
    assert done(capsys) == ["reserving", "charging", "refunding", "releasing"]


async def test_a_change_of_mind_is_undone_too(capsys: pytest.CaptureFixture[str]):
    async with environment(clock="manual") as env:
        handle = await env.start(place_order, GOOD)
        await env.advance("1s")
        await handle.cancel("the customer called")
        with pytest.raises(WorkflowCancelled):
            await handle.result()
    assert done(capsys) == ["reserving", "charging", "refunding", "releasing"]


async def test_a_crash_repeats_nothing_that_was_recorded(capsys: pytest.CaptureFixture[str]):
    async with environment(clock="manual") as env:
        handle = await env.start(place_order, BAD)
        await env.advance("1s")
        await env.restart_worker()
        await env.advance("2s")
        assert (await handle.result())["refused"]
    assert done(capsys) == ["reserving", "charging", "refunding", "releasing"]
