"""`app.run` on an instance that is blocked, or whose code has changed: a block counts only with the present code."""

from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Context, Nexus, NonDeterminismError, WorkflowFailed, activity, workflow


@activity
async def lamp() -> str:
    return "lamp"


@activity
async def chair() -> str:
    return "chair"


@workflow(name="furnish")
async def with_lamp(ctx: Context) -> Any:
    thing = yield lamp()
    yield ctx.wait_for_event("go", timeout="1h")
    yield ctx.complete(thing)


@workflow(name="furnish")
async def with_chair(ctx: Context) -> Any:
    thing = yield chair()
    yield ctx.wait_for_event("go", timeout="1h")
    yield ctx.complete(thing)


@workflow
async def breaks(ctx: Context) -> None:
    await lamp()
    raise RuntimeError("broken")


def app_of(folder: Path, served: Any) -> Nexus:
    return Nexus(f"sqlite:///{folder}/nexus.db", workflows=[served], activities=[lamp, chair])


async def waiting_instance(folder: Path) -> None:
    app = app_of(folder, with_lamp)
    async with app.worker():
        handle = await app.client().start(with_lamp, id="room")
        status = await handle.status()
        while len(history := await handle.history()) < 5:
            await app.store.watch("room", run_id=(await app.store.find("room")).run_id, after=len(history.batches))
        assert status.id == "room"


async def test_changed_code_is_found_out_when_the_run_attaches_not_at_the_next_event(tmp_path: Path) -> None:
    await waiting_instance(tmp_path)
    with pytest.raises(NonDeterminismError, match=r"history has activity 'lamp'.*asks for activity 'chair'"):
        await app_of(tmp_path, with_chair).run_async(with_chair, id="room")
    status = await app_of(tmp_path, with_chair).client().get("room").status()
    assert status.status == "blocked"


async def test_a_block_that_stood_before_does_not_count_once_the_code_is_mended(tmp_path: Path) -> None:
    await waiting_instance(tmp_path)
    with pytest.raises(NonDeterminismError):
        await app_of(tmp_path, with_chair).run_async(with_chair, id="room")
    mended = app_of(tmp_path, with_lamp)
    await mended.client().get("room").send_event("go")
    assert await mended.run_async(with_lamp, id="room") == "lamp"


async def test_a_block_that_still_stands_is_raised_again(tmp_path: Path) -> None:
    await waiting_instance(tmp_path)
    for _ in range(2):
        with pytest.raises(NonDeterminismError):
            await app_of(tmp_path, with_chair).run_async(with_chair, id="room")


async def test_a_failure_names_the_line_that_raised(tmp_path: Path) -> None:
    with pytest.raises(WorkflowFailed, match=r"test_mended_code.py:\d+.*RuntimeError: broken"):
        await app_of(tmp_path, breaks).run_async(breaks)
