"""`app.run`, `from_module` and the default store: how a script uses an app."""

from __future__ import annotations

import asyncio
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import (
    Context,
    DefinitionError,
    InstanceExists,
    Nexus,
    WorkflowCancelled,
    WorkflowFailed,
    activity,
    workflow,
)

RAN: list[int] = []


@activity
async def add_one(x: int) -> int:
    RAN.append(x)
    return x + 1


@activity
def double(x: int) -> int:
    return 2 * x


@workflow
async def computing(ctx: Context, x: int):
    yield ctx.complete((yield double((yield add_one(x)))))


@workflow
async def failing(ctx: Context) -> None:
    raise ValueError("on purpose")


@workflow
async def cancelled(ctx: Context) -> None:
    from nexus_sdk import CancelledError

    raise CancelledError("by itself")


def app_of(store: str) -> Nexus:
    RAN.clear()
    return Nexus(store, workflows=[computing, failing, cancelled], activities=[add_one, double])


def test_run_gives_the_result(store_url: str) -> None:
    assert app_of(store_url).run(computing, 1) == 4


def test_run_takes_a_bound_call_and_a_name(store_url: str) -> None:
    app = app_of(store_url)
    assert app.run(computing(x=2)) == 6
    assert app.run("computing", 3) == 8


def test_run_with_an_id_that_exists_attaches(store_url: str) -> None:
    app = app_of(store_url)
    assert app.run(computing, 1, id="it") == 4
    assert app.run(computing, 1, id="it") == 4
    assert RAN == [1]
    with pytest.raises(InstanceExists):
        app.run(computing, 2, id="it")


def test_run_raises_how_it_ended(store_url: str) -> None:
    app = app_of(store_url)
    for _ in range(2):
        with pytest.raises(WorkflowFailed, match="on purpose"):
            app.run(failing, id="it")
    with pytest.raises(WorkflowCancelled, match="by itself"):
        app.run(cancelled)


def test_run_goes_on_with_what_another_process_began(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nexus.db"

    async def begin() -> None:
        await app_of(url).client().start(computing, 5, id="it")

    asyncio.run(begin())
    assert app_of(url).run(computing, 5, id="it") == 12


def test_one_app_runs_in_several_event_loops_one_after_another(store_url: str) -> None:
    app = app_of(store_url)
    assert [app.run(computing, x) for x in range(4)] == [2, 4, 6, 8]

    async def through_a_client() -> Any:
        async with app.worker():
            return await (await app.client().start(computing, 10)).result()

    assert asyncio.run(through_a_client()) == 22
    assert asyncio.run(through_a_client()) == 22


async def test_run_works_where_a_loop_runs_already(store_url: str) -> None:
    assert app_of(store_url).run(computing, 1) == 4


async def test_run_async_works_where_a_loop_runs_already(store_url: str) -> None:
    assert await app_of(store_url).run_async(computing, 1, id="it") == 4


def test_making_an_app_does_no_io(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Nexus(workflows=[computing]).client()
    assert list(tmp_path.iterdir()) == []


def test_nexus_store_names_the_default_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_STORE", f"sqlite:///{tmp_path}/other.db")
    Nexus(workflows=[computing], activities=[add_one, double]).run(computing, 1)
    assert (tmp_path / "other.db").exists()


def test_without_it_the_store_is_a_file_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXUS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    Nexus(workflows=[computing], activities=[add_one, double]).run(computing, 1)
    assert (tmp_path / "nexus.db").exists()


@pytest.fixture
def module() -> Any:
    made: Any = types.ModuleType("orders_for_this_test")
    made.computing, made.alias, made.add_one, made.double = computing, computing, add_one, double
    made.other = 42
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def test_from_module_finds_every_definition(module: Any) -> None:
    app = Nexus.from_module("orders_for_this_test", store="memory://")
    assert set(app.registry.workflows) == {("computing", "1")}
    assert set(app.registry.activities) == {"add_one", "double"}
    assert app.run(computing, 1) == 4
    assert Nexus.from_module(module, "memory://").run(computing, 1) == 4


def test_from_module_says_what_is_missing() -> None:
    with pytest.raises(DefinitionError, match="no_such_module"):
        Nexus.from_module("no_such_module")
    with pytest.raises(DefinitionError, match="no workflow"):
        Nexus.from_module("string")


def test_two_definitions_of_one_name_and_version_are_refused() -> None:
    @workflow(name="computing")
    async def another(ctx: Context) -> None: ...

    @activity(name="double")
    def another_double(x: int) -> int:
        return x

    with pytest.raises(DefinitionError, match="computing"):
        Nexus("memory://", workflows=[computing, another])
    with pytest.raises(DefinitionError, match="double"):
        Nexus("memory://", activities=[double, another_double])
    Nexus("memory://", workflows=[computing, computing])


async def test_awaiting_a_bound_call_says_how_to_run_it() -> None:
    with pytest.raises(DefinitionError, match=r"app\.run\(computing"):
        await computing(1)


def test_a_memory_store_is_private_to_its_app() -> None:
    assert app_of("memory://").run(computing, 1, id="it") == 4
    assert app_of("memory://").run(computing, 2, id="it") == 6
