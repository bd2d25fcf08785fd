"""`nexus history`: the picture, the events, the export."""

from __future__ import annotations

import json
from typing import Any

from nexus_sdk.replay.recorded import recording_from_text

Nexus = Any


def test_the_picture_has_a_row_for_each_operation(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x"]')
    shown = nexus("history", "a")
    head, axis, run, charge = shown.stdout.splitlines()
    assert head.startswith("a  fulfil, completed")
    assert axis.split()[0] == "0"
    assert run.split()[0] == "fulfil"
    assert (charge.split()[:2], "✓" in charge, "█" in charge) == (["0", "charge"], True, True)
    assert "nexus history --events a" in shown.stderr


def test_the_picture_says_why_something_failed(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x", 500]')
    lines = nexus("history", "a").stdout.splitlines()
    failed = next(number for number, line in enumerate(lines) if line.startswith("0  charge"))
    assert "✗" in lines[failed]
    assert lines[failed + 1].strip() == "└ ValueError: no money for 500.0"


def test_events_are_a_line_each_and_never_cut_in_a_pipe(nexus: Nexus) -> None:
    long = "x" * 150
    nexus("run", "orders:fulfil", "--id", "a", "--input", json.dumps([long]))
    head, *lines = nexus("history", "a", "--events").stdout.splitlines()
    assert head.startswith("a  fulfil, completed")
    assert [line.split()[-1 if "Started" in line else 0] for line in lines][:2] == ["1", "WorkflowStarted"]
    scheduled = next(line for line in lines if "ActivityScheduled" in line)
    assert "0 charge" in scheduled
    assert "orders.py:12" in scheduled
    assert "(amount=5.0)" in scheduled
    assert long in lines[-1]


def test_the_export_can_be_read_back(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x"]')
    (run,) = recording_from_text(nexus("history", "a", "--json").stdout).runs
    assert run.number == 1
    assert [batch.header.number for batch in run.batches] == list(range(1, len(run.batches) + 1))


def test_events_and_json_exclude_each_other(nexus: Nexus) -> None:
    nexus("start", "orders:approval", "--id", "a")
    assert nexus("history", "a", "--events", "--json").exit_code == 2
