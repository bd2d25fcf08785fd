"""What the result of a workflow is decoded to: what its function is annotated with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from nexus_sdk import Completes, Completion, Context, Operation, PayloadError, Workflow, workflow
from nexus_sdk.testing import WorkflowEnvironment

T = TypeVar("T")


@dataclass
class Receipt:
    number: int


@workflow
async def completing(ctx: Context) -> Completes[Receipt]:
    yield ctx.complete(Receipt(1))


@workflow
async def spelled_out(ctx: Context) -> AsyncGenerator[Operation[Any] | Completion[Receipt], Any]:
    yield ctx.complete(Receipt(1))


@workflow
async def only_completing(ctx: Context) -> AsyncGenerator[Completion[list[Receipt]], None]:
    yield ctx.complete([Receipt(1)])


@workflow
async def perhaps(ctx: Context) -> Completes[Receipt | None]:
    yield ctx.complete(Receipt(1))


@workflow
async def without_parameter(ctx: Context) -> Completes:
    yield ctx.complete(Receipt(1))


@workflow
async def of_anything(ctx: Context) -> AsyncGenerator[Any, Any]:
    yield ctx.complete(Receipt(1))


@workflow
async def unannotated(ctx: Context):
    yield ctx.complete(Receipt(1))


@workflow
async def returning(ctx: Context) -> Receipt:
    return Receipt(1)


@workflow
async def ending_otherwise(ctx: Context) -> Completes[Receipt]:
    yield ctx.complete("a text")


@workflow
async def parent(ctx: Context) -> Completes[int]:
    receipt = await completing()
    yield ctx.complete(receipt.number)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (completing, Receipt),
        (spelled_out, Receipt),
        (only_completing, list[Receipt]),
        (perhaps, Receipt | None),
        (without_parameter, Any),
        (of_anything, Any),
        (unannotated, Any),
        (returning, Receipt),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_result_type_is_what_is_annotated(definition: Workflow[..., Any], expected: Any) -> None:
    assert definition.result_type == expected


async def test_a_result_comes_back_as_what_the_workflow_completes_with() -> None:
    async with WorkflowEnvironment(workflows=[completing, parent, unannotated]) as env:
        assert await env.run(completing) == Receipt(1)
        assert await env.run(parent) == 1
        assert await env.run(unannotated) == {"number": 1}


async def test_a_result_of_another_type_is_told_where_it_is_asked_for() -> None:
    async with WorkflowEnvironment(workflows=[ending_otherwise]) as env:
        handle = await env.start(ending_otherwise)
        with pytest.raises(PayloadError, match="Receipt"):
            await handle.result()
