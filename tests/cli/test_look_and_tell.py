"""`show`, `query`, `doctor`, and what tells an instance something."""

from __future__ import annotations

import asyncio
import errno
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Nexus as NexusApp

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
    as_data = nexus("show", "b", "--json")
    assert (as_data.stdout, json.loads(as_data.stderr)["error"]["code"]) == ("", "NX301")
    assert nexus("list", "--store", "nothing").exit_code == 2
    missing = nexus("list", "--store", "firestore://x")
    assert (missing.exit_code, "A later release" in missing.stderr) == (2, True)


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


def test_doctor_leaves_nothing_behind_and_sees_a_place_that_takes_nothing(
    nexus: Nexus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nexus("start", "orders:approval")
    before = sorted(folder.iterdir())
    assert "is writable" in nexus("doctor").stdout
    assert sorted(folder.iterdir()) == before

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    report = nexus("doctor")
    assert (report.exit_code, "No space left on device" in report.stdout) == (1, True)


def refused_by_its_status(nexus: Nexus, verb: str, instance: str) -> bool:
    """Whether the verb ends with 1 and a code, as all do that an instance's status does not allow."""
    words = {"event": ["event", instance, "approved", "true"]}.get(verb, [verb, instance])
    refused = nexus(*words)
    return refused.exit_code == 1 and refused.stderr.startswith("[NX")


@pytest.mark.parametrize("verb", ["cancel", "terminate", "suspend", "resume", "rewind", "event"])
def test_what_its_status_does_not_allow_ends_with_1(nexus: Nexus, verb: str) -> None:
    nexus("run", "orders:one", "--input", "{}", "--id", "done")
    assert refused_by_its_status(nexus, verb, "done")


@pytest.mark.parametrize("verb", ["rewind", "purge"])
def test_what_needs_an_end_is_refused_before_it_with_1(nexus: Nexus, verb: str) -> None:
    nexus("start", "orders:approval", "--id", "alive")
    assert refused_by_its_status(nexus, verb, "alive")
    assert json.loads(nexus("show", "alive", "--json").stdout)["status"] == "pending"


async def until_it_waits(id: str) -> None:
    app = NexusApp.from_module("orders", "sqlite:///nexus.db")
    async with app.worker() as worker:
        await worker.look(id)
    await app.store.close()


def test_an_event_that_is_nearly_the_awaited_one_is_noted(nexus: Nexus) -> None:
    nexus("start", "orders:approval", "--id", "a")
    assert (
        "note" not in nexus("event", "a", "aproved", "true").stderr
    )  # nothing has run: nobody knows what it waits for
    asyncio.run(until_it_waits("a"))
    noted = nexus("event", "a", "aproved", "true")
    assert (noted.exit_code, "it waits for 'approved' now" in noted.stderr) == (0, True)
    assert "note" not in nexus("event", "a", "something-else").stderr  # it may well be for later
    assert "note" not in nexus("event", "a", "approved", "true").stderr
