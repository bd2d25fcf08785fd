"""What only a process of its own can show: signals, and the console script without its extra."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

STUCK = """
import sys, threading
from nexus_sdk import Context, activity, workflow

@activity
def wait_for_ever() -> None:
    print("it runs", file=sys.stderr, flush=True)
    threading.Event().wait()

@workflow
async def stuck(ctx: Context):
    yield wait_for_ever()
"""
SLOW = """
import sys, time
from nexus_sdk import Context, activity, workflow

@activity
def last() -> int:
    print("it runs", file=sys.stderr, flush=True)
    time.sleep(0.5)
    return 7

@workflow
async def slow(ctx: Context):
    yield ctx.complete((yield last()))
"""
PROJECT = Path(__file__).parents[2]
MAIN = [sys.executable, "-c", "from nexus_sdk.cli import main; main()"]


@contextmanager
def _begin(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the command line, which does not outlive the block."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [*MAIN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"{words!r} was never said")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_drains_at_the_first_signal() -> None:
    with _begin("worker", "orders") as process:
        _until(process, "serves approval, ")
        process.send_signal(signal.SIGTERM)
        _until(process, "draining: 0 activities running")
        _, rest = process.communicate()
    assert (process.returncode, rest.strip()) == (0, "stopped")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_tells_machines_a_line_at_a_time() -> None:
    with _begin("worker", "orders", "--json") as process:
        assert process.stdout
        lines = [json.loads(process.stdout.readline())]
        process.send_signal(signal.SIGTERM)
        lines += [json.loads(line) for line in process.stdout]
    assert [line["event"] for line in lines] == ["serving", "draining", "stopped"]
    schema = json.loads((PROJECT / "docs" / "reference" / "cli.schema.json").read_text(encoding="utf-8"))
    for line in lines:
        Draft202012Validator({"$ref": "#/$defs/worker", "$defs": schema["$defs"]}).validate(line)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_second_signal_ends_it_at_once(folder: Path) -> None:
    (folder / "stuck.py").write_text(STUCK)
    with _begin("run", "stuck:stuck", "--id", "a") as process:
        _until(process, "it runs")
        process.send_signal(signal.SIGINT)
        _until(process, "Stopping when")
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
    assert (process.returncode, rest) == (1, "Stopped. It goes on with:  nexus run stuck:stuck --id a\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_whose_last_step_was_drained_has_its_result(folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW)
    with _begin("run", "slow:slow", "--id", "a") as process:
        _until(process, "it runs")
        process.send_signal(signal.SIGTERM)
        _until(process, "Stopping when")
        result, rest = process.communicate()
    assert (process.returncode, result.strip(), rest) == (0, "7", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_one_sentence() -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with open("/dev/full", "w") as full:
        said = subprocess.run([*MAIN, "doctor"], stdout=full, stderr=subprocess.PIPE, text=True, env=env, check=False)
    assert said.returncode == 1
    assert said.stderr == "The output cannot be written: No space left on device.\n"


def test_without_the_extra_one_sentence_says_what_to_do(folder: Path) -> None:
    (folder / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')\n")
    env = {**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}
    said = subprocess.run(MAIN, capture_output=True, text=True, env=env, check=False)
    assert said.returncode == 2
    assert said.stderr == 'The command line needs its extra: pip install "nexus-sdk[cli]"\n'
