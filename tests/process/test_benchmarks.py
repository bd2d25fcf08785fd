"""The benchmarks run, every one of them; how fast is not asked here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import beside, report
from benchmarks.catalogue import ALL, BY_NAME, chosen
from benchmarks.compare import WORKING_TREE, compare
from benchmarks.measuring import Effort, measure
from benchmarks.workloads.base import Target

pytestmark = pytest.mark.slow

TINY = Effort(reps=1, is_tiny=True)
EACH = {workload.run: workload for workload in ALL}.values()
"""One workload of each kind: several differ in size only."""

COUNTED_WITH_STRACE = "fsyncs_each"

HARNESS = {
    "common.py": """
import argparse, json, tempfile

def rate(count, seconds):
    return {"n": count, "s": seconds}

def main(name, durability, workloads):
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--n", type=int)
    parser.add_argument("--opt", action="append", default=[])
    asked = parser.parse_args()
    asked.opts = dict(option.split("=") for option in asked.opt)
    asked.backend, asked.dir = "default", tempfile.mkdtemp(dir=".")
    print(name, durability(asked), json.dumps(workloads[asked.workload.lower()](asked)))
""",
    "run.py": """
import subprocess, sys
cases = []
def c(label, peer, workload, *arguments): cases.append((peer, workload, arguments))

def main():
    out = sys.argv[1]
    kinds = {(workload.split("/")[0], arguments[2:]): peer for peer, workload, arguments in cases}
    with open(out, "w") as file:
        for (workload, options), peer in kinds.items():
            command = [sys.executable, f"peer_{peer}.py", workload, "--n", "4", *options]
            subprocess.run(command, stdout=file, check=True)
main()
""",
}


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.mark.parametrize("workload", EACH, ids=lambda workload: workload.name)
def test_a_workload_gives_the_numbers_that_its_line_shows(workload, tmp_path: Path) -> None:
    found = measure([workload], "sqlite", TINY, tmp_path, say=lambda _: None)
    (numbers,) = found["workloads"][0]["runs"]
    wanted = {*workload.shown, *(target.metric for target in workload.targets), *report.LIMITS}
    assert wanted - {COUNTED_WITH_STRACE} <= set(numbers)
    assert all(math.isfinite(number) for number in numbers.values())
    assert all(numbers[limit] > 0 for limit in report.LIMITS)
    assert json.loads(json.dumps(found)) == found
    assert f"| {workload.name} | {workload.shown[0]} " in report.table(found)
    assert not list(tmp_path.iterdir()), "the files of the benchmark are still there"


def test_the_memory_store_is_measured_too(tmp_path: Path) -> None:
    found = measure(chosen("W3"), "memory", TINY, tmp_path, say=lambda _: None)
    assert found["workloads"][0]["medians"]["per_s"] > 0


def test_two_revisions_are_run_in_turn(tmp_path: Path) -> None:
    workloads = chosen("W1/100,W4/1000")
    said: list[str] = []
    pairs = compare((WORKING_TREE, WORKING_TREE), workloads, "sqlite", TINY, tmp_path, said.append)
    assert said == ["W1/100, pair 1 of 1", "W4/1000, pair 1 of 1"]
    assert {name: (len(olds), len(news)) for name, (olds, news) in pairs.items()} == {
        "W1/100": (1, 1),
        "W4/1000": (1, 1),
    }
    assert "| W4/1000 | per_s |" in report.comparison(("old", "new"), pairs)


def test_ours_run_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = tmp_path / "harness"
    harness.mkdir()
    for name, text in HARNESS.items():
        (harness / name).write_text(text)
    monkeypatch.setenv("PERF", str(tmp_path / "perf"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    assert beside.run(harness, [str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == 7
    assert all(line.startswith("nexus SQLite WAL synchronous=FULL {") for line in lines)
    assert {path.name for path in harness.iterdir()} == set(HARNESS), "the harness was changed"


def test_what_is_no_harness_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no harness: there is no run\.py"):
        beside.run(tmp_path, [])


def test_a_workload_that_is_not_there_is_told() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "W1,W9"]
    ended = subprocess.run(command, cwd=Path(report.__file__).parent.parent, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "there is no workload 'W9'; there are W1/100, " in ended.stderr


def test_workloads_are_chosen_by_name_or_by_kind() -> None:
    assert [workload.name for workload in chosen("W4,W1/100")] == ["W4/1000", "W4/10000", "W4/50000", "W1/100"]
    assert len(BY_NAME) == len(ALL)


@pytest.mark.parametrize(
    ("target", "value", "is_met"),
    [
        (Target("per_s", at_least=10), 10, True),
        (Target("per_s", at_least=10), 9.9, False),
        (Target("ms", at_most=10), 10, True),
        (Target("ms", at_most=10), 10.1, False),
    ],
)
def test_a_target_is_met_or_not(target: Target, value: float, is_met: bool) -> None:
    assert target.is_met(value) is is_met


def test_the_table_says_what_was_asked_and_what_came() -> None:
    found = {
        "workloads": [
            {
                "name": "W2/1000",
                "runs": [{"per_s": 1000.0, "seconds": 1.0, **dict.fromkeys(report.LIMITS, 5.0)}],
                "medians": {"per_s": 1000.0, "seconds": 1.0},
                "targets": [{"target": "per_s ≥ 20,000", "value": 1000.0, "met": False}],
            }
        ]
    }
    line = "| W2/1000 | per_s 1,000 | 1,000–1,000 | seconds 1 | per_s ≥ 20,000 | no: 1,000 |"
    assert line in report.table(found).splitlines()
