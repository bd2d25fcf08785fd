"""order_saga: both ways, what happens between them, and an undo that fails."""

import pytest
from order_saga import Order, Receipt, charge, place_order, refund, release, reserve, ship

from nexus_sdk import WorkflowCancelled, WorkflowFailed
from nexus_sdk.testing import WorkflowEnvironment

GOOD = Order("order-1", "a lamp", "London")
BAD = Order("order-2", "a lamp", "nowhere")


def environment() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[place_order], activities=[reserve, release, charge, refund, ship])


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


async def test_an_undo_gets_what_it_undoes():
    async with environment() as env:
        env.mock(charge, returns=Receipt("key-7", 4_900))
        await env.run(place_order, BAD)
        assert env.calls(refund) == [(Receipt("key-7", 4_900),)]
        assert env.calls(release) == [("a lamp",)]


async def test_a_change_of_mind_is_undone_too(capsys: pytest.CaptureFixture[str]):
    async with environment() as env:
        handle = await env.start(place_order, GOOD)
        await env.settle()
        await handle.cancel("the customer called")
        with pytest.raises(WorkflowCancelled):
            await handle.result()
    assert done(capsys) == ["reserving", "charging", "refunding", "releasing"]


async def test_an_undo_that_fails_is_for_people_and_the_others_are_done():
    async with environment() as env:
        env.mock(refund, raises=ConnectionError("the bank is closed"))
        with pytest.raises(WorkflowFailed, match=r"CompensationFailed: 1 undo of a saga failed.*the bank is closed"):
            await env.run(place_order, BAD)
        assert env.calls(release) == [("a lamp",)]


@pytest.mark.parametrize("order", [GOOD, BAD], ids=["good", "bad"])
async def test_wherever_it_is_killed_it_comes_to_the_same_end(order: Order):
    async with environment() as env:
        assert await env.crash_everywhere(place_order, order) > 5
