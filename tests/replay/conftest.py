"""A folder with a module of workflows, the commands, and recorded runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.replay.recorded import Recording, load_recording, recording_to_text
from nexus_sdk.testing import WorkflowEnvironment

SHOP = """
from nexus_sdk import Context, activity, workflow


@activity
async def price(item: str) -> float:
    return len(item) * 1.5


@activity
async def book(item: str, cost: float) -> dict:
    return {"item": item, "cost": cost}


async def order_one(ctx: Context, item: str) -> dict:
    cost = await price(item)
    booking = await book(item, cost)
    return booking


@workflow
async def shop(ctx: Context, items: list[str]):
    ctx.set_status("shopping")
    print("a workflow should not print")
    bookings = yield ctx.gather(*(order_one(ctx, item) for item in items))
    if ctx.patched("nap"):
        yield ctx.sleep("1h")
    total = sum(booking["cost"] for booking in bookings)
    yield ctx.complete(total)


@workflow
async def rounds(ctx: Context, left: int):
    said = yield ctx.wait_for_event("said")
    if left:
        yield ctx.continue_as_new(left - 1)
    yield ctx.complete([said, ctx.run])
"""


async def record(module: ModuleType, name: str, *args: object, events: tuple[object, ...] = ()) -> Recording:
    """Run a workflow of a module to its end, and record it."""
    definitions = list(vars(module).values())
    workflows = [one for one in definitions if isinstance(one, Workflow)]
    activities = [one for one in definitions if isinstance(one, Activity)]
    async with WorkflowEnvironment(workflows, activities) as env:
        handle = await env.start(getattr(module, name), *args, id="order-42")
        for event in events:
            await handle.send_event("said", event)
        await env.run_until_idle()
        return await load_recording(env.app.store, handle.id)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with ``shop.py``, which is the current one; nothing of it stays imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for variable in ("NEXUS_STORE", "NEXUS_APP", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    yield tmp_path
    forget(tmp_path)


def forget(folder: Path) -> None:
    """Import nothing of this folder again from memory."""
    import linecache

    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    linecache.checkcache()


@pytest.fixture
async def recording(folder: Path) -> Recording:
    """A run of `shop` with two items."""
    import shop

    return await record(shop, "shop", ["lamp", "rug"])


@pytest.fixture
def file(folder: Path, recording: Recording) -> str:
    """The same as a file; the path."""
    (folder / "history.json").write_text(recording_to_text(recording), encoding="utf-8")
    return "history.json"
