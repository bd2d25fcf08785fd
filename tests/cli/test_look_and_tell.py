"""`show`, `history`, `list`, `query`, and what tells an instance something."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.codec.wire_json import batch_from_json

Nexus = Any


def test_a_life_from_outside(nexus: Nexus) -> None:
    nexus("start", "orders:approval", "--id", "a")
    assert json.loads(nexus("show", "a", "--json").stdout)["status"] == "pending"
    assert json.loads(nexus("query", "a", "asked", '"!"', "--app", "orders").stdout) == "the boss!"
    assert nexus("event", "a", "approved", "true", "--event-id", "click-1").exit_code == 0
    assert nexus("event", "a", "approved", "false", "--event-id", "click-1").exit_code == 0
    assert nexus("run", "orders:approval", "--id", "a").stdout == "true\n"
    shown = json.loads(nexus("show", "a", "--json").stdout)
    assert (shown["status"], shown["result"], shown["waiting_for"]) == ("completed", True, [])
    late = nexus("event", "a", "approved", "true")
    assert (late.exit_code, "NX303" in late.stderr) == (1, True)
    assert nexus("purge", "a").exit_code == 0
    assert nexus("show", "a").exit_code == 1


def test_show_is_readable(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x", 500]')
    shown = nexus("show", "a").stdout
    assert "status      failed" in shown
    assert "ActivityFailed" in shown
    assert "nexus rewind a" in shown


def test_history_is_a_line_per_event_and_never_cut_in_a_pipe(nexus: Nexus) -> None:
    long = "x" * 150
    nexus("run", "orders:fulfil", "--id", "a", "--input", json.dumps([long]))
    head, *lines = nexus("history", "a").stdout.splitlines()
    assert head.startswith("a  fulfil, completed")
    assert [line.split()[-1 if "Started" in line else 0] for line in lines][:2] == ["1", "WorkflowStarted"]
    scheduled = next(line for line in lines if "ActivityScheduled" in line)
    assert "0 charge" in scheduled
    assert "orders.py:12" in scheduled
    assert "(amount=5.0)" in scheduled
    assert long in lines[-1]


def test_history_as_json_can_be_read_back(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x"]')
    batches = [batch_from_json(exported) for exported in json.loads(nexus("history", "a", "--json").stdout)]
    assert [batch.header.number for batch in batches] == list(range(1, len(batches) + 1))


def test_list_filters_and_pages(nexus: Nexus) -> None:
    for name in ("a", "b", "c"):
        nexus("start", "orders:approval", "--id", name)
    nexus("run", "orders:one", "--input", "{}", "--id", "d")
    assert nexus("list").stdout.split("\n")[0].split() == ["ID", "STATUS", "WORKFLOW", "UPDATED", "NOTE"]
    page = json.loads(nexus("list", "--workflow", "approval", "--limit", "2", "--json").stdout)
    rest = json.loads(
        nexus("list", "--workflow", "approval", "--limit", "2", "--json", "--cursor", page["cursor"]).stdout
    )
    assert [one["id"] for one in page["instances"] + rest["instances"]] == ["c", "b", "a"]
    assert rest["cursor"] is None
    done = json.loads(nexus("list", "--status", "completed", "--json").stdout)["instances"]
    assert [one["id"] for one in done] == ["d"]
    assert nexus("list", "--status", "finished").exit_code == 2


def test_the_next_page_can_be_typed_as_it_is_said(nexus: Nexus) -> None:
    for name in ("a one", "b's"):
        nexus("start", "orders:approval", "--id", name)
    said = nexus("list", "--limit", "1").stderr
    more = shlex.split(said.partition("add ")[2])
    assert "a one" in nexus("list", *more).stdout


@pytest.mark.parametrize("command", ["show", "history", "cancel", "purge"])
def test_what_cannot_be_an_id_is_a_usage_error_everywhere(nexus: Nexus, command: str) -> None:
    nexus("start", "orders:approval", "--id", "a")
    assert nexus(command, "a\nb").exit_code == 2


def test_a_worker_needs_a_queue_with_a_name(nexus: Nexus) -> None:
    assert nexus("worker", "orders", "--queue", "").exit_code == 2


def test_cancel_and_terminate(nexus: Nexus) -> None:
    for verb, status in (("cancel", "cancelled"), ("terminate", "terminated")):
        nexus("start", "orders:approval", "--id", verb)
        assert nexus(verb, verb, "--reason", "no longer needed").exit_code == 0
        ended = nexus("run", "orders:approval", "--id", verb, "--json")
        assert (ended.exit_code, json.loads(ended.stdout)["status"]) == (1, status)
        assert nexus(verb, verb).exit_code == 1


def test_suspend_and_resume(nexus: Nexus) -> None:
    nexus("start", "orders:approval", "--id", "a")
    assert nexus("suspend", "a").exit_code == 0
    assert nexus("resume", "a", "--json").exit_code == 0
    nexus("event", "a", "approved", "true")
    assert nexus("run", "orders:approval", "--id", "a").stdout == "true\n"


def test_rewind_retries_the_failed_step(nexus: Nexus, folder: Path) -> None:
    text = "from orders import *\n@activity\ndef charge(amount: float) -> dict:\n    return {'charged': 1}\n"
    nexus("run", "orders:fulfil", "--id", "a", "--input", '["x", 500]')
    assert nexus("rewind", "a").exit_code == 0
    (folder / "mended.py").write_text(text)
    assert json.loads(nexus("run", "mended:fulfil", "--id", "a").stdout) == {"order": "x", "charged": 1}


@pytest.mark.parametrize("command", [["show", "a"], ["list"], ["history", "a"], ["event", "a", "x"], ["cancel", "a"]])
def test_looking_makes_no_store(nexus: Nexus, folder: Path, command: list[str]) -> None:
    refused = nexus(*command)
    assert (refused.exit_code, "There is no store at sqlite:///nexus.db" in refused.stderr) == (2, True)
    assert not (folder / "nexus.db").exists()


def test_an_unknown_instance_and_a_strange_store(nexus: Nexus) -> None:
    nexus("start", "orders:approval", "--id", "a")
    unknown = nexus("show", "b")
    assert (unknown.exit_code, "NX301" in unknown.stderr) == (1, True)
    assert json.loads(nexus("show", "b", "--json").stdout)["error"]["code"] == "NX301"
    assert nexus("list", "--store", "nothing").exit_code == 2
    missing = nexus("list", "--store", "dynamodb://x")
    assert (missing.exit_code, 'pip install "nexus-sdk[aws]"' in missing.stderr) == (2, True)


def test_doctor(nexus: Nexus, folder: Path) -> None:
    report = nexus("doctor")
    assert report.exit_code == 0
    assert "the first run makes it" in report.stdout
    nexus("start", "orders:approval")
    findings = json.loads(nexus("doctor", "--json").stdout)
    assert findings["ok"]
    assert any("1 instance," in finding["text"] for finding in findings["findings"])
    (folder / "nexus.db").write_text("this is no database at all, but long enough to look at" * 20)
    broken = nexus("doctor")
    assert (broken.exit_code, "is not an SQLite database" in broken.stdout) == (1, True)
