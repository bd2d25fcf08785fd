"""What a workflow's own code gets wrong is told at its own line, and nothing of it is done."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from nexus_sdk import BlockingError, NexusError, WorkflowFailed
from nexus_sdk.core import events as e
from nexus_sdk.testing import WorkflowEnvironment
from tests.mistakes.bench import MESSAGE_LENGTH_MAX, Bench, check_text
from tests.mistakes.bodies import BODIES, Body

_QUIET = (e.WorkflowCreated, e.WorkflowStarted, e.WorkflowFailed, e.WorkflowBlocked)
_EACH = pytest.mark.parametrize("body", BODIES, ids=[body.name for body in BODIES])


@_EACH
async def test_python_raises_it_and_nothing_was_done(body: Body) -> None:
    names: dict[str, Any] = {"__name__": "flow"}
    exec(compile(body.module, "flow.py", "exec", dont_inherit=True), names)
    async with WorkflowEnvironment([names["flow"], names["child"]], [names["charge"]]) as env:
        handle = await env.start(names["flow"], id="a")
        with pytest.raises(BlockingError if body.blocks else WorkflowFailed) as caught:
            await handle.result()
        failure = (await handle.status()).failure
        history = await env.history(handle)
    assert failure is not None
    assert failure.code == body.code
    _check(body, caught.value, failure.message)
    done = [event for event in history if not isinstance(event, _QUIET)]
    assert not done or body.name == "an operation that is used twice", done


def _check(body: Body, error: NexusError, told: str) -> None:
    for words in body.words:
        assert words in str(error)
        assert words in told
    assert "flow.py:" in str(error)
    check_text(str(error), MESSAGE_LENGTH_MAX)
    check_text(told, MESSAGE_LENGTH_MAX)


@_EACH
def test_a_command_says_it_and_what_can_be_done(body: Body, bench: Bench, nexus: Any) -> None:
    (bench.folder / "flow.py").write_text(body.module)
    done = nexus("run", "flow:flow", "--id", "a")
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert f"[{body.code}] a: " in done.stderr if body.blocks else "[NX311] a failed (flow.py:" in done.stderr
    for words in body.words:
        assert words in done.stderr
    assert "nexus history a" in done.stderr
    assert "nexus_sdk/" not in done.output
    check_text(done.output, 3 * MESSAGE_LENGTH_MAX)
    with closing(sqlite3.connect(bench.folder / "nexus.db")) as store:
        assert store.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
    status = asyncio.run(_status(bench))
    assert status == ("blocked" if body.blocks else "failed")


async def _status(bench: Bench) -> str:
    return str((await bench.client.get("a").status()).status)
