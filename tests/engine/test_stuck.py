"""An instance that could go on and does not is named, once; who is only waiting is not."""

from __future__ import annotations

from typing import Any

from nexus_sdk import Context, workflow
from nexus_sdk.engine.stuck import StuckWatch
from nexus_sdk.store.bell import BellBoard
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Received, TurnDelivery
from nexus_sdk.testing import WorkflowEnvironment


def seconds(number: float) -> int:
    return round(number * 1_000_000)


def test_only_what_was_due_at_every_look_is_named_and_once() -> None:
    watch = StuckWatch()
    assert watch.look(["a", "b"], seconds(0)) == []
    assert watch.look(["a"], seconds(59)) == []
    assert watch.look(["a", "b"], seconds(60)) == ["a"]
    assert watch.look(["a", "b"], seconds(61)) == []
    assert watch.look(["a", "b"], seconds(120)) == ["b"]
    assert watch.look([], seconds(121)) == []
    assert watch.look(["a"], seconds(122)) == []
    assert watch.look(["a"], seconds(182)) == ["a"]


class Withholding(MemoryStore):
    """Never delivers one of its instances: a bug of a store."""

    async def receive(self, *args: Any, **named: Any) -> Received:
        received = await super().receive(*args, **named)
        for delivery in received.deliveries:
            if isinstance(delivery, TurnDelivery) and delivery.instance_id == "withheld":
                bells, self._board = self._board, BellBoard()  # who heard of it would ask for it again at once
                await self.release(delivery, now_us=named["now_us"])
                self._board = bells
        kept = tuple(each for each in received.deliveries if getattr(each, "instance_id", "") != "withheld")
        return Received(kept, None)


@workflow
async def napping(ctx: Context):
    yield ctx.sleep("1h")
    yield ctx.complete(None)


async def test_a_worker_names_what_nobody_moves_on() -> None:
    async with WorkflowEnvironment([napping], store=Withholding(), clock="manual") as env:
        for name in ("withheld", "sleeping"):
            await env.start(napping, id=name)
        for _ in range(10):
            await env.advance("30s")
        told = [(text, fields) for level, text, fields in env.said if level == "warning"]
        assert [fields["instance_id"] for _, fields in told] == ["withheld"]
        assert "nexus show withheld" in told[0][0]
        assert "'napping'" in told[0][0]
