"""Postponed annotations are resolved where a definition is made, each by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nexus_sdk import Context, activity, workflow
from nexus_sdk.authoring.signature import Signature
from nexus_sdk.testing import WorkflowEnvironment

if TYPE_CHECKING:
    from nowhere import Ghost


@dataclass
class Global:
    x: int


async def test_a_model_that_is_local_to_a_test_arrives_as_itself() -> None:
    class Order(BaseModel):
        total: float

    @dataclass
    class Receipt:
        amount: float

    @activity
    async def charge(order: Order) -> Receipt:
        return Receipt(order.total)

    @workflow
    async def fulfil(ctx: Context, order: Order) -> list[Receipt]:
        assert isinstance(order, Order)
        receipt = await charge(order)
        assert isinstance(receipt, Receipt)
        return [receipt]

    async with WorkflowEnvironment(workflows=[fulfil], activities=[charge]) as env:
        assert await env.run(fulfil, Order(total=3)) == [Receipt(3.0)]


def test_names_of_all_the_functions_around_are_known() -> None:
    @dataclass
    class Outer:
        x: int

    def made() -> Any:
        @dataclass
        class Inner:
            y: int

        @activity
        def act(a: Outer, b: list[Inner], c: Global) -> dict[str, Outer]:
            raise NotImplementedError

        return act.signature.hints, Inner

    hints, inner = made()
    assert hints == {"a": Outer, "b": list[inner], "c": Global, "return": dict[str, Outer]}


def test_an_annotation_that_cannot_be_resolved_does_not_hide_the_others() -> None:
    def act(a: Ghost, b: int, c: list[Ghost] | None = None) -> Global:
        raise NotImplementedError

    assert Signature(act, skip=0).hints == {"b": int, "return": Global}


def test_the_nearest_name_counts() -> None:
    class Global:
        pass

    def act(a: Global) -> None: ...

    assert Signature(act, skip=0).hints["a"] is Global


async def test_a_child_with_options_knows_them_too() -> None:
    @dataclass
    class Order:
        total: float

    @workflow
    async def child(ctx: Context, order: Order) -> float:
        return order.total

    @workflow
    async def parent(ctx: Context, order: Order) -> float:
        return await child.options(id="the-child")(order)

    async with WorkflowEnvironment(workflows=[parent, child]) as env:
        assert await env.run(parent, Order(3.0)) == 3.0
