"""An instance as a worker holds it: its history is read when it is needed, and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from nexus_sdk import Context, Nexus, Retry, WorkflowFailed, activity, workflow
from nexus_sdk.codec.wire import decode_batch
from nexus_sdk.core.history import Batch
from nexus_sdk.core.status import Status
from nexus_sdk.engine.instance import Instance, open_instance
from nexus_sdk.engine.rewinding import rewind_instance
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import Loaded


@activity
async def echo(number: int) -> int:
    return number


@workflow
async def adding(ctx: Context, count: int):
    total = 0
    for number in range(count):
        total += yield echo(number)
    yield ctx.complete(total)


@workflow
async def patched_late(ctx: Context):
    yield echo(1)
    yield ctx.complete(ctx.patched("new"))


class Counted:
    """A history that counts how often it is read."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches
        self.reads = 0

    def __iter__(self) -> Iterator[Batch]:
        self.reads += 1
        return iter(self.batches)


async def finished(app: Nexus, name: str, *arguments: object) -> str:
    async with app.worker():
        handle = await app.client().start(name, *arguments)
        await handle.result()
    return handle.id


def new_app() -> Nexus:
    return Nexus("memory://", workflows=[adding, patched_late], activities=[echo])


async def counted(app: Nexus, name: str, *arguments: object) -> tuple[Instance, Counted]:
    loaded = await app.store.load(await finished(app, name, *arguments))
    history = Counted([decode_batch(stored.data) for stored in loaded.batches])
    return Instance(loaded.record, history), history


async def test_execution_and_projection_come_of_one_reading() -> None:
    app = new_app()
    instance, history = await counted(app, "adding", 3)
    assert history.reads == 0
    execution = instance.execute(app.client().surroundings)
    assert execution is not None
    assert execution.end is not None
    assert instance.projection.status is Status.COMPLETED
    assert history.reads == 1


async def test_a_projection_alone_runs_no_code() -> None:
    instance, history = await counted(new_app(), "adding", 3)
    assert instance.projection.event_count == 9
    assert (instance.execution, history.reads) == (None, 1)


async def test_code_that_asks_for_patches_looks_ahead() -> None:
    app = new_app()
    instance, history = await counted(app, "patched_late")
    assert instance.execute(app.client().surroundings) is not None
    assert instance.projection.status is Status.COMPLETED
    assert history.reads <= 2


@pytest.mark.parametrize("is_run", [False, True])
async def test_a_history_that_is_not_what_was_written_is_told_when_it_is_read(is_run: bool) -> None:
    app = new_app()
    loaded = await app.store.load(await finished(app, "adding", 1))
    forged = replace(loaded, record=replace(loaded.record, last_hash=b"x" * 32))
    instance = await open_instance(app.store, forged)
    with pytest.raises(HistoryCorruptedError, match="or another one"):
        instance.execute(app.client().surroundings) if is_run else instance.projection
    assert instance.execution is None


@activity(retry=Retry(max_attempts=1))
async def refuse(text: str) -> None:
    raise ValueError(text)


@workflow
async def refused(ctx: Context):
    yield echo(7)
    yield refuse("no")


async def test_values_that_a_replay_does_not_look_at_are_checked_before_they_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Nexus("memory://", workflows=[refused], activities=[echo, refuse])
    async with app.worker():
        handle = await app.client().start(refused)
        with pytest.raises(WorkflowFailed):
            await handle.result()
    loaded = await app.store.load(handle.id)
    other_arguments = [
        replace(stored, data=stored.data.replace(b"\x81\xa6number\x07", b"\x81\xa6number\x08"))
        for stored in loaded.batches
    ]
    assert other_arguments != list(loaded.batches)
    forged = replace(loaded, batches=tuple(other_arguments))
    instance = await open_instance(app.store, forged)
    assert instance.execute(app.client().surroundings) is not None

    async def load(*_: object, **__: object) -> Loaded:
        return forged

    monkeypatch.setattr(app.store, "load", load)
    with pytest.raises(HistoryCorruptedError, match="do not fit their digest"):
        await rewind_instance(app.store, handle.id, app.client().surroundings)
