"""The pytest plugin: the fixture in every kind of test, and an import that costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nexus_sdk.testing import WorkflowEnvironment

ROOT = Path(__file__).parent.parent.parent

DEFINITIONS = """
import pytest
from nexus_sdk import Context, activity, workflow

@activity
def greet(name: str) -> str:
    return f"Hello, {name}!"

@workflow
async def greeting(ctx: Context, name: str):
    yield ctx.sleep("1d")
    yield ctx.complete((yield greet(name)))
"""

IN_SYNC = """
def test_in_sync(nexus_env):
    env = nexus_env(workflows=[greeting], activities=[greet])
    assert env.run(greeting, "Ada") == "Hello, Ada!"
    env.mock(greet, returns="mocked")
    handle = env.start(greeting, "Bob")
    env.advance("2d")
    assert handle.result() == "mocked"
    assert env.calls(greet) == [("Ada",), ("Bob",)]

def test_two_at_once(nexus_env):
    one, other = nexus_env([greeting], [greet]), nexus_env([greeting], [greet], clock="manual")
    assert one.run(greeting, "Ada") == "Hello, Ada!"
    assert other.start(greeting, "Ada").status().status != "completed"

class TestInAClass:
    def test_it(self, nexus_env):
        assert nexus_env([greeting], [greet]).run(greeting, "Ada") == "Hello, Ada!"
"""

IN_ASYNC = """
@pytest.mark.asyncio
async def test_in_async(nexus_env):
    env = nexus_env(workflows=[greeting], activities=[greet], clock="manual")
    handle = await env.start(greeting, "Ada")
    await env.advance("1d")
    assert await handle.result() == "Hello, Ada!"

@pytest.mark.asyncio
async def test_in_async_with(nexus_env):
    async with nexus_env(workflows=[greeting], activities=[greet]) as env:
        assert await env.run(greeting, "Ada") == "Hello, Ada!"

@pytest.mark.asyncio
async def test_what_is_left_open_is_closed(nexus_env, tmp_path):
    env = nexus_env([greeting], [greet], store=f"sqlite:///{tmp_path}/nexus.db")
    await env.start(greeting, "Ada")
    await env.settle()
"""


def run_pytest(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A pytest run of its own, with no plugin but those that are named."""
    (folder / "test_it.py").write_text(DEFINITIONS + text, encoding="utf-8")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    words = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "nexus_sdk.testing.plugin", *options]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def test_synchronous_tests_need_no_other_plugin(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, IN_SYNC)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_asynchronous_tests_use_it_under_pytest_asyncio(tmp_path: Path, mode: str) -> None:
    text = IN_SYNC + (IN_ASYNC if mode == "strict" else IN_ASYNC.replace("@pytest.mark.asyncio", ""))
    options = ("-p", "pytest_asyncio.plugin", "-o", f"asyncio_mode={mode}")
    done = run_pytest(tmp_path, text, *options, "-o", "asyncio_default_fixture_loop_scope=function")
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_a_loop_that_several_tests_share_is_left_in_order(tmp_path: Path) -> None:
    text = IN_ASYNC.replace("@pytest.mark.asyncio", '@pytest.mark.asyncio(loop_scope="module")')
    options = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")
    done = run_pytest(tmp_path, text, *options)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_importing_the_plugin_imports_nothing_else() -> None:
    code = """
import sys, pytest
before = set(sys.modules)
import nexus_sdk.testing.plugin
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['nexus_sdk', 'nexus_sdk.lazy', 'nexus_sdk.testing', 'nexus_sdk.testing.plugin']"


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"nexus": "nexus_sdk.testing.plugin"}


async def test_what_outlives_its_event_loop_is_given_up(tmp_path: Path) -> None:
    env = WorkflowEnvironment(store=f"sqlite:///{tmp_path}/nexus.db")
    await env.open()
    await env.crash_worker()
    env.give_up()
    env.give_up()
    await env.close()
