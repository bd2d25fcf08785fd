"""``nexus worker --store dynamodb://…`` as a process of its own, beside other workers on the same table."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nexus_sdk import Nexus
from nexus_sdk.core.status import Status
from tests.providers.nexus_aws.cloud import Cloud, now

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

ORDERS = """
import os
import sys

from nexus_sdk import Context, activity, workflow


@activity(task_queue="heavy")
def press(n: int) -> str:
    return f"{os.getpid()} {n} {'aioboto3' in sys.modules}"


@activity(task_queue="light")
async def pack(pressed: str) -> str:
    return f"{pressed} {os.getpid()}"


@workflow
async def order(ctx: Context, count: int) -> list[str]:
    said = []
    for n in range(count):
        said.append(await pack(await press(n)))
    return said
"""


MAIN = [sys.executable, "-c", "from nexus_sdk.cli import main; main()"]


def begun(folder: Path, url: str, *queues: str) -> subprocess.Popen[bytes]:
    """A worker process."""
    named = [word for queue in queues for word in ("--queue", queue)]
    command = [*MAIN, "worker", "orders", "--store", url, *named]
    return subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)})


@contextmanager
def serving(folder: Path, url: str, *queues: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process; it is told to stop at the end."""
    process = begun(folder, url, *queues)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.py").write_text(ORDERS)
    return tmp_path


def client_of(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Nexus:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "orders", raising=False)
    import orders  # type: ignore[import-not-found]

    return Nexus(url, workflows=[orders.order], activities=[orders.press, orders.pack])


async def test_two_worker_processes_share_a_table_and_each_does_what_its_queues_have(
    cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now.set(0)
    url = f"dynamodb://mixed?region=us-east-1&endpoint={cloud.endpoint}"
    app = client_of(url, folder, monkeypatch)
    with serving(folder, url, "heavy") as heavy, serving(folder, url, "light") as light:
        handle = await app.client().start("order", 3, id="it")
        said = await asyncio.wait_for(handle.result(), 60)
    assert [line.split()[0] for line in said] == [str(heavy.pid)] * 3
    assert [line.split()[-1] for line in said] == [str(light.pid)] * 3
    assert all(line.split()[2] == "True" for line in said)
    await app.store.close()


@pytest.mark.slow  # the lease of who was killed runs out
async def test_what_a_killed_worker_process_held_is_done_by_another(
    cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now.set(0)
    url = f"dynamodb://killed?region=us-east-1&endpoint={cloud.endpoint}"
    app = client_of(url, folder, monkeypatch)
    with serving(folder, url, "light"):
        dying = begun(folder, url, "heavy")
        handle = await app.client().start("order", 4, id="it")
        while (await app.store.find("it")).last_batch < 3:  # noqa: ASYNC110  # nobody rings for it
            await asyncio.sleep(0.02)
        dying.kill()
        dying.wait(20)
        assert (await handle.status()).status is Status.RUNNING
        with serving(folder, url, "heavy"):
            assert len(await asyncio.wait_for(handle.result(), 60)) == 4
    await app.store.close()
