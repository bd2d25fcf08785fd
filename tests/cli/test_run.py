"""`nexus run` and `nexus start`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

Nexus = Any


def test_run_prints_the_result_on_stdout_and_the_way_on_on_stderr(nexus: Nexus) -> None:
    done = nexus("run", "orders:fulfil", "--input", '{"order": "x"}')
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"order": "x", "charged": 5.0}
    again = re.search(r"nexus (run orders:fulfil --id fulfil-\w+)$", done.stderr, re.M)
    assert again
    assert json.loads(nexus(*again[1].split()).stdout) == {"order": "x", "charged": 5.0}


def test_the_way_on_names_the_store_that_was_typed(nexus: Nexus) -> None:
    done = nexus("run", "orders:one", "--input", "{}", "--store", "sqlite:///other.db")
    assert "--store sqlite:///other.db" in done.stderr


def test_a_private_store_has_no_way_on(nexus: Nexus) -> None:
    assert "goes on" not in nexus("run", "orders:one", "--input", "{}", "--store", "memory://").stderr


def test_with_an_id_nothing_but_the_result_is_said(nexus: Nexus) -> None:
    done = nexus("run", "orders:one", "--input", "{}", "--id", "a")
    assert (done.stdout, done.stderr) == ("{}\n", "")


def test_an_empty_id_is_a_mistake_and_not_a_new_instance(nexus: Nexus, folder: Path) -> None:
    for command in ("run", "start"):
        assert nexus(command, "orders:one", "--input", "{}", "--id", "").exit_code == 2
    assert not (folder / "nexus.db").exists()


def test_nothing_is_said_to_go_on_that_could_not_begin(nexus: Nexus, folder: Path) -> None:
    done = nexus("run", "orders:one", "--input", "{}", "--store", "sqlite:///no-such-folder/x.db")
    assert done.exit_code == 1
    assert "goes on" not in done.stderr


def test_an_empty_variable_names_no_store(nexus: Nexus, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_STORE", "")
    assert nexus("run", "orders:one", "--input", "{}").exit_code == 0
    assert (folder / "nexus.db").exists()


def test_an_id_goes_on_with_its_own_arguments_and_refuses_others(nexus: Nexus) -> None:
    nexus("run", "orders:one", "--input", '{"a": 1}', "--id", "a")
    assert json.loads(nexus("run", "orders:one", "--id", "a").stdout) == {"a": 1}
    assert json.loads(nexus("run", "orders:one", "--id", "a", "--input", '{"a": 1}').stdout) == {"a": 1}
    refused = nexus("run", "orders:one", "--id", "a", "--input", '{"a": 2}')
    assert refused.exit_code == 1
    assert "NX302" in refused.stderr
    other = nexus("run", "orders:approval", "--id", "a")
    assert (other.exit_code, "an instance of 'one'" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("given", "got"),
    [('{"order": {"a": 1}}', {"a": 1}), ('{"a": 1}', {"a": 1}), ('{"order": {}, "b": 2}', {"order": {}, "b": 2})],
)
def test_the_input_of_one_parameter(nexus: Nexus, given: str, got: object) -> None:
    assert json.loads(nexus("run", "orders:one", "--input", given).stdout) == got


@pytest.mark.parametrize("given", ['{"order": "x", "amount": 7}', '["x", 7]'])
def test_the_input_of_several_parameters_is_by_name_or_by_position(nexus: Nexus, given: str) -> None:
    assert json.loads(nexus("run", "orders:fulfil", "--input", given).stdout) == {"order": "x", "charged": 7.0}


def test_input_comes_from_a_file_or_from_stdin(nexus: Nexus, folder: Path) -> None:
    (folder / "in.json").write_text('{"ä": 1}', encoding="utf-8")
    assert json.loads(nexus("run", "orders:one", "--input", "@in.json").stdout) == {"ä": 1}
    assert json.loads(nexus("run", "orders:one", "--input", "@-", input="[]" and '{"b": 2}').stdout) == {"b": 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "missing a required argument: 'order'"),
        ("3", "2 parameters"),
        ('{"oder": "x"}', "Did you mean 'order'?"),
        ('{"order": 3}', "expected a str"),
        ("bob", "with its quotes"),
        ("@nothing.json", "cannot be read"),
    ],
)
def test_input_that_does_not_fit_is_a_usage_error_and_starts_nothing(
    nexus: Nexus, folder: Path, given: str | None, said: str
) -> None:
    refused = nexus("run", "orders:fulfil", *([] if given is None else ["--input", given]))
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "goes on with" not in refused.stderr
    assert not (folder / "nexus.db").exists() or not json.loads(nexus("list", "--json").stdout)["instances"]


def test_a_failure_shows_the_users_traceback_and_the_next_step(nexus: Nexus) -> None:
    failed = nexus("run", "orders:fulfil", "--id", "a", "--input", '["x", 500]')
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert 'raise ValueError(f"no money for {amount}")' in failed.stderr
    assert "receipt = yield charge(amount)" in failed.stderr
    assert "nexus rewind a" in failed.stderr


def test_a_failure_as_json(nexus: Nexus) -> None:
    failed = nexus("run", "orders:fulfil", "--id", "a", "--json", "--input", '["x", 500]')
    said = json.loads(failed.stdout)
    assert (failed.exit_code, said["id"], said["status"]) == (1, "a", "failed")
    assert said["error"]["code"] == "NX311"
    assert said["error"]["failure"]["cause"]["type"] == "ValueError"


def test_code_that_cannot_go_on_is_told_and_can_be_mended(nexus: Nexus) -> None:
    blocked = nexus("run", "orders:foreign", "--id", "a")
    assert blocked.exit_code == 1
    assert "NX202" in blocked.stderr
    assert "orders.py:" in blocked.stderr
    assert "nexus run orders:foreign --id a" in blocked.stderr


def test_start_prints_the_id_and_leaves_the_rest_to_workers(nexus: Nexus) -> None:
    started = nexus("start", "orders:approval")
    assert started.exit_code == 0
    assert re.fullmatch(r"approval-\w+\n", started.stdout)
    assert "nexus worker orders" in started.stderr
    assert json.loads(nexus("start", "orders:approval", "--id", "a", "--json").stdout) == {"id": "a"}
    assert nexus("start", "orders:approval", "--id", "a").exit_code == 1


def test_a_store_of_its_own_cannot_be_left_to_workers(nexus: Nexus) -> None:
    refused = nexus("start", "orders:approval", "--store", "memory://")
    assert (refused.exit_code, "private to its process" in refused.stderr) == (2, True)


def test_a_trace_on_a_pipe_is_a_line_per_event_and_then_the_picture(nexus: Nexus) -> None:
    done = nexus("run", "orders:fulfil", "--id", "a", "--trace", "--input", '["x"]')
    assert json.loads(done.stdout) == {"order": "x", "charged": 5.0}
    events, _, picture = done.stderr.partition("WorkflowCompleted")
    assert events.index("WorkflowCreated") < events.index("ActivityScheduled") < events.index("ActivityCompleted")
    assert "━" in picture
    assert re.search(r"^0  charge .*█+.* ✓ ", picture, re.M)


def test_a_trace_of_what_cannot_begin_makes_no_store(nexus: Nexus, folder: Path) -> None:
    assert nexus("run", "orders:fulfil", "--trace", "--input", "3").exit_code == 2
    assert not (folder / "nexus.db").exists()


def test_what_blocks_it_is_told_once(nexus: Nexus) -> None:
    told = nexus("run", "orders:foreign", "--id", "a").stderr
    assert told.count("uses asyncio inside a workflow") == 1
    assert told.startswith("[NX202] a: ")
