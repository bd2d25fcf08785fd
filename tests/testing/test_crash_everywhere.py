"""`crash_everywhere`: a crash after any store operation changes nothing, or the test hears of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import (
    ActivityFailed,
    Context,
    IllegalYieldError,
    InvalidArgument,
    Retry,
    activity,
    activity_info,
    workflow,
)
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.testing import CrashDifference, NothingIsDue, WorkflowEnvironment
from tests.scenarios.shapes import ACTIVITIES, SAMPLE, SHAPES, WORKFLOWS
from tests.testing.orders import ORDER, charge, fulfil, pack, pack_all, print_label, refund

EFFECTS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def fresh() -> None:
    EFFECTS.clear()


async def approve(env: WorkflowEnvironment, handle: Any) -> None:
    await env.advance("23h")
    await handle.send_event("approved", True)


@pytest.fixture(params=["memory://", "memory://?profile=split", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param) if request.param != "sqlite" else f"sqlite:///{tmp_path}/nexus.db"


# --- what holds -------------------------------------------------------------------------------------------------------


async def test_an_order_survives_every_crash(store: str) -> None:
    async with WorkflowEnvironment([fulfil], [print_label], store=store, clock="manual") as env:
        env.mock(charge, sequence=[ConnectionError("no line"), {"number": 7}])
        env.mock(refund)
        assert await env.crash_everywhere(fulfil, ORDER, script=approve) > 10


async def test_a_workflow_that_fails_fails_in_the_same_way_after_every_crash() -> None:
    async with WorkflowEnvironment([fulfil], [print_label]) as env:
        env.mock(charge, returns={"number": 7})
        env.mock(refund, sequence=[TimeoutError, None])
        assert await env.crash_everywhere(fulfil, ORDER) > 10  # nobody approves


@pytest.mark.parametrize("name", SAMPLE)
async def test_every_shape_survives_every_crash(name: str) -> None:
    shape = SHAPES[name]
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES) as env:
        assert await env.crash_everywhere(shape.workflow, *shape.arguments, script=shape.script) > 5


async def test_children_that_are_mocked_survive_too() -> None:
    async with WorkflowEnvironment([pack_all]) as env:
        env.mock(pack, sequence=["one", "two"])
        assert await env.crash_everywhere(pack_all, ["lamp", "shade"]) > 5
        assert await env.crash_everywhere(pack_all(items=["lamp"])) > 3


async def test_chance_and_time_are_what_they_were() -> None:
    @activity
    async def draw(number: float) -> float:
        return number

    @workflow
    async def drawing(ctx: Context, left: int):
        yield draw(ctx.random.random())
        if left:
            yield ctx.continue_as_new(left - 1)
        yield ctx.complete([str(ctx.uuid4()), ctx.random.random(), ctx.now()])

    async with WorkflowEnvironment([drawing], [draw]) as env:
        await env.crash_everywhere(drawing, 2)


async def test_the_environment_is_left_as_it_was() -> None:
    async with WorkflowEnvironment([pack_all, pack]) as env:
        handle = await env.start(pack, "lamp")
        await env.settle()
        began, worker = env.now, env.worker
        await env.crash_everywhere(pack_all, ["lamp"])
        assert (env.now, env.worker) == (began, worker)
        assert env.calls(pack) == [("lamp",)]
        assert len(await env.client.list()) == 1
        assert await handle.result() == "lamp in a box"


# --- what does not hold -----------------------------------------------------------------------------------------------


@activity
async def count(what: str) -> int:
    EFFECTS[what] += 1
    return EFFECTS[what]


@workflow
async def counting(ctx: Context, what: str):
    yield ctx.complete({"times": (yield count(what))})


async def test_an_activity_that_is_not_idempotent_is_found() -> None:
    async def anew(env: WorkflowEnvironment, handle: Any) -> None:
        EFFECTS.clear()

    async with WorkflowEnvironment([counting], [count]) as env:
        with pytest.raises(CrashDifference) as raised:
            await env.crash_everywhere(counting, "it", script=anew)
    said = str(raised.value)
    assert "NX703" in said
    assert "a crash before commit (store operation " in said
    assert "changed what counting comes to" in said
    assert '- WorkflowCompleted result={"times": 1}' in said
    assert '+ WorkflowCompleted result={"times": 2}' in said
    assert "- ActivityCompleted 0 result=1\n+ ActivityCompleted 0 result=2" in said
    assert isinstance(raised.value, AssertionError)


async def test_what_may_differ_can_be_named() -> None:
    @activity
    async def name_file(what: str) -> str:
        return f"{what}-{activity_info().attempt}.csv"

    @workflow
    async def naming(ctx: Context):
        yield ctx.complete((yield name_file("report")))

    async with WorkflowEnvironment([naming], [name_file]) as env:
        with pytest.raises(CrashDifference):
            await env.crash_everywhere(naming)
        await env.crash_everywhere(naming, ignoring=r"report-\d+")


async def test_an_activity_that_may_run_only_once_is_told_as_that() -> None:
    @activity(retry=Retry(max_attempts=1))
    async def once() -> str:
        return activity_info().activity

    @workflow
    async def calling(ctx: Context) -> str:
        return await once()

    @workflow
    async def careful(ctx: Context) -> str:
        try:
            return await once()
        except ActivityFailed:
            return "once"

    async with WorkflowEnvironment([calling, careful], [once]) as env:
        with pytest.raises(CrashDifference, match="no further attempt"):
            await env.crash_everywhere(calling)
        with pytest.raises(CrashDifference, match="the history of crash-everywhere:") as raised:
            await env.crash_everywhere(careful)
        assert "the end:" not in str(raised.value)


async def test_code_that_depends_on_the_process_is_found() -> None:
    @activity
    async def step() -> None: ...

    def remember(env: Any) -> int:
        EFFECTS[str(id(env))] += 1
        return EFFECTS[str(id(env))]

    @workflow
    async def forgetful(ctx: Context):
        if EFFECTS["turns"] % 2 == 0:
            yield step()
        EFFECTS["turns"] += 1
        yield ctx.sleep("1h")

    async def anew(env: WorkflowEnvironment, handle: Any) -> None:
        EFFECTS.clear()

    async with WorkflowEnvironment([forgetful], [step]) as env:
        with pytest.raises(CrashDifference, match=r"NonDeterminismError: .* operation 0"):
            await env.crash_everywhere(forgetful, script=anew)


async def test_a_workflow_that_needs_the_outside_world_says_so() -> None:
    @workflow
    async def waiting(ctx: Context):
        yield ctx.wait_for_event("word")

    async with WorkflowEnvironment([waiting]) as env:
        with pytest.raises(NothingIsDue, match=r"undisturbed, .* event 'word'[\s\S]*script="):
            await env.crash_everywhere(waiting)


async def test_a_workflow_that_is_blocked_undisturbed_says_why() -> None:
    @workflow
    async def wrong(ctx: Context):
        yield 3

    async with WorkflowEnvironment([wrong]) as env:
        with pytest.raises(IllegalYieldError):
            await env.crash_everywhere(wrong)


async def test_a_mistake_of_the_script_is_not_hidden() -> None:
    async def script(env: WorkflowEnvironment, handle: Any) -> None:
        await asyncio.sleep(0)
        raise LookupError("in the script")

    async with WorkflowEnvironment([pack]) as env:
        with pytest.raises(LookupError):
            await env.crash_everywhere(pack, "lamp", script=script)


async def test_stores_of_other_kinds_are_made_by_the_test() -> None:
    class OtherStore:
        def __init__(self) -> None:
            self._store = MemoryStore()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

    async with WorkflowEnvironment([pack], store=OtherStore()) as env:  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="cannot make a OtherStore"):
            await env.crash_everywhere(pack, "lamp")
        assert await env.crash_everywhere(pack, "lamp", new_store=MemoryStore) > 3
