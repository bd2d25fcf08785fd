"""`nexus purge`."""

from __future__ import annotations

import json
from typing import Any

import pytest

Nexus = Any


@pytest.fixture
def four(nexus: Nexus) -> None:
    """Two that completed, one that failed, one that is alive."""
    nexus("run", "orders:one", "--input", "{}", "--id", "done-1")
    nexus("run", "orders:fulfil", "--input", '["x"]', "--id", "done-2")
    nexus("run", "orders:fulfil", "--input", '["x", 500]', "--id", "failed-1")
    nexus("start", "orders:approval", "--id", "alive")


def left(nexus: Nexus) -> set[str]:
    return {one["id"] for one in json.loads(nexus("list", "--json").stdout)["instances"]}


@pytest.mark.usefixtures("four")
def test_one_by_its_id(nexus: Nexus) -> None:
    assert nexus("purge", "done-1").exit_code == 0
    assert nexus("purge", "done-2", "--dry-run").exit_code == 0
    assert left(nexus) == {"done-2", "failed-1", "alive"}
    for alive in (["alive"], ["alive", "--dry-run"]):
        assert nexus("purge", *alive).exit_code == 1


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("words", "stays"),
    [
        (["--status", "completed"], {"failed-1", "alive"}),
        (["--status", "failed", "--status", "cancelled"], {"done-1", "done-2", "alive"}),
        (["--workflow", "fulfil"], {"done-1", "alive"}),
        (["--workflow", "fulfil", "--status", "completed"], {"done-1", "failed-1", "alive"}),
        (["--older-than", "0s"], {"alive"}),
        (["--older-than", "1h"], {"done-1", "done-2", "failed-1", "alive"}),
        (["--attribute", "who=Ada"], {"done-1", "done-2", "failed-1", "alive"}),
    ],
)
def test_many_by_what_they_are(nexus: Nexus, words: list[str], stays: set[str]) -> None:
    said = json.loads(nexus("purge", *words, "--yes", "--json").stdout)
    assert said == {"matched": 4 - len(stays), "erased": 4 - len(stays), "kept": {}, "dry_run": False}
    assert left(nexus) == stays


@pytest.mark.usefixtures("four")
def test_it_says_what_it_will_do_and_counts(nexus: Nexus) -> None:
    dry = nexus("purge", "--older-than", "0s", "--dry-run")
    assert "3 instances (2 completed, 1 failed), finished on " in dry.stderr
    assert "done-1" in dry.stderr
    assert len(left(nexus)) == 4
    assert nexus("purge", "--older-than", "0s", "--yes").stdout == "3 instances erased.\n"
    nothing = nexus("purge", "--older-than", "0s", "--yes")
    assert (nothing.exit_code, nothing.stderr) == (0, "No finished instance matches.\n")


@pytest.mark.usefixtures("four")
def test_with_nobody_to_be_asked_nothing_is_erased(nexus: Nexus) -> None:
    refused = nexus("purge", "--status", "completed", input="y\n")
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    assert len(left(nexus)) == 4


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    "words",
    [[], ["done-1", "--status", "completed"], ["--status", "running"], ["--older-than", "soon"], ["--yes"]],
)
def test_what_makes_no_sense_erases_nothing(nexus: Nexus, words: list[str]) -> None:
    assert nexus("purge", *words).exit_code == 2
    assert len(left(nexus)) == 4
