# mypy: disable-error-code="type-arg"
# pyright: basic
"""`dict` without parameters is `dict[Any, Any]`, not `Any`: also where a type checker has to choose an overload."""

from __future__ import annotations

from typing import Any, assert_type

from nexus_sdk import Activity, Completes, Context, Nexus, Workflow, activity, workflow


@activity
async def forget(receipt: dict) -> None: ...


@activity
def forget_whatever(receipt: Any) -> None: ...


@activity
async def bare(order: dict) -> dict:
    return order


@activity
def bare_sync(order: dict) -> dict:
    return order


@activity(timeout="1s")
async def with_options(order: dict) -> dict:
    return order


@activity(timeout="1s")
def with_options_sync(order: dict) -> list:
    return [order]


@activity(compensate=forget)
async def undone(order: dict) -> dict:
    return order


@activity(compensate=forget)
def undone_sync(order: dict) -> dict:
    return order


@activity(compensate=forget_whatever)
async def undone_by_anything(order: dict) -> dict:
    return order


@activity(compensate=forget_whatever)
def undone_sync_by_anything(order: dict) -> tuple:
    return (order,)


@workflow
async def coroutine(ctx: Context, order: dict) -> dict:
    assert_type(await bare(order), dict[Any, Any])
    assert_type(await bare_sync(order), dict[Any, Any])
    assert_type(await with_options(order), dict[Any, Any])
    assert_type(await with_options_sync(order), list[Any])
    assert_type(await undone(order), dict[Any, Any])
    assert_type(await undone_sync(order), dict[Any, Any])
    assert_type(await undone_by_anything(order), dict[Any, Any])
    assert_type(await undone_sync_by_anything(order), tuple[Any, ...])
    assert_type(await ctx.map(bare, [order]), list[dict[Any, Any]])
    assert_type(await ctx.gather(bare(order), bare_sync(order)), tuple[dict[Any, Any], dict[Any, Any]])
    return order


@workflow(version="2")
async def coroutine_with_options(ctx: Context, order: dict) -> list:
    return [order]


@workflow
async def generator(ctx: Context, order: dict) -> Completes[dict]:
    yield ctx.complete(order)


def running(app: Nexus, order: dict) -> None:
    assert_type(app.run(coroutine, order), dict[Any, Any])
    assert_type(app.run(coroutine_with_options, order), list[Any])
    assert_type(app.run(generator, order), dict[Any, Any])


definitions: list[Activity[[dict], dict]] = []
served: list[Workflow[..., Any]] = [coroutine, coroutine_with_options, generator]
