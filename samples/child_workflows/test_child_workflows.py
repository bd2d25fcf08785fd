"""child_workflows: all well, one child that fails, both that fail, and an end from outside."""

import pytest
from child_workflows import ask_customer, ask_for_review, hand_over, pick, send_order, send_parcel

from nexus_sdk import WorkflowFailed
from nexus_sdk.testing import WorkflowEnvironment


def environment(clock: str = "auto") -> WorkflowEnvironment:
    return WorkflowEnvironment(
        workflows=[send_order, send_parcel, ask_for_review],
        activities=[pick, hand_over, ask_customer],
        clock=clock,
    )


async def status(env: WorkflowEnvironment, id: str) -> str:
    return str((await env.get(id).status()).status)


async def test_each_item_is_a_parcel_of_its_own():
    async with environment() as env:
        result = await env.run(send_order, {"rug": "south", "lamp": "north"}, id="order-1")
        assert await env.get("order-1/lamp").result() == "lamp from north, on its way"
        assert (await env.get("order-1/rug").status()).parent_id == "order-1"
    assert result == {"lamp": "lamp from north, on its way", "rug": "rug from south, on its way"}


async def test_the_parcels_are_packed_at_the_same_time():
    async with environment() as env:
        began = env.now
        await env.run(send_order, {str(number): "north" for number in range(100)})
        assert (env.now - began).total_seconds() == 2


async def test_what_cannot_be_sent_from_its_warehouse_is_sent_from_the_central_one():
    async with environment() as env:
        result = await env.run(send_order, {"lamp": "north", "rug": "flooded"}, id="order-1")
        assert result["rug"] == "rug from central, on its way"
        assert await status(env, "order-1/rug") == "failed"
        assert await status(env, "order-1/rug/again") == "completed"


async def test_children_end_with_their_parent():
    async with environment(clock="manual") as env:
        handle = await env.start(send_order, {"lamp": "north"}, id="order-1")
        await env.settle()
        await handle.cancel("changed my mind")
        await env.settle()
        assert await status(env, "order-1/lamp") == "cancelled"


async def test_the_review_outlives_the_order(capsys: pytest.CaptureFixture[str]):
    async with environment(clock="manual") as env:
        handle = await env.start(send_order, {"lamp": "north"}, id="order-1")
        await env.advance("1m")
        await handle.result()
        assert await status(env, "order-1/review") == "running"
        await env.advance("30d")
        assert await status(env, "order-1/review") == "completed"
    assert "how was order-1" in capsys.readouterr().out


async def test_a_child_whose_id_is_taken_fails_like_any_other():
    async with environment(clock="manual") as env:
        await env.start(send_parcel, "another", "north", 3_600.0, id="order-1/lamp")
        handle = await env.start(send_order, {"lamp": "north"}, id="order-1")
        await env.advance("1m")
        assert await handle.result() == {"lamp": "lamp from central, on its way"}


async def test_when_the_second_try_fails_so_does_the_order():
    async with environment() as env:
        env.mock(hand_over, raises=ConnectionError("no carrier comes"))
        with pytest.raises(WorkflowFailed, match=r"order-1/lamp/again.*no carrier comes"):
            await env.run(send_order, {"lamp": "north"}, id="order-1")
        assert env.calls(pick) == [("lamp", "north"), ("lamp", "central")]


async def test_wherever_it_is_killed_it_comes_to_the_same_end():
    async with environment() as env:
        assert await env.crash_everywhere(send_order, {"lamp": "north", "rug": "flooded"}) > 10
