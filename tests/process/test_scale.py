"""Large things finish with small, linear memory; what waits costs nothing but its memory. Counted, never timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nexus_sdk
from tests.process import large

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")

HALF, WHOLE = 5_000, 10_000


def cost_of(*arguments: object) -> dict[str, int]:
    """What a run in a process of its own has cost."""
    ended = subprocess.run(
        [sys.executable, str(Path(large.__file__)), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(nexus_sdk.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    cost: dict[str, int] = json.loads(ended.stdout.splitlines()[-1])
    return cost


def check_memory(half: dict[str, int], whole: dict[str, int], *, kb_each: float) -> None:
    """Twice as many cost at most twice as much, with some room; each costs little; all together, too."""
    half_kb, whole_kb = (cost["peak_kb"] - cost["before_kb"] for cost in (half, whole))
    assert whole_kb <= 2.5 * half_kb + 8_000
    assert whole_kb <= kb_each * WHOLE
    assert whole["peak_kb"] <= 150_000


def test_ten_thousand_activities_in_one_gather_take_few_turns_and_little_memory(tmp_path: Path) -> None:
    half, whole = (cost_of("parallel", count, f"sqlite:///{tmp_path}/{count}.db") for count in (HALF, WHOLE))
    check_memory(half, whole, kb_each=8)
    # A hundred run at a time, so some hundred rounds are the least; a turn for each activity would be ten thousand.
    assert whole["batches"] <= WHOLE / 25
    assert whole["batches"] <= 2.5 * half["batches"] + 25


def test_a_sequence_of_ten_thousand_activities_takes_little_memory() -> None:
    half, whole = (cost_of("sequential", count, "memory://") for count in (HALF, WHOLE))
    check_memory(half, whole, kb_each=4)
    assert whole["batches"] == WHOLE + 2


def test_ten_thousand_sleeping_instances_cost_no_thread_and_no_task_and_wake_in_time() -> None:
    cost = cost_of("sleeping", WHOLE)
    assert cost["more_threads"] == 0
    assert cost["more_tasks"] == 0
    assert cost["bytes_each"] <= 25_000
    assert cost["early"] == 0
    assert cost["completed"] == WHOLE // large.EARLY
